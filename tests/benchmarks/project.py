"""Runs this project's own command and reads what it leaves."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from src.config.schema import RunSettings
from src.store.run_directory import RunDirectory
from tests.benchmarks.job import Outcome
from tests.benchmarks.processes import CommandError, Finished, run_python

HAS_WORKERS = "workers" in RunSettings.model_fields


@dataclass(frozen=True)
class Search:
    """A search that `python -m src.tune` has run.

    Attributes:
        process: its time, output and memory.
        outcome: its times, epochs and best score.
        mean_score: mean of all trials' scores; moves less by chance than the best one.
        test_accuracy: of the exported model.
    """

    process: Finished
    outcome: Outcome
    mean_score: float
    test_accuracy: float


def tune(folder: Path, overrides: Sequence[str]) -> Search:
    """Runs the command with its files below `folder`.

    Raises:
        CommandError: if the command or one of its trials fails.
    """
    process = run_python(["-m", "src.tune", f"run.directory={folder}", "run.name=run", *overrides])
    run = RunDirectory(folder / "run")
    trials = pd.read_csv(run.trials_table)
    failed = trials[trials["status"] != "COMPLETED"]
    if len(failed):
        raise CommandError(f"{len(failed)} trials failed; the first: {failed['reason'].iloc[0]}")
    return Search(
        process,
        Outcome(
            started=pd.to_datetime(trials["started"]).min().timestamp(),
            ended=pd.to_datetime(trials["ended"]).max().timestamp(),
            trial_epochs=int(trials["epochs"].sum()),
            score=float(trials["score"].max()),
        ),
        mean_score=statistics.fmean(trials["score"]),
        test_accuracy=json.loads(run.metrics.read_text())["test"]["accuracy"],
    )
