"""A run's tables as DataFrames: a row a trial, a row an epoch."""

import io
from pathlib import Path
from typing import Any

import pandas as pd

from src.errors import UserError
from src.store.run_directory import RUNS, RunDirectory

TOO_LARGE = 1e150  # such a score or time is none: sums of squares would overflow
LARGEST = 1e12  # a count of epochs that is larger is none
TEXTS = ("trial_id", "status", "cut", "reason", "parent", "worker", "started", "ended")
WHOLE = ("epochs", "best_epoch", "bracket", "rung")
NUMBERS = ("score", "score_std", "score_error", "confirmed", "confirmed_error", "seconds")
TRIAL_COLUMNS = (
    *("trial_id", "status", "epochs", "best_epoch", *NUMBERS),
    *("started", "ended", "worker", "cut", "reason", "parent", "bracket", "rung"),
)
HISTORY_COLUMNS = ("trial_id", "execution", "fold", "epoch", "learning_rate", "batch_size")


def load_trials(run: str | Path | RunDirectory | None = None) -> pd.DataFrame:
    """Returns trials.csv: a row a trial.

    Ids are texts, `started` and `ended` are times, `score` and the metrics are floats. An inactive
    hyperparameter is missing. `batch_size` holds `full` for the whole training set, and is a column
    of texts then. `root` is the trial that a Hyperband promotion descends from, else the trial.

    Args:
        run: a run's folder, its name below `logs/`, or None for the latest.

    Raises:
        UserError: if there is no such run, or the file cannot be read.
    """
    found = find_run(run)
    table = _read(found.trials_table, TEXTS)
    missing = {"trial_id", "status", "score"} - set(table.columns)
    if missing:
        raise UserError(f"{found.trials_table}: has no column {', '.join(sorted(missing))}")
    for name in TRIAL_COLUMNS:
        if name not in table.columns:
            table[name] = pd.NA
    for name in NUMBERS:
        numbers = pd.to_numeric(table[name], errors="coerce").astype(float)
        table[name] = numbers.where(numbers.abs() < TOO_LARGE)
    for name in WHOLE:
        numbers = pd.to_numeric(table[name], errors="coerce").astype(float).round()
        table[name] = numbers.where(numbers.abs() < LARGEST).astype("Int64")
    for name in ("started", "ended"):
        table[name] = pd.to_datetime(table[name], errors="coerce", utc=True, format="ISO8601")
    table = table.dropna(subset=["trial_id"]).drop_duplicates("trial_id", keep="last")
    table = table.reset_index(drop=True)
    table["root"] = _roots(table)
    return table


def load_history(run: str | Path | RunDirectory | None = None) -> pd.DataFrame:
    """Returns history.csv: a row an epoch of each fit, numbers but for `trial_id`.

    Args:
        run: as for `load_trials`.

    Raises:
        UserError: if there is no such run, or the file cannot be read.
    """
    found = find_run(run)
    table = _read(found.history_table, ("trial_id",))
    missing = {"trial_id", "epoch"} - set(table.columns)
    if missing:
        raise UserError(f"{found.history_table}: has no column {', '.join(sorted(missing))}")
    for name in HISTORY_COLUMNS:
        if name not in table.columns:
            table[name] = 0 if name in ("execution", "fold") else pd.NA
    for name in table.columns.drop("trial_id"):
        table[name] = pd.to_numeric(table[name], errors="coerce")
    return table.dropna(subset=["trial_id", "epoch"]).reset_index(drop=True)


def load_fits(run: str | Path | RunDirectory | None = None) -> pd.DataFrame:
    """Returns fits.csv: a row a fit, where trials have several; else an empty table.

    Args:
        run: as for `load_trials`.

    Raises:
        UserError: if there is no such run, or the file cannot be read.
    """
    found = find_run(run)
    if not found.fits_table.exists():
        return pd.DataFrame()
    table = _read(found.fits_table, ("trial_id",))
    for name in table.columns.drop("trial_id", errors="ignore"):
        table[name] = pd.to_numeric(table[name], errors="coerce")
    return table


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


def _read(path: Path, texts: tuple[str, ...]) -> pd.DataFrame:
    """The table as far as its lines are whole: the last may be being written."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    text = content.decode(errors="replace").replace("\0", "")
    if text and not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
    types: dict[str, Any] = dict.fromkeys(texts, object)
    try:
        return pd.read_csv(
            io.StringIO(text),
            dtype=types,
            keep_default_na=False,
            na_values=[""],
            on_bad_lines="skip",
            low_memory=False,
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise UserError(f"{path}: is no table: {error}") from error


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
