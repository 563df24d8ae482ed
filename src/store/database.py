"""A run's state: one SQLite file, `search.sqlite3`, with one transaction for each change.

The search alone writes it, through `Store`; `saved_search` reads it, also while the search writes.
Values are JSON. What grows with the search has rows of its own: trials, fits, epochs.
"""

import dataclasses
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from src.errors import DiskError
from src.files import disk_errors, sync
from src.records import Reevaluation, TrialRecord, TrialResult, TrialSpec

FORMAT = 1  # PRAGMA user_version
BUSY_SECONDS = 30.0  # how long reader and writer wait for each other
TABLES = {
    "state": "CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "trials": "CREATE TABLE trials (trial_id TEXT PRIMARY KEY, spec TEXT NOT NULL, "
    "status TEXT NOT NULL, score REAL, step INTEGER, ended INTEGER, result TEXT, "
    "reevaluation TEXT)",
    "fits": "CREATE TABLE fits (trial_id TEXT, execution INTEGER, fold INTEGER, fit TEXT NOT NULL, "
    "PRIMARY KEY (trial_id, execution, fold)) WITHOUT ROWID",
    "epochs": "CREATE TABLE epochs (trial_id TEXT, execution INTEGER, fold INTEGER, "
    "epoch INTEGER, logs TEXT NOT NULL, "
    "PRIMARY KEY (trial_id, execution, fold, epoch)) WITHOUT ROWID",
}
_KEYS = ("execution", "fold", "epoch")  # of an epoch's row; the rest are logs
_OWN_ROWS = ("history", "fits", "hyperparameters")  # fields that are not in `result`


@dataclass(frozen=True)
class ToldTrial:
    """A trial as the oracle knows it.

    Attributes:
        status: RUNNING, COMPLETED or FAILED.
        score: what the oracle was told; None unless completed. For a trial that was ended early it
            is the score that the trial is expected to have reached.
        step: the best epoch.
    """

    status: str
    score: float | None
    step: int | None


@dataclass(frozen=True)
class Exported:
    """The trial whose model is in `best/`.

    Attributes:
        trial_id: the trial.
        reevaluated: how many fits of a re-evaluation its rank had; 0 for its own fits.
    """

    trial_id: str
    reevaluated: int


class Store:
    """Writes the state of one search.

    Every method raises `DiskError` if the file cannot be written; the file then holds the state
    before the transaction.

    Args:
        path: the file; it exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: dict[str, str] = {}  # values of `state`, to write only those that change
        with _disk_errors(path):
            self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute("PRAGMA trusted_schema=OFF")

    @classmethod
    def create(cls, path: Path, state: Mapping[str, Any], oracle: Mapping[str, Any]) -> Self:
        """Makes the file of a new search, whole or not at all.

        Args:
            path: the file; it does not exist.
            state: `config`, `config_text`, `identity` and `versions`, as in `SavedSearch`.
            oracle: the oracle's `get_state()`.
        """
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        with cls(temporary) as store, _disk_errors(path):
            temporary.touch()
            with store.transaction():
                for table in TABLES.values():
                    store._connection.execute(table)
                store._connection.execute(f"PRAGMA user_version={FORMAT}")
                store.set(state)
                store.set_oracle(oracle)
        with disk_errors(path):
            temporary.rename(path)
            sync(path.parent)
        return cls(path)

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits at the end of the block, or takes everything back if the block raises."""
        with _disk_errors(self._path):
            if not self._path.exists():  # deleted: nobody would find what is written
                raise DiskError(f"{self._path}: No such file or directory")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._written.clear()
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def set(self, values: Mapping[str, Any]) -> None:
        """Writes values of the table `state`, those that have changed."""
        for name, value in values.items():
            text = _json(dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value)  # type: ignore[arg-type]
            if self._written.get(name) != text:
                self._execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, text))
                self._written[name] = text

    def set_oracle(self, state: Mapping[str, Any]) -> None:
        """Writes an oracle's `get_state()`, the entries that have changed."""
        self.set({f"oracle/{name}": value for name, value in state.items()})

    def begin_trial(self, spec: TrialSpec) -> None:
        """Adds a trial that will run."""
        values = {"values": spec.hyperparameters["values"]}  # the space is in the oracle's state
        text = {
            field.name: getattr(spec, field.name)
            for field in dataclasses.fields(spec)
            if field.name != "thresholds"
        }
        self._execute(
            "INSERT OR REPLACE INTO trials (trial_id, spec, status) VALUES (?, ?, 'RUNNING')",
            (spec.trial_id, _json(text | {"hyperparameters": values})),
        )

    def end_trial(self, record: TrialRecord, told: ToldTrial, number: int) -> None:
        """Adds the result of a trial.

        Args:
            record: the trial.
            told: what the oracle was told.
            number: how many trials ended before.
        """
        self._execute(
            "UPDATE trials SET status=?, score=?, step=?, ended=?, result=? WHERE trial_id=?",
            (
                *(told.status, told.score, told.step, number),
                *(_json(_fields(record.result)), record.spec.trial_id),
            ),
        )
        self._add_fits(record.spec.trial_id, record.result)

    def set_reevaluation(self, record: TrialRecord) -> None:
        """Replaces the re-evaluation of a trial."""
        assert record.reevaluation is not None
        trial_id = record.spec.trial_id
        self._execute(
            "UPDATE trials SET reevaluation=? WHERE trial_id=?",
            (_json(_fields(record.reevaluation)), trial_id),
        )
        self._add_fits(trial_id, record.reevaluation)

    def _add_fits(self, trial_id: str, result: TrialResult | Reevaluation) -> None:
        with _disk_errors(self._path):
            self._connection.executemany(
                "INSERT OR REPLACE INTO fits VALUES (?, ?, ?, ?)",
                [(trial_id, fit.execution, fit.fold, _json(vars(fit))) for fit in result.fits],
            )
            self._connection.executemany(
                "INSERT OR REPLACE INTO epochs VALUES (?, ?, ?, ?, ?)",
                [
                    (
                        *(trial_id, *(int(row[key]) for key in _KEYS)),
                        _json({name: row[name] for name in row if name not in _KEYS}),
                    )
                    for row in result.history
                ],
            )

    def _execute(self, statement: str, values: Iterable[Any]) -> None:
        with _disk_errors(self._path):
            self._connection.execute(statement, tuple(values))


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise DiskError(f"{path}: {error}") from error


def _fields(value: Any) -> dict[str, Any]:
    """A dataclass as plain data, without the fields that have rows of their own."""
    names = (field.name for field in dataclasses.fields(value))
    return {name: getattr(value, name) for name in names if name not in _OWN_ROWS}


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
