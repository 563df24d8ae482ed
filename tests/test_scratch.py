"""Scratch folders: gone with their process, or when the next one comes."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from src.scratch import ScratchFolder

ROOT = Path(__file__).parents[1]
SCRIPT = """
import time
from src.scratch import ScratchFolder
folder = ScratchFolder()
(folder.path / "rows").write_text("rows")
print(folder.path, flush=True)
time.sleep(60)
"""


def test_a_killed_process_leaves_its_folder_until_the_next_one_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "search-results").mkdir()
    (tmp_path / "search-data-file").write_text("not a folder")
    (tmp_path / "search-data-link").symlink_to(tmp_path / "search-results")
    others = set(tmp_path.iterdir())
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().strip())
        first = ScratchFolder()
        assert (left / "rows").read_text() == "rows"  # its process lives
        process.send_signal(signal.SIGKILL)
    assert left.is_dir()
    second = ScratchFolder()
    assert set(tmp_path.iterdir()) == others | {first.path, second.path}
    first.cleanup()
    second.cleanup()
    second.cleanup()
    assert set(tmp_path.iterdir()) == others
