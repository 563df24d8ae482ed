"""The README's own parts, put in as it says, one file and one line each, in a copy."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PARTS = re.findall(
    r"\*\*A \w[\w ]*\*\*: `(?P<file>[\w/]+\.py)`, and `(?P<line>\"[^`]+\")`\s+in\s+"
    r"`(?P<registry>\w+)`\s+\(`(?P<where>[\w/]+\.py)`\).*?```python\n(?P<code>.*?)```",
    README,
    flags=re.DOTALL,
)
RUN = ("--config", "quick", "tuner.max_trials=2", "training.epochs=2", "run.name=own")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project without its runs."""
    for folder in ("src", "hypermodels", "callbacks"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path


def tune(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "src.tune", *RUN, *arguments],
        cwd=project,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_part_of_ones_own_is_one_file_and_one_line(project: Path) -> None:
    assert [where for _, _, _, where, _ in PARTS] == [
        "src/data/__init__.py",
        "hypermodels/__init__.py",
        "callbacks/schedules.py",
        "callbacks/registry.py",
        "src/search/__init__.py",
    ]
    for file, line, registry, where, code in PARTS:
        assert not (project / file).exists()
        (project / file).write_text(code)
        text = (project / where).read_text()
        opening = f"{registry}: dict[str, str] = {{\n"
        assert text.count(opening) == 1
        (project / where).write_text(text.replace(opening, f"{opening}    {line},\n"))
    done = tune(
        project,
        *("data.source=moons", "hypermodel.name=wide", "space.schedule=sawtooth"),
        *("space.width.max=64", "space.good_enough=0.5", "tuner.name=halton"),
    )
    assert done.returncode == 0, done.stderr
    trials = pd.read_csv(project / "logs" / "own" / "trials.csv")
    assert list(trials["status"]) == ["COMPLETED"] * 2
    assert set(trials["schedule"]) == {"sawtooth"}
    assert set(trials["good_enough"]) == {0.5}
    assert set(trials["epochs"]) == {1}  # of two: half of two classes is soon reached
    assert trials["width"].between(32, 64).all()
    assert trials["schedule_teeth"].nunique() == 2
    assert "2 features, binary, 2 classes" in done.stdout
    assert "passed over" in done.stdout  # the preset's hyperparameters that the model does not have


def test_reporting_can_be_deleted(project: Path) -> None:
    shutil.rmtree(project / "src" / "reporting")
    done = tune(project, "data.source=iris")
    assert done.returncode == 0, done.stderr
    run = project / "logs" / "own"
    assert (run / "best" / "model.keras").exists()
    assert not (run / "trials.csv").exists()
    assert "src.report" not in done.stdout
    command = [sys.executable, "-m", "src.report", str(run)]
    report = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert report.returncode == 2
    assert report.stderr == "error: src/reporting/, which makes reports, was deleted\n"


def test_the_notebook_cell_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (cell,) = re.findall(r"In a notebook:\n\n```python\n(.*?)```", README, flags=re.DOTALL)
    cell = cell.replace('"tuner.max_trials=3"', '"tuner.max_trials=3", "run.workers=1"')
    names: dict[str, object] = {}
    exec(cell, names)
    trials, epochs = names["trials"], names["epochs"]
    assert isinstance(trials, pd.DataFrame)
    assert isinstance(epochs, pd.DataFrame)
    assert list(trials["trial_id"]) == ["0000", "0001", "0002"]
    assert set(epochs["trial_id"]) == set(trials["trial_id"])
    assert "best so far" in capsys.readouterr().out
