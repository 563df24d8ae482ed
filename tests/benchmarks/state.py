"""Reads the state of a run from its folder: for twins, kill tests and tables of trainings.

Only this module of the benchmarks knows how a run's state is stored. A search may be writing the
state, or may not have written any yet.
"""

import dataclasses
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pandas as pd

from src.store.run_directory import RunDirectory
from src.store.saved_search import read_search

STATE_FILES = frozenset({"search.sqlite3", "search.sqlite3-journal"})
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
    if stamp(run) is None:
        return {}
    state: dict[str, Any] = dataclasses.asdict(read_search(run))
    del state["run"], state["seconds"], state["config"]["run.directory"], state["config_text"]
    oracle = state["oracle"]
    oracle.pop("end_order", None)
    if "tried_so_far" in oracle:  # a set, in the order of the hashes of its process
        oracle["tried_so_far"].sort()
    for record in state["records"]:
        for name in VOLATILE:
            record["result"].pop(name, None)
        if record["reevaluation"] is not None:
            del record["reevaluation"]["seconds"]
    state["records"].sort(key=lambda record: record["spec"]["trial_id"])
    return state


def ended(run: RunDirectory) -> set[str]:
    """Ids of the trials that have ended; empty without a state."""
    return {trial_id for (trial_id,) in _rows(run, "SELECT trial_id FROM trials WHERE result > ''")}


def end_kind(run: RunDirectory) -> str:
    """Kind of the search's end, such as `finished`; empty while it runs, and without a state."""
    for (text,) in _rows(run, "SELECT value FROM state WHERE name = 'end'"):
        end = json.loads(text)
        return "" if end is None else str(end["kind"])
    return ""


def stamp(run: RunDirectory) -> Stamp:
    """Changes whenever a search writes the state; None before that."""
    try:
        status = run.database.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def space(run: RunDirectory) -> list[dict[str, Any]]:
    """The hyperparameters, as `keras_tuner.HyperParameters.get_config()["space"]` gives them."""
    spec = next(iter(read_search(run, history=False).specs.values()))
    declared: list[dict[str, Any]] = spec.hyperparameters["space"]
    return declared


def objective(run: RunDirectory) -> str:
    """Name of the metric that scores the trials."""
    name: str = read_search(run, history=False).identity["objective"]["name"]
    return name


def trainings(run: RunDirectory) -> dict[str, Training]:
    """The completed trials by id, in the order of their ids."""
    records = {} if stamp(run) is None else {r.spec.trial_id: r for r in read_search(run).records}
    return {
        trial_id: Training(
            record.spec.hyperparameters["values"],
            record.result.seconds,
            pd.DataFrame(record.result.history),
        )
        for trial_id, record in sorted(records.items())
        if record.result.status == "COMPLETED"
    }


def _rows(run: RunDirectory, query: str) -> list[tuple[Any, ...]]:
    """Rows of the state; none before it is there."""
    uri = f"{run.database.absolute().as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(uri, 30.0, uri=True)) as connection:
            return connection.execute(query).fetchall()
    except sqlite3.OperationalError:
        if stamp(run) is None:
            return []
        raise
