"""A lock that could not be taken leaves nothing behind that would keep the next one out."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from src.errors import DiskError
from src.store.lock import RunLock, is_held


def test_on_a_full_disk_the_lock_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "search.lock"
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(DiskError, match=r"search\.lock: No space left on device"):
            RunLock(path).acquire()
    assert not is_held(path)
    with RunLock(path):
        assert path.read_text().startswith(f"process {os.getpid()} on ")
    assert path.read_text() == ""


def test_a_file_that_a_killed_process_left_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "search.lock"
    code = "import os, sys; from pathlib import Path; from src.store.lock import RunLock\n"
    code += "RunLock(Path(sys.argv[1])).acquire(); os.kill(os.getpid(), 9)"
    killed = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert killed.returncode == -9
    assert path.exists()
    assert not is_held(path)
    with RunLock(path):
        assert is_held(path)
