"""Reads the state of a search: one that has ended, was killed, or runs."""

import json
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from src.errors import DiskError, UserError
from src.messages import SearchEnd
from src.records import TrialRecord, TrialSpec
from src.store.database import BUSY_SECONDS, FORMAT, ORACLE, TABLES, Exported
from src.store.run_directory import OLD_STATE, RunDirectory
from src.text import python_command

_SPEC = TypeAdapter(TrialSpec)
_RECORD = TypeAdapter(TrialRecord)
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class SavedSearch:
    """The state of a search."""

    run: RunDirectory
    config: dict[str, Any]  # the configuration under dotted keys
    config_text: str  # the text of the run's config.yaml
    identity: dict[str, Any]  # rows, space, objective: what a resumed search must have in common
    versions: dict[str, str]  # of Python and of the packages that scores depend on
    oracle: dict[str, Any]  # the oracle's `get_state()`
    specs: dict[str, TrialSpec]  # every trial, in the order of proposal
    told: dict[str, float]  # by trial that completed, the score that the oracle was told
    records: list[TrialRecord]  # the trials that have ended, in the order of their end
    end: SearchEnd | None  # why the search stopped; None while it runs, or if it was killed
    exported: Exported | None  # the trial whose model is in `best/`; None without one
    seconds: float  # how long the search has taken

    @property
    def trials(self) -> list[dict[str, Any]]:
        """Every trial as `SearchOracle.restore` takes it, in the order of proposal."""
        results = {record.spec.trial_id: record.result for record in self.records}
        trials = []
        for trial_id, spec in self.specs.items():
            result = results.get(trial_id)
            trials.append(
                {
                    "trial_id": trial_id,
                    "values": spec.hyperparameters["values"],
                    "status": "RUNNING" if result is None else result.status,
                    "score": self.told.get(trial_id),
                    "best_step": (result and result.best_epoch) or 0,
                    "message": "" if result is None else result.reason,
                }
            )
        return trials


_SAVED = TypeAdapter(SavedSearch)


def read_search(run: RunDirectory, *, history: bool = True) -> SavedSearch:
    """Reads the state of a search, also one that runs or was killed.

    Args:
        run: the run's folder.
        history: whether to read the epochs too; else every history is empty.

    Raises:
        UserError: naming the file, if it is missing, damaged or not the state of a search.
        DiskError: if it cannot be read.
    """
    path = run.database
    if not path.exists():
        raise UserError(_missing(run))
    try:
        return _saved_search(run, *_read_tables(path, history=history))
    except (sqlite3.DatabaseError, LookupError, TypeError, ValueError, RecursionError) as error:
        problem = str(error)
        # The error of a text that is not UTF-8 has no code: that is damage, too.
        if isinstance(error, sqlite3.OperationalError) and hasattr(error, "sqlite_errorcode"):
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                problem = f"another program has locked it for {BUSY_SECONDS:g} s; try again later"
            raise DiskError(f"{path}: cannot be read: {problem}") from error
        if isinstance(error, ValidationError):
            found = error.errors()[0]
            problem = f"{'.'.join(map(str, found['loc']))}: {found['msg']}"
        left = [file.name for file in (run.trials_table, run.history_table, run.best)]
        left = [name for name in left if (run.path / name).exists()]
        raise UserError(
            f"{path}: is damaged or not the state of a search ({problem}). Put back a copy of the "
            f"file, or start a new run{'; what is left: ' + ', '.join(left) if left else ''}"
        ) from error


def _missing(run: RunDirectory) -> str:
    again = f"start anew: {python_command()} -m src.tune --config {run.config} run.name=auto"
    if (run.path / OLD_STATE).exists():
        return f"{run.path}: was made by an earlier version of the project ({OLD_STATE}); {again}"
    return f"{run.path}: has no {run.database.name}, the state of its search; {again}"


def _read_tables(path: Path, *, history: bool) -> list[Rows]:
    """All rows of the tables `state` and `trials`."""
    try:
        return _fetch(path, history=history)
    except sqlite3.OperationalError:
        if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
            raise
    # The journal that a kill left cannot be rolled back in a folder that is read-only.
    with tempfile.TemporaryDirectory() as folder:
        for file in (path, path.with_name(f"{path.name}-journal")):
            if file.exists():
                shutil.copy(file, folder)
        return _fetch(Path(folder, path.name), history=history)


def _fetch(path: Path, *, history: bool) -> list[Rows]:
    """The same in one short transaction: an open one would block the search's commit."""
    # Not mode=ro, which fails on the journal that a kill leaves.
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, BUSY_SECONDS, uri=True, isolation_level=None)) as found:
        found.execute("PRAGMA query_only=ON")
        found.execute("PRAGMA trusted_schema=OFF")
        found.execute("BEGIN")
        # A stranger's file may have views and triggers; a run's has these tables alone.
        schema = dict(found.execute("SELECT name, sql FROM sqlite_master WHERE sql NOT NULL"))
        if schema != TABLES or found.execute("PRAGMA user_version").fetchone() != (FORMAT,):
            raise ValueError("its tables are not those of this version of the project")
        (problem,) = found.execute("PRAGMA quick_check(1)").fetchone()
        if problem != "ok":
            raise ValueError(problem)
        own, again = ("history", "reevaluation_history") if history else ("'[]'", "'[]'")
        columns = f"trial_id, spec, told, ended, result, {own}, reevaluation, {again}"
        trials = f"SELECT {columns} FROM trials ORDER BY length(trial_id), trial_id"
        return [found.execute(q).fetchall() for q in ("SELECT * FROM state", trials)]


def _saved_search(run: RunDirectory, states: Rows, trials: Rows) -> SavedSearch:
    state = {name: json.loads(value) for name, value in states}
    specs: dict[str, TrialSpec] = {}
    told: dict[str, float] = {}
    ended: list[tuple[int, TrialRecord]] = []
    for trial_id, text, score, number, result, history, again, again_history in trials:
        spec = json.loads(text) | {"trial_id": trial_id}
        spec["hyperparameters"]["space"] = state["space"]
        specs[trial_id] = _SPEC.validate_python(spec)
        if score is not None:
            told[trial_id] = score
        if result is not None:
            record = {"spec": specs[trial_id], "result": _result(result, history)}
            if again is not None:
                record["reevaluation"] = _result(again, again_history)
            ended.append((number, _RECORD.validate_python(record)))
    facts = {
        **{name: state[name] for name in ("config", "config_text", "identity", "versions")},
        "oracle": {n.removeprefix(ORACLE): state[n] for n in state if n.startswith(ORACLE)},
        "records": [record for _, record in sorted(ended, key=lambda pair: pair[0])],
        **{"run": run, "specs": specs, "told": told, "seconds": state.get("seconds", 0.0)},
        **{name: state.get(name) for name in ("end", "exported")},
    }
    return _SAVED.validate_python(facts)


def _result(text: str, history: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(text)
    return result | {"history": tuple(json.loads(history))}
