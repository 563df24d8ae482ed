"""The latest run is the one whose search was last active, for the commands and for `make board`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from src.store.run_directory import RUNS, RunDirectory

PROJECT = Path(__file__).parent.parent
ABOUT_NOW = 1_700_000_000


def test_it_is_the_run_that_all_commands_take_and_needs_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for age, name in ((500, "early"), (100, "late")):
        run = tmp_path / RUNS / name
        run.mkdir(parents=True)
        (run / "search.sqlite3").write_text("")
        os.utime(run / "search.sqlite3", (ABOUT_NOW - age, ABOUT_NOW - age))
    (tmp_path / RUNS / "early" / "report.html").write_text("")  # just now, by another command
    os.utime(tmp_path / RUNS / "late", (ABOUT_NOW - 900, ABOUT_NOW - 900))
    monkeypatch.chdir(tmp_path)
    assert RunDirectory.find(RUNS, None).path == Path("logs/late")
    command = [sys.executable, "-S", "-m", "src.latest"]  # without the installed packages
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "logs/late\n"


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
def test_make_board_without_a_run_says_so_before_it_installs_anything(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "src", tmp_path / "src")
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(PROJECT / name, tmp_path)
    command = ["make", "board", f"PYTHON={sys.executable}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "holds no run yet; python -m src.tune makes one" in done.stderr
    assert not (tmp_path / ".venv").exists()
