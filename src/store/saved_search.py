"""Reads the state of a search: one that has ended, was killed, or runs."""

import json
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from src.errors import DiskError, UserError
from src.messages import SearchEnd
from src.records import FitResult, Reevaluation, TrialRecord, TrialResult, TrialSpec
from src.store.database import BUSY_SECONDS, FORMAT, TABLES, Exported, ToldTrial
from src.store.run_directory import OLD_STATE, RunDirectory
from src.text import python_command


@dataclass(frozen=True)
class SavedSearch:
    """The state of a search.

    Attributes:
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
        rows = []
        for trial_id, spec in self.specs.items():
            told = self.told[trial_id]
            rows.append(
                {
                    "trial_id": trial_id,
                    "values": spec.hyperparameters["values"],
                    "status": told.status,
                    "score": told.score,
                    "best_step": told.step,
                }
            )
        return rows


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
        tables = _read_tables(path, history=history)
        return _saved_search(*tables)
    except (sqlite3.DatabaseError, KeyError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, sqlite3.OperationalError):
            raise DiskError(f"{path}: {error}") from error
        if isinstance(error, ValidationError):
            found = error.errors()[0]
            error = ValueError(f"{'.'.join(map(str, found['loc']))}: {found['msg']}")
        left = [
            name for name in ("trials.csv", "history.csv", "best") if (path.parent / name).exists()
        ]
        raise UserError(
            f"{path}: is damaged or not the state of a search ({error}). Put back a copy of the "
            f"file, or start a new run{'; what is left: ' + ', '.join(left) if left else ''}"
        ) from error


def _missing(run: RunDirectory) -> str:
    again = f"start anew: {python_command()} -m src.tune --config {run.config} run.name=auto"
    if (run.path / OLD_STATE).exists():
        return f"{run.path}: was made by an earlier version of the project ({OLD_STATE}); {again}"
    return f"{run.path}: has no {run.database.name}, the state of its search; {again}"


def _read_tables(path: Path, *, history: bool) -> tuple[list[tuple[Any, ...]], ...]:
    """All rows, in one short transaction: an open one would block the search's commit."""
    with tempfile.TemporaryDirectory() as folder:
        if not os.access(path.parent, os.W_OK):  # the journal of a kill could not be rolled back
            for name in (path.name, f"{path.name}-journal"):
                if (path.parent / name).exists():
                    shutil.copy(path.parent / name, folder)
            path = Path(folder, path.name)
        # Not mode=ro, which fails on the journal that a kill leaves.
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, BUSY_SECONDS, uri=True, isolation_level=None)) as found:
            found.execute("PRAGMA query_only=ON")
            found.execute("PRAGMA trusted_schema=OFF")
            found.execute("BEGIN")
            (problem,) = found.execute("PRAGMA quick_check(1)").fetchone()
            if problem != "ok":
                raise ValueError(problem)
            # A stranger's file may have views and triggers; this one has these tables alone.
            schema = dict(found.execute("SELECT name, sql FROM sqlite_master WHERE sql NOT NULL"))
            if schema != TABLES or found.execute("PRAGMA user_version").fetchone() != (FORMAT,):
                raise ValueError("its tables are not those of this version of the project")
            epochs = "SELECT * FROM epochs ORDER BY trial_id, execution, fold, epoch"
            return (
                found.execute("SELECT * FROM state").fetchall(),
                found.execute(
                    "SELECT * FROM trials ORDER BY length(trial_id), trial_id"
                ).fetchall(),
                found.execute("SELECT * FROM fits ORDER BY execution, fold").fetchall(),
                found.execute(epochs).fetchall() if history else [],
            )


_SPEC = TypeAdapter(TrialSpec)
_FIT = TypeAdapter(FitResult)
_LOGS = TypeAdapter(dict[str, int | float])  # integers stay integers
_RESULT = TypeAdapter(TrialResult)
_REEVALUATION = TypeAdapter(Reevaluation)
_END = TypeAdapter(SearchEnd | None)
_EXPORTED = TypeAdapter(Exported | None)


def _saved_search(
    state_rows: list[tuple[Any, ...]],
    trial_rows: list[tuple[Any, ...]],
    fit_rows: list[tuple[Any, ...]],
    epoch_rows: list[tuple[Any, ...]],
) -> SavedSearch:
    state = {name: json.loads(value) for name, value in state_rows}
    oracle = {
        name.removeprefix("oracle/"): value
        for name, value in state.items()
        if name.startswith("oracle/")
    }
    fits: dict[str, list[FitResult]] = {}
    for trial_id, _, _, text in fit_rows:
        fits.setdefault(trial_id, []).append(_FIT.validate_python(json.loads(text)))
    epochs: dict[str, list[dict[str, float]]] = {}
    for trial_id, execution, fold, epoch, text in epoch_rows:
        keys = {"execution": execution, "fold": fold, "epoch": epoch}
        logs = _LOGS.validate_python(json.loads(text))
        epochs.setdefault(trial_id, []).append({**logs, **keys})
    specs: dict[str, TrialSpec] = {}
    told: dict[str, ToldTrial] = {}
    ended: list[tuple[int, TrialRecord]] = []
    for trial_id, text, status, score, step, number, result, reevaluation in trial_rows:
        spec = json.loads(text)
        spec["hyperparameters"]["space"] = oracle["hyperparameters"]["space"]
        specs[trial_id] = _SPEC.validate_python(spec)
        told[trial_id] = ToldTrial(status, score, step)
        if result is None:
            continue
        own, rows = fits.get(trial_id, []), epochs.get(trial_id, [])
        first = specs[trial_id].executions  # of a re-evaluation
        record = TrialRecord(
            specs[trial_id],
            replace(
                _RESULT.validate_python(json.loads(result) | {"fits": (), "history": ()}),
                fits=tuple(fit for fit in own if fit.execution < first),
                history=tuple(row for row in rows if row["execution"] < first),
            ),
        )
        if reevaluation is not None:
            again = replace(
                _REEVALUATION.validate_python(json.loads(reevaluation)),
                fits=tuple(fit for fit in own if fit.execution >= first),
                history=tuple(row for row in rows if row["execution"] >= first),
            )
            record = replace(record, reevaluation=again)
        ended.append((number, record))
    return SavedSearch(
        config=state["config"],
        config_text=state["config_text"],
        identity=state["identity"],
        versions=state["versions"],
        oracle=oracle,
        specs=specs,
        told=told,
        records=[record for _, record in sorted(ended, key=lambda pair: pair[0])],
        end=_END.validate_python(state.get("end")),
        exported=_EXPORTED.validate_python(state.get("exported")),
        seconds=float(state.get("seconds", 0.0)),
    )
