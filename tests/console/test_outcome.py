"""What the console shows when a search is over."""

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from src.config import load_config
from src.console.outcome import leaderboard, pareto_table, show_outcome
from src.messages import SearchEnd
from src.records import Objective, TrialRecord
from src.search.progress import SearchProgress
from src.search.workflow import SearchOutcome
from src.store.run_directory import RunDirectory
from tests.console.test_listener import ended


def with_values(record: TrialRecord, parameters: int, **values: Any) -> TrialRecord:
    hyperparameters = {"space": [], "values": values}
    return TrialRecord(
        replace(record.spec, hyperparameters=hyperparameters),
        replace(record.result, parameters=parameters),
    )


def printed(renderable: Any) -> list[str]:
    console = Console(file=io.StringIO(), width=100)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_the_leaderboard_shows_the_hyperparameters_that_vary_and_the_front_all_objectives() -> None:
    progress = SearchProgress(
        Objective("val_accuracy", "max"), 3, secondary=(Objective("parameters", "min"),)
    )
    progress.add(with_values(ended("0000", 0.9), 200, units=64, layers=1))
    progress.add(with_values(ended("0001", 0.8), 300, units=128, layers=1))
    progress.add(with_values(ended("0002", 0.95, 0.97), 12_000, units=256, layers=1, dropout=0.25))
    assert printed(leaderboard(progress, 100)) == [
        "best trials 0002 0000 0001",
        "val_accuracy 0.96 ± 0.01 0.9 0.8",
        "best epoch / epochs 4/9 4/9 4/9",
        "seconds 2.0 2.0 2.0",
        "parameters 12,000 200 300",
        "units 256 64 128",
        "dropout 0.25",
    ]
    assert printed(leaderboard(progress, 40))[0] == "best trials 0002"
    front = printed(pareto_table(progress))
    assert front == [
        "Pareto front val_accuracy parameters",
        "0002 0.96 ± 0.01 12,000",
        "0000 0.9 200",
    ]


def test_reasons_of_failures_are_counted_and_the_way_on_is_shown(tmp_path: Path) -> None:
    progress = SearchProgress(Objective("val_accuracy", "max"), None)
    for trial_id, reason in (("0000", "nan"), ("0001", "OOM"), ("0002", "nan")):
        progress.add(ended(trial_id, reason=reason))
    last = progress.records[-1]
    progress.records[-1] = replace(last, result=replace(last.result, traceback="line 7, in build"))
    end = SearchEnd("finished", "5 minutes are over", "limits.minutes")
    outcome = SearchOutcome(RunDirectory(tmp_path), end, progress, None)
    prepared: Any = SimpleNamespace(config=load_config("quick", ["limits.minutes=5"]))
    console = Console(file=io.StringIO(), width=100)
    show_outcome(console, prepared, outcome)
    assert isinstance(console.file, io.StringIO)
    shown = " ".join(console.file.getvalue().split())
    assert "ended 5 minutes are over; 0 completed, 3 failed 2 × nan 1 × OOM" in shown
    assert "line 7, in build" in shown
    assert f"--resume {tmp_path} limits.minutes=10 #" in shown
