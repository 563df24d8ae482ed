"""The README's own parts, a file and a line each; and what is left when leaves are deleted."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from src.messages import SearchEnd
from src.store.run_directory import RunDirectory
from src.store.saved_search import read_search
from tests.benchmarks.leaves import delete_leaves, find_leaves
from tests.quick_search import fake  # noqa: F401
from tests.reporting.made_up import rehearse_nothing

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PARTS = re.findall(
    r"\*\*A \w[\w ]*\*\*: `(?P<file>[\w/]+\.py)`, and\s+`(?P<line>\"[^`]+\")`\s+in\s+"
    r"`(?P<registry>\w+)`\s+\((?P<where>`[\w/]+\.py`)\).*?```python\n(?P<code>.*?)```",
    README,
    flags=re.DOTALL,
)


def run_copy(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=project,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_own_parts_are_one_file_and_one_line_with_all_leaves_deleted(tmp_path: Path) -> None:
    for folder in ("src", "hypermodels", "callbacks"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    leaves = find_leaves(tmp_path)
    assert {"reporting", "console", "training", "grid", "process"} <= {leaf.name for leaf in leaves}
    delete_leaves(tmp_path, leaves)

    assert len(PARTS) == 6
    for file, line, registry, where, code in PARTS:
        assert not (tmp_path / file).exists()
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(code)
        path = tmp_path / where.strip("`")
        opening = f"{registry}: dict[str, str] = {{\n"
        assert path.read_text().count(opening) == 1
        path.write_text(path.read_text().replace(opening, f"{opening}    {line},\n"))

    done = run_copy(
        tmp_path,
        *("src.tune", "--config", "quick", "tuner.max_trials=2", "training.epochs=2"),
        *("data.source=moons", "hypermodel.name=wide", "space.schedule=sawtooth"),
        *("space.width.max=64", "space.good_enough=0.5", "tuner.name=halton"),
        "run.name=own",  # run.workers=auto is 1 where no other executor is left
    )
    assert done.returncode == 0, done.stderr
    run = RunDirectory(tmp_path / "logs" / "own")
    assert run.model.exists()
    assert not run.trials_table.exists()
    saved = read_search(run)
    assert saved.end == SearchEnd(
        "finished", "all 2 trials are done (tuner.max_trials)", "tuner.max_trials"
    )
    assert saved.identity["data"]["features"] == 2
    best = max(record.result.score or 0 for record in saved.records)
    assert (run.path / "best_score.txt").read_text() == f"{best}\n"
    values = [record.spec.values for record in saved.records]
    assert [record.result.epochs for record in saved.records] == [1, 1]  # half is soon good enough
    assert {trial["schedule"] for trial in values} == {"sawtooth"}
    assert values[0]["schedule_teeth"] != values[1]["schedule_teeth"]
    assert all(32 <= trial["width"] <= 64 for trial in values)

    report = run_copy(tmp_path, "src.report", "logs/own")
    assert report.returncode == 2
    assert report.stderr == "error: src/reporting/, which makes reports, was deleted\n"


@pytest.mark.usefixtures("fake")
def test_the_notebook_cell_leaves_the_files_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rehearse_nothing(monkeypatch)
    (cell,) = re.findall(r"In a notebook:\n\n```python\n(.*?)```", README, flags=re.DOTALL)
    cell = cell.replace('"tuner.max_trials=3"', '"tuner.max_trials=3", "run.workers=1"')
    names: dict[str, Any] = {}
    exec(cell, names)
    assert list(names["trials"]["trial_id"]) == ["0000", "0001", "0002"]
    assert set(names["epochs"]["trial_id"]) == {"0000", "0002"}  # the other one always fails
    (run,) = (RunDirectory(path) for path in (tmp_path / "logs").iterdir())
    for path in (run.trials_table, run.history_table, run.log, run.tensorboard, run.model):
        assert path.exists(), path
    shown = capsys.readouterr().out
    assert "best so far" in shown
    assert "\x1b" not in shown
