"""The tables of a run: a row a trial, a fit, an epoch; and the listener that exports them as CSV.

Nothing reads the files back: they are for people. `frames` makes the same tables from the store.
"""

import csv
import io
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from src.config.fields import batch_word
from src.evaluation.pareto import value_of
from src.files import write_atomically
from src.messages import SearchEnd
from src.records import TrialRecord, TrialResult
from src.search.listener import SearchListener
from src.search.progress import SearchProgress
from src.store.run_directory import RunDirectory

if TYPE_CHECKING:
    import keras_tuner as kt

SCORE_KEYS = ("trial_id", "status", "score", "score_std")
REEVALUATED_KEYS = ("reevaluated", "reevaluated_std", "reevaluated_error")
FIT_KEYS = ("trial_id", "execution", "fold", "score", "best_epoch", "epochs")
TRIAL_KEYS = (
    *("epochs", "best_epoch", "seconds", "started", "ended", "worker", "stopped_by", "reason"),
    *("parent", "bracket", "rung"),
)
HISTORY_KEYS = ("trial_id", "execution", "fold", "epoch", "learning_rate", "batch_size")
SHARE = 20  # a write of the tables is followed by a pause of so many times its own duration

Row = dict[str, Any]


class TablesListener(SearchListener):
    """Exports trials.csv, fits.csv and history.csv while a search runs, and at its end.

    The tables are written whole, so they are written at intervals that grow with them: a search of
    10,000 trials spends a twentieth of its time on them, not all.
    """

    def on_search_begin(
        self,
        run: RunDirectory,
        space: "kt.HyperParameters",
        metrics: Sequence[str],
        progress: SearchProgress,
    ) -> None:
        """Settles the columns, and brings the files up to date."""
        self._run = run
        self._tables = Tables(progress, hyperparameter_names(space), metrics)
        self._next = 0.0
        if progress.records:
            self._write()

    def on_trial_end(self, record: TrialRecord, progress: SearchProgress) -> None:
        """Writes the tables if it is time."""
        if time.monotonic() >= self._next:
            self._write()

    def on_reevaluation(
        self, record: TrialRecord, result: TrialResult, progress: SearchProgress
    ) -> None:
        """Writes the tables if it is time."""
        self.on_trial_end(record, progress)

    def on_search_end(self, end: SearchEnd, progress: SearchProgress) -> None:
        """Writes the tables a last time."""
        if progress.records:
            self._write()

    def _write(self) -> None:
        started = time.monotonic()
        tables = self._tables
        trials, fits, epochs = tables.trials(), tables.fits(), tables.history()
        write_atomically(self._run.trials_table, _csv(trials, tables.trial_columns()))
        if fits:
            write_atomically(self._run.fits_table, _csv(fits, tables.fit_columns()))
        write_atomically(self._run.history_table, _csv(epochs, tables.history_columns()))
        ended = time.monotonic()
        self._next = ended + SHARE * (ended - started)


class Tables:
    """Makes the tables of a search.

    Args:
        progress: the trials that have ended.
        names: the hyperparameters, in order.
        metrics: the logged metrics, without `val_`.
    """

    def __init__(
        self, progress: SearchProgress, names: Sequence[str], metrics: Sequence[str]
    ) -> None:
        self._progress, self._names = progress, names
        logged = ["loss", *metrics]
        self._metrics = [*logged, *(f"val_{name}" for name in logged)]

    def trials(self) -> list[Row]:
        """A row a trial, by id."""
        rows = [_trial_row(record, self._names) for record in self._records]
        if secondary := self._progress.secondary:
            front = {record.spec.trial_id for record in self._progress.front}
            for row, record in zip(rows, self._records, strict=True):
                row |= {other.name: value_of(record, other.name) for other in secondary}
                row["pareto"] = record.spec.trial_id in front
        return rows

    def fits(self) -> list[Row]:
        """A row a fit of the trials that have several; empty if none has."""
        return [row for record in self._repeated for row in _fit_rows(record)]

    def history(self) -> list[Row]:
        """A row an epoch of each fit, by trial."""
        return [
            {"trial_id": record.spec.trial_id} | epoch
            for record in self._records
            for epoch in _history(record)
        ]

    def trial_columns(self) -> list[str]:
        """The columns of trials.csv."""
        averaged = any(record.result.score_error is not None for record in self._repeated)
        errors = [_error_key(name) for name in ("score", *self._metrics)] if averaged else []
        errors += REEVALUATED_KEYS if self._progress.reevaluated else ()
        others = [o.name for o in self._progress.secondary if o.name not in self._metrics]
        others += ["pareto"] if self._progress.secondary else []
        return [*SCORE_KEYS, *self._metrics, *errors, *others, *TRIAL_KEYS, *self._names]

    def fit_columns(self) -> list[str]:
        """The columns of fits.csv."""
        return [*FIT_KEYS, *self._metrics]

    def history_columns(self) -> list[str]:
        """The columns of history.csv: keys, what callbacks record, metrics."""
        known = {*HISTORY_KEYS, *self._metrics}
        found = dict.fromkeys(
            name
            for record in self._progress.records
            for row in _history(record)[:1]
            for name in row
            if name not in known
        )
        return [*HISTORY_KEYS, *found, *self._metrics]

    @property
    def _records(self) -> list[TrialRecord]:
        return sorted(self._progress.records, key=lambda record: record.spec.number)

    @property
    def _repeated(self) -> list[TrialRecord]:
        return [
            record
            for record in self._records
            if record.reevaluation is not None or record.spec.executions * record.spec.folds > 1
        ]


def hyperparameter_names(space: "kt.HyperParameters") -> list[str]:
    """The hyperparameters that can be active, in order."""
    from src.tuners.space import reachable  # Keras Tuner, which reading a run does without

    return list(dict.fromkeys(hp.name for hp in reachable(space.space)))


def _csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """CSV text of these columns; None and NaN are empty. (pandas takes several times as long.)"""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        values = [row.get(column) for column in columns]
        writer.writerow(["" if value is None or value != value else value for value in values])
    return text.getvalue()


def _trial_row(record: TrialRecord, names: Sequence[str]) -> Row:
    spec, result, again = record.spec, record.result, record.reevaluation
    values = spec.values
    row = {
        "trial_id": spec.trial_id,
        "status": result.status,
        "score": result.score,
        "score_std": result.score_std,
        _error_key("score"): result.score_error,
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        "seconds": round(result.seconds, 3),
        "started": _time(result.started),
        "ended": _time(result.started + result.seconds),
        "worker": result.worker,
        "stopped_by": result.stopped_by,
        "reason": result.reason or (again.reason if again is not None else ""),
        "parent": spec.parent_id,
        "bracket": spec.bracket,
        "rung": spec.rung,
        "parameters": result.parameters,
    }
    row |= result.metrics if result.status == "COMPLETED" else {}
    row |= {_error_key(name): error for name, error in result.errors.items()}
    if again is not None:
        scores = (again.score, again.score_std, again.score_error)
        row |= dict(zip(REEVALUATED_KEYS, scores, strict=True))
    active = [name for name in names if name in values]
    return row | {name: batch_word(name, values[name]) or values[name] for name in active}


def _fit_rows(record: TrialRecord) -> list[Row]:
    return [
        {key: getattr(fit, key) for key in FIT_KEYS[1:]}
        | {"trial_id": record.spec.trial_id}
        | fit.metrics
        for fit in record.fits
    ]


def _history(record: TrialRecord) -> tuple[dict[str, float], ...]:
    again = () if record.reevaluation is None else record.reevaluation.history
    return record.result.history + again


def _error_key(metric: str) -> str:
    """The column of the standard error of a metric over the fits of a trial."""
    return f"{metric}_error"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
