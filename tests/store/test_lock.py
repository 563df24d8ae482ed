"""A lock that could not be taken leaves nothing behind that would keep the next one out."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from src.errors import DiskError
from src.store.lock import RunLock


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
    assert not path.exists()
    with RunLock(path):
        assert path.read_text().startswith(f"process {os.getpid()} on ")
    assert not path.exists()
