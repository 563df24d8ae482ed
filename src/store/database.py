"""A run's state: one SQLite file, `search.sqlite3`, with one transaction for each change.

Only the search writes the file, through `Store`; `saved_search` reads it, also during a search.
Values are JSON. What grows with the search has rows of its own: the trials.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from src.errors import DiskError
from src.files import write_atomically
from src.records import Reevaluation, TrialId, TrialRecord, TrialResult, TrialSpec

FORMAT = 1  # PRAGMA user_version
BUSY_SECONDS = 30.0  # how long reader and writer wait for each other
ORACLE = "oracle/"  # prefix of the names of an oracle's entries in the table `state`
TABLES = {
    "state": "CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # `told`: the score that the oracle was told; `ended`: how many trials ended before.
    "trials": "CREATE TABLE trials (trial_id TEXT PRIMARY KEY, spec TEXT NOT NULL, told REAL, "
    "ended INTEGER, result TEXT, history TEXT, reevaluation TEXT, reevaluation_history TEXT)",
}


@dataclass(frozen=True)
class Exported:
    """The trial whose model is in `best/`, and how many fits of a re-evaluation ranked it."""

    trial_id: TrialId
    reevaluated: int


class Store:
    """Writes the state of one search; `set…`, `begin_trial` and `end_trial` in a transaction.

    Args:
        path: the file; `create` makes it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: dict[str, str] = {}  # values of `state`, to write only those that change
        with _disk_errors(path):
            self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            # EXTRA syncs the folder too when the journal is deleted. With FULL, a loss of power may
            # undo the last transaction, after files were deleted that only the state before needs.
            self._connection.execute("PRAGMA synchronous=EXTRA")
            self._connection.execute("PRAGMA trusted_schema=OFF")

    @classmethod
    def create(cls, path: Path, state: Mapping[str, Any], oracle: Mapping[str, Any]) -> Self:
        """Makes the file of a new search, whole or not at all.

        Args:
            path: the file; it does not exist.
            state: `config`, `config_text`, `identity` and `versions`, as in `SavedSearch`.
            oracle: the oracle's `get_state()`.

        Raises:
            DiskError: if the file cannot be written.
        """
        values = {**state, **oracle_state(oracle)}
        with closing(sqlite3.connect(":memory:")) as memory:
            for table in TABLES.values():
                memory.execute(table)
            memory.execute(f"PRAGMA user_version={FORMAT}")
            rows = [(name, _json(value)) for name, value in values.items()]
            memory.executemany("INSERT INTO state VALUES (?, ?)", rows)
            memory.commit()
            write_atomically(path, memory.serialize())
        return cls(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits at the end of the block, or takes everything back if the block raises.

        Raises:
            DiskError: if the file cannot be written; it then holds the state before.
        """
        if not self._path.exists():  # SQLite would write into the deleted file
            raise DiskError(f"{self._path}: No such file or directory")
        try:
            with _disk_errors(self._path), self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
        except BaseException:
            self._written.clear()
            raise

    def set(self, values: Mapping[str, Any]) -> None:
        """Writes values of the table `state`, those that have changed."""
        for name, value in values.items():
            text = _json(value)
            if self._written.get(name) != text:
                row = (name, text)
                self._connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", row)
                self._written[name] = text

    def begin_trial(self, spec: TrialSpec) -> None:
        """Adds a trial that will run."""
        row = (spec.trial_id, _spec_json(spec))
        self._connection.execute(
            "INSERT OR REPLACE INTO trials (trial_id, spec) VALUES (?, ?)", row
        )

    def end_trial(self, record: TrialRecord, told: float | None, number: int) -> None:
        """Adds the result of a trial.

        Args:
            record: the trial.
            told: the score that the oracle was told; None if the trial failed. For a trial that was
                ended early, it is the score that the trial is expected to have reached.
            number: how many trials ended before.
        """
        # With the spec, because a build may have found hyperparameters.
        self._connection.execute(
            "UPDATE trials SET spec=?, told=?, ended=?, result=?, history=? WHERE trial_id=?",
            (
                *(_spec_json(record.spec), told, number, *_result_json(record.result)),
                record.spec.trial_id,
            ),
        )

    def set_reevaluation(self, trial_id: str, reevaluation: Reevaluation) -> None:
        """Replaces the re-evaluation of a trial."""
        self._connection.execute(
            "UPDATE trials SET reevaluation=?, reevaluation_history=? WHERE trial_id=?",
            (*_result_json(reevaluation), trial_id),
        )


def oracle_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """An oracle's `get_state()` under the names that the table `state` has for its entries."""
    return {ORACLE + name: value for name, value in state.items()}


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise DiskError(f"{path}: {error}") from error


def _spec_json(spec: TrialSpec) -> str:
    values = {"values": spec.hyperparameters["values"]}  # the space is in the table `state`
    return _json(_without(spec, "trial_id", "thresholds") | {"hyperparameters": values})


def _result_json(result: TrialResult | Reevaluation) -> tuple[str, str]:
    return _json(_without(result, "history")), _json(result.history)


def _without(value: Any, *names: str) -> dict[str, Any]:
    return {name: field for name, field in vars(value).items() if name not in names}


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), default=vars)  # of a dataclass, its fields
