"""Reads the state of a search: one that has ended, was killed, or runs."""

import json
import os
import shutil
import sqlite3
import tempfile
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from src.errors import DiskError, UserError
from src.messages import SearchEnd
from src.records import TrialRecord, TrialSpec
from src.store.database import BUSY_SECONDS, FORMAT, ORACLE, TABLES, Exported, ToldTrial
from src.store.run_directory import OLD_STATE, RunDirectory
from src.text import python_command

_SPEC = TypeAdapter(TrialSpec)
_RECORD = TypeAdapter(TrialRecord)
_END = TypeAdapter(SearchEnd | None)
_EXPORTED = TypeAdapter(Exported | None)
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class SavedSearch:
    """The state of a search.

    Attributes:
        run: the run's folder.
        config: the configuration under dotted keys.
        config_text: the text of the run's config.yaml.
        identity: rows, space, objective: what a resumed search must have in common.
        versions: of Python and of the packages that scores depend on.
        oracle: the oracle's `get_state()`.
        specs: every trial, in the order of proposal.
        told: every trial as the oracle knows it.
        records: the trials that have ended, in the order of their end.
        end: why the search stopped; None while it runs, or if it was killed.
        exported: the trial whose model is in `best/`; None without one.
        seconds: how long the search has taken.
    """

    run: RunDirectory
    config: dict[str, Any]
    config_text: str
    identity: dict[str, Any]
    versions: dict[str, str]
    oracle: dict[str, Any]
    specs: dict[str, TrialSpec]
    told: dict[str, ToldTrial]
    records: list[TrialRecord]
    end: SearchEnd | None
    exported: Exported | None
    seconds: float

    @property
    def trials(self) -> list[dict[str, Any]]:
        """Every trial as `SearchOracle.restore` takes it, in the order of proposal."""
        reasons = {record.spec.trial_id: record.result.reason for record in self.records}
        return [
            {
                "trial_id": trial_id,
                "values": self.specs[trial_id].hyperparameters["values"],
                "status": told.status,
                "score": told.score,
                "best_step": told.step,
                "message": reasons.get(trial_id, ""),
            }
            for trial_id, told in self.told.items()
        ]


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
    except sqlite3.OperationalError as error:
        problem = f"cannot be read: {error}"
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            problem = f"another program has locked it for {BUSY_SECONDS:g} s; close that, try again"
        raise DiskError(f"{path}: {problem}") from error
    except (sqlite3.DatabaseError, LookupError, TypeError, ValueError, RecursionError) as error:
        problem = str(error)
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
    """All rows of the four tables, in order."""
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
        epochs = "SELECT * FROM epochs ORDER BY trial_id, execution, fold, epoch"
        return [
            found.execute(query).fetchall()
            for query in (
                "SELECT * FROM state",
                "SELECT * FROM trials ORDER BY length(trial_id), trial_id",
                "SELECT * FROM fits ORDER BY trial_id, execution, fold",
                epochs if history else f"{epochs} LIMIT 0",
            )
        ]


def _saved_search(
    run: RunDirectory, states: Rows, trials: Rows, fits: Rows, epochs: Rows
) -> SavedSearch:
    state = {name: json.loads(value) for name, value in states}
    specs: dict[str, TrialSpec] = {}
    told: dict[str, ToldTrial] = {}
    for trial_id, text, status, score, step, *_ in trials:
        spec = json.loads(text) | {"trial_id": trial_id}
        spec["hyperparameters"]["space"] = state["space"]
        specs[trial_id] = _SPEC.validate_python(spec)
        told[trial_id] = ToldTrial(status, score, step or 0)

    # By trial, and whether they are of the search, not of a re-evaluation.
    own_fits: dict[tuple[str, bool], list[Any]] = defaultdict(list)
    own_epochs: dict[tuple[str, bool], list[Any]] = defaultdict(list)
    for trial_id, execution, _, text in fits:
        key = trial_id, execution < specs[trial_id].executions
        own_fits[key].append(json.loads(text))
    for trial_id, execution, fold, epoch, logs in epochs:
        key = trial_id, execution < specs[trial_id].executions
        row = {"execution": execution, "fold": fold, "epoch": epoch}
        own_epochs[key].append(row | json.loads(logs))

    def result_of(trial_id: str, text: str, *, own: bool) -> dict[str, Any]:
        rows = {"fits": own_fits[trial_id, own], "history": tuple(own_epochs[trial_id, own])}
        result: dict[str, Any] = json.loads(text)
        return result | rows

    ended: list[tuple[int, TrialRecord]] = []
    for trial_id, *_, number, text, again in trials:
        if text is not None:
            record = {"spec": specs[trial_id], "result": result_of(trial_id, text, own=True)}
            if again is not None:
                record["reevaluation"] = result_of(trial_id, again, own=False)
            ended.append((number, _RECORD.validate_python(record)))
    return SavedSearch(
        run=run,
        **{name: state[name] for name in ("config", "config_text", "identity", "versions")},
        oracle={n.removeprefix(ORACLE): state[n] for n in state if n.startswith(ORACLE)},
        specs=specs,
        told=told,
        records=[record for _, record in sorted(ended, key=lambda pair: pair[0])],
        end=_END.validate_python(state.get("end")),
        exported=_EXPORTED.validate_python(state.get("exported")),
        seconds=float(state.get("seconds", 0.0)),
    )
