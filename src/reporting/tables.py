"""Writes trials.csv, a row a trial, and with repeats fits.csv, a row a fit."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import keras_tuner as kt

from src.evaluation.pareto import value_of
from src.files import write_atomically
from src.records import TrialRecord, TrialResult
from src.search.events import SearchListener, SearchProgress
from src.store.run_directory import RunDirectory
from src.tuners import space as spaces

SCORE_KEYS = ("trial_id", "status", "score", "score_std")
CONFIRMED_KEYS = ("confirmed", "confirmed_std", "confirmed_error")
FIT_KEYS = ("trial_id", "execution", "fold", "score", "best_epoch", "epochs")
TRIAL_KEYS = (
    *("epochs", "best_epoch", "seconds", "started", "ended", "worker", "cut", "reason"),
    *("parent", "bracket", "rung"),
)


class TrialsTableListener(SearchListener):
    """Keeps the table up to date after every trial."""

    def on_search_begin(
        self,
        run: RunDirectory,
        space: kt.HyperParameters,
        metrics: Sequence[str],
        progress: SearchProgress,
    ) -> None:
        """Settles what has a column, each metric and hyperparameter, and catches up."""
        self._run = run
        self._names = list(dict.fromkeys(hp.name for hp in spaces.reachable(space.space)))
        names = ["loss", *metrics]
        self._metrics = [*names, *(f"val_{name}" for name in names)]
        if progress.records:
            self._write(progress)

    def on_trial_end(self, record: TrialRecord, progress: SearchProgress) -> None:
        """Replaces the table at once."""
        self._write(progress)

    def on_confirmation(
        self, record: TrialRecord, result: TrialResult, progress: SearchProgress
    ) -> None:
        """Replaces the table."""
        self._write(progress)

    def _write(self, progress: SearchProgress) -> None:
        records = _in_order(progress.records)
        confirmed = [record for record in records if record.confirmation is not None]
        repeated = [r for r in records if r in confirmed or r.spec.executions * r.spec.folds > 1]
        rows = [_trial_row(ended, self._names) for ended in records]
        averaged = any(record.result.score_error is not None for record in repeated)
        errors = [_error_key(name) for name in ("score", *self._metrics)] if averaged else []
        errors += CONFIRMED_KEYS if confirmed else ()
        also = [other.name for other in progress.also if other.name not in self._metrics]
        if progress.also:
            front = {record.spec.trial_id for record in progress.front}
            for row, ended in zip(rows, records, strict=True):
                row |= {name: value_of(ended, name) for name in also}
                row["pareto"] = ended.spec.trial_id in front
            also.append("pareto")
        columns = [*SCORE_KEYS, *self._metrics, *errors, *also, *TRIAL_KEYS, *self._names]
        write_atomically(self._run.trials_table, _csv(rows, columns))
        if repeated:
            fits = [row for record in repeated for row in _fit_rows(record)]
            write_atomically(self._run.fits_table, _csv(fits, [*FIT_KEYS, *self._metrics]))


def _csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """CSV text of these columns; what is missing, None or NaN is empty.

    Without pandas, which would take several times as long after every trial.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        values = [row.get(column) for column in columns]
        writer.writerow(["" if value is None or value != value else value for value in values])
    return text.getvalue()


def _in_order(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """By trial, however many ran at once and whichever ended first."""
    return sorted(records, key=lambda record: record.spec.trial_id)


def _trial_row(record: TrialRecord, names: list[str]) -> dict[str, Any]:
    spec, result, again = record.spec, record.result, record.confirmation
    values = spec.values
    return (
        {
            "trial_id": spec.trial_id,
            "status": result.status,
            "score": result.score,
            "score_std": result.score_std,
        }
        | (result.metrics if result.status == "COMPLETED" else {})
        | {_error_key("score"): result.score_error}
        | {_error_key(name): error for name, error in result.errors.items()}
        | _confirmation(record)
        | {
            "epochs": result.epochs,
            "best_epoch": result.best_epoch,
            "seconds": round(result.seconds, 3),
            "started": _time(result.started),
            "ended": _time(result.started + result.seconds),
            "worker": result.worker,
            "cut": result.cut,
            "reason": result.reason or (again.reason if again is not None else ""),
            "parent": spec.parent_id,
            "bracket": spec.bracket,
            "rung": spec.rung,
        }
        | {name: spaces.exact_value(name, values[name]) for name in names if name in values}
    )


def _confirmation(record: TrialRecord) -> dict[str, Any]:
    known = record.confirmation
    if known is None:
        return {}
    return dict(zip(CONFIRMED_KEYS, (known.score, known.score_std, known.score_error), strict=True))


def _error_key(metric: str) -> str:
    """The column of the standard error of a metric, or the score, over the fits of a trial."""
    return f"{metric}_error"


def _fit_rows(record: TrialRecord) -> list[dict[str, Any]]:
    return [
        {key: getattr(fit, key) for key in FIT_KEYS[1:]}
        | {"trial_id": record.spec.trial_id}
        | fit.metrics
        for fit in record.fits
    ]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
