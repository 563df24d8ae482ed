"""Reads the state of a run from its folder: for twins, kill tests and tables of trainings.

Only this module of the tests knows how a run's state is stored. A search may be writing the state,
or may not have written any yet.
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from src.run_directory import RunDirectory

STATE_FILES = frozenset({"search.json", "search.previous.json"})
"""Names of the files that hold the state; `comparable` stands for their content."""

VOLATILE = ("seconds", "started", "ended", "worker")
"""Facts of a trial in which two identical runs may differ."""

Stamp = tuple[int, int] | None


@dataclass(frozen=True)
class Training:
    """A completed trial.

    Attributes:
        values: its hyperparameters.
        seconds: wall time of the trial.
        epochs: a row an epoch; the columns are the logs' names.
    """

    values: dict[str, Any]
    seconds: float
    epochs: pd.DataFrame


def comparable(run: RunDirectory) -> dict[str, Any]:
    """Everything that the states of two identical searches have in common; empty without a state.

    Times, workers and the folder of all runs are left out. The order in which trials ended is left
    out as well, because with several workers it is chance.
    """
    state = _read(run)
    if not state:
        return {}
    head, oracle, exported = state["head"], state["oracle"], state["exported"]
    del head["config"]["run.directory"], head["config_text"]
    oracle["tried_so_far"].sort()  # a set, in the order of the hashes of its process
    del oracle["end_order"]
    if exported is not None:
        del exported["files"]["model.keras"]  # the checksum of an archive, which holds times
    for record in state["records"]:
        for name in VOLATILE:
            record["result"].pop(name, None)
        if record["confirmation"] is not None:
            del record["confirmation"]["seconds"]
    return {
        "head": head,
        "end": state["end"],
        "trials": {trial["trial_id"]: trial for trial in state["trials"]},
        "results": {record["trial_id"]: record for record in state["records"]},
        "epochs": {trial_id: rows.to_csv(index=False) for trial_id, rows in _epochs(run).items()},
        "oracle": oracle,
        "exported": exported,
    }


def ended(run: RunDirectory) -> set[str]:
    """Ids of the trials that have ended; empty without a state."""
    return {record["trial_id"] for record in _read(run).get("records", [])}


def end_kind(run: RunDirectory) -> str:
    """Kind of the search's end, such as `finished`; empty while it runs, and without a state."""
    kind: str = _read(run).get("end", {}).get("kind", "")
    return kind


def stamp(run: RunDirectory) -> Stamp:
    """Changes whenever a search writes the state; None before that."""
    try:
        status = run.snapshot.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def space(run: RunDirectory) -> list[dict[str, Any]]:
    """The hyperparameters, as `keras_tuner.HyperParameters.get_config()["space"]` gives them.

    Raises:
        KeyError: without a state.
    """
    declared: list[dict[str, Any]] = _read(run)["oracle"]["hyperparameters"]["space"]
    return declared


def objective(run: RunDirectory) -> str:
    """Name of the metric that scores the trials.

    Raises:
        KeyError: without a state.
    """
    name: str = _read(run)["head"]["identity"]["objective"]["name"]
    return name


def trainings(run: RunDirectory) -> dict[str, Training]:
    """The completed trials by id, in the order of their ids."""
    state, epochs = _read(run), _epochs(run)
    values = {t["trial_id"]: t["hyperparameters"]["values"] for t in state.get("trials", [])}
    seconds = {
        record["trial_id"]: float(record["result"]["seconds"])
        for record in state.get("records", [])
        if record["result"]["status"] == "COMPLETED"
    }
    return {
        trial_id: Training(values[trial_id], seconds[trial_id], epochs[trial_id])
        for trial_id in sorted(seconds.keys() & epochs.keys())
    }


def _read(run: RunDirectory) -> dict[str, Any]:
    """The latest state, empty where there is none; a damaged one counts as none."""
    try:
        state: dict[str, Any] = json.loads(run.snapshot.read_bytes())["state"]
    except (OSError, ValueError):
        return {}
    return state


def _epochs(run: RunDirectory) -> dict[str, pd.DataFrame]:
    """A row an epoch by trial, without a last line that is being written."""
    lines = _whole_lines(run.history_table)
    if not lines:
        return {}
    rows = pd.read_csv(io.StringIO("".join(lines)), dtype={"trial_id": str})
    groups = rows.groupby("trial_id", sort=True)
    return {str(trial_id): group.drop(columns="trial_id") for trial_id, group in groups}


def _whole_lines(path: Path) -> list[str]:
    try:
        lines = path.read_text().splitlines(keepends=True)
    except OSError:
        return []
    return lines if not lines or lines[-1].endswith("\n") else lines[:-1]
