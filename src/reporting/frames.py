"""A run's tables as DataFrames: a row a trial, a row an epoch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from src.config.objectives import COSTS, KNOWN_DIRECTIONS
from src.errors import UserError
from src.records import Objective
from src.reporting.domains import read_space
from src.reporting.tables import Tables
from src.search.progress import SearchProgress
from src.store.run_directory import RUNS, RunDirectory
from src.store.saved_search import SavedSearch, read_search

TOO_LARGE = 1e150  # such a score or time is none: sums of squares would overflow
LARGEST = 1e12  # a count of epochs that is larger is none
TEXTS = ("trial_id", "status", "stopped_by", "reason", "parent", "worker", "started", "ended")
WHOLE = ("epochs", "best_epoch", "bracket", "rung")
NUMBERS = ("score", "score_std", "score_error", "reevaluated", "reevaluated_error", "seconds")
TRIAL_COLUMNS = (
    *("trial_id", "status", "epochs", "best_epoch", *NUMBERS),
    *("started", "ended", "worker", "stopped_by", "reason", "parent", "bracket", "rung"),
)
HISTORY_COLUMNS = ("trial_id", "execution", "fold", "epoch", "learning_rate", "batch_size")


def load_trials(run: str | Path | RunDirectory | None = None) -> pd.DataFrame:
    """Returns a row a trial.

    Ids are texts, `started` and `ended` are times, `score` and the metrics are floats. An inactive
    hyperparameter is missing. `batch_size` holds `full` for the whole training set, and is a column
    of texts then. `root` is the trial that a Hyperband promotion descends from, else the trial.

    Args:
        run: a run's folder, its name below `logs/`, or None for the latest.

    Raises:
        UserError: if there is no such run, or its state cannot be read.
    """
    saved = read_search(find_run(run), history=False)
    with readable(saved):
        return trials_frame(tables_of(saved))


def load_history(run: str | Path | RunDirectory | None = None) -> pd.DataFrame:
    """Returns a row an epoch of each fit, numbers but for `trial_id`.

    Args:
        run: as for `load_trials`.

    Raises:
        UserError: if there is no such run, or its state cannot be read.
    """
    saved = read_search(find_run(run))
    with readable(saved):
        return history_frame(tables_of(saved))


@contextmanager
def readable(saved: SavedSearch) -> Iterator[None]:
    """Around what makes tables of a state that may be a stranger's: turns errors into `UserError`.

    The database checks types of trials and results, but not configuration, identity and epochs.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, OSError) as error:
        raise UserError(
            f"{saved.run.database}: is damaged or not the state of a search ({error!r})"
        ) from error


def tables_of(saved: SavedSearch) -> Tables:
    """The tables of a search whose state was read."""
    objective = Objective(**saved.identity["objective"])
    names = saved.config.get("objective.secondary") or ()
    directions: dict[str, Any] = dict.fromkeys(COSTS, "min") | KNOWN_DIRECTIONS
    secondary = tuple(Objective(name, directions[name]) for name in names)
    progress = SearchProgress(objective, None, secondary)
    for record in saved.records:
        progress.add(record)
    domains = read_space(saved.identity["space"])
    return Tables(progress, [domain.name for domain in domains], saved.identity["metrics"])


def trials_frame(tables: Tables) -> pd.DataFrame:
    """The table of trials; see `load_trials`. It also has the models' `parameters`."""
    table = pd.DataFrame(tables.trials())
    if table.empty:
        return empty_trials()
    columns = [*tables.trial_columns(), "parameters"]
    table = table.reindex(columns=list(dict.fromkeys(columns)))
    for name in TRIAL_COLUMNS:
        if name not in table.columns:
            table[name] = pd.NA
    for name in NUMBERS:
        numbers = pd.to_numeric(table[name], errors="coerce").astype(float)
        table[name] = numbers.where(numbers.abs() < TOO_LARGE)
    for name in (*WHOLE, "parameters"):
        table[name] = pd.to_numeric(table[name], errors="coerce").astype("Int64")
    for name in ("started", "ended"):
        table[name] = pd.to_datetime(table[name], utc=True, format="ISO8601")
    if "batch_size" in table.columns and any(isinstance(size, str) for size in table["batch_size"]):
        table["batch_size"] = table["batch_size"].map(lambda v: v if pd.isna(v) else _text(v))
    table["root"] = _roots(table)
    return table


def history_frame(tables: Tables) -> pd.DataFrame:
    """The table of epochs; see `load_history`."""
    table = pd.DataFrame(tables.history())
    if table.empty:
        return empty_history()
    table = table.reindex(columns=tables.history_columns())
    for name in table.columns.drop("trial_id"):
        table[name] = pd.to_numeric(table[name], errors="coerce")
    return table


def fits_frame(tables: Tables) -> pd.DataFrame:
    """A row a fit if trials have several; else an empty table."""
    fits = tables.fits()
    return pd.DataFrame(fits).reindex(columns=tables.fit_columns()) if fits else pd.DataFrame()


def find_run(run: str | Path | RunDirectory | None) -> RunDirectory:
    """Returns a run that is there.

    Raises:
        UserError: if it is not.
    """
    if isinstance(run, RunDirectory):
        return run
    return RunDirectory.find(RUNS, None if run is None else str(run))


def empty_trials() -> pd.DataFrame:
    """What `load_trials` gives before the first trial has ended."""
    table = pd.DataFrame({name: pd.Series(dtype=object) for name in (*TRIAL_COLUMNS, "root")})
    floats = dict.fromkeys(NUMBERS, float)
    return table.astype(floats).astype(dict.fromkeys(WHOLE, "Int64"))


def empty_history() -> pd.DataFrame:
    """What `load_history` gives without an epoch."""
    return pd.DataFrame({name: pd.Series(dtype=float) for name in HISTORY_COLUMNS}).astype(
        {"trial_id": object}
    )


def _roots(table: pd.DataFrame) -> list[str]:
    """The first trial of each chain of promotions."""
    parents = {
        str(child): str(parent)
        for child, parent in zip(table["trial_id"], table["parent"], strict=True)
        if isinstance(parent, str)
    }
    roots = []
    for trial_id in table["trial_id"]:
        root, seen = str(trial_id), set()
        while root in parents and root not in seen:
            seen.add(root)
            root = parents[root]
        roots.append(root)
    return roots


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
