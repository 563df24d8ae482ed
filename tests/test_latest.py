"""The latest run is the one whose search was last active, for the commands and for `make board`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from src import latest
from src.store.run_directory import RUNS, RunDirectory

PROJECT = Path(__file__).parent.parent
ABOUT_NOW = 1_700_000_000


def make_runs(folder: Path) -> None:
    """Two runs: into the first, whose search ended long ago, something was written just now."""
    for age, name in ((500, "early"), (100, "late")):
        run = folder / RUNS / name
        run.mkdir(parents=True)
        (run / "search.json").write_text("{}")
        os.utime(run / "search.json", (ABOUT_NOW - age, ABOUT_NOW - age))
    (folder / RUNS / "early" / "report.html").write_text("")
    os.utime(folder / RUNS / "early", (ABOUT_NOW, ABOUT_NOW))
    os.utime(folder / RUNS / "late", (ABOUT_NOW - 900, ABOUT_NOW - 900))


def test_it_is_the_run_that_all_commands_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_runs(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert latest.main() == 0
    assert capsys.readouterr().out == "logs/late\n"
    assert RunDirectory.find(RUNS, None).path == Path("logs/late")


def test_it_needs_no_package(tmp_path: Path) -> None:
    make_runs(tmp_path)
    command = [sys.executable, "-S", "-m", "src.latest"]  # without the installed packages
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    told = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert told.stdout == "logs/late\n"


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
def test_make_board_without_a_run_says_so_before_it_installs_anything(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "src", tmp_path / "src")
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(PROJECT / name, tmp_path)
    command = ["make", "board", f"PYTHON={sys.executable}"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert "holds no run yet; python -m src.tune makes one" in told.stderr
    assert not (tmp_path / ".venv").exists()
