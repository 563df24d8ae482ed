"""A trial as it passes between the layers: specification, result, re-evaluation, rank.

Plain data that is pickled to workers and kept by the store. Imports nothing of the project.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import Field, SkipValidation

Status = Literal["COMPLETED", "FAILED"]
StoppedBy = Literal["pruner", "limit"]

# Ids become parts of paths, so that the store refuses any other text.
TrialId = Annotated[str, Field(pattern=r"^[0-9]{4,9}$")]
Count = Annotated[int, Field(ge=0)]

EPOCH_KEYS = ("execution", "fold", "epoch")
Epochs = tuple[dict[str, float], ...]
"""Epochs of fits: `EPOCH_KEYS` (epochs from 1), learning_rate, batch_size and every metric."""


@dataclass(frozen=True)
class Objective:
    """A number that trials are compared by."""

    name: str  # of a logged metric, such as `val_accuracy`
    direction: Literal["min", "max"]  # which values are better: `max` or `min`


@dataclass(frozen=True)
class PruningThreshold:
    """The objective that a fit must have reached after an epoch; otherwise the trial is pruned."""

    epoch: int  # from 1
    value: float  # of the objective
    meaning: str  # the value in words, such as `the median of 9 trials there`


@dataclass(frozen=True)
class TrialSpec:
    """One trial to run."""

    trial_id: TrialId  # the number in the order of proposal, of four digits or more
    root_id: TrialId  # the trial itself, or the first ancestor of a Hyperband promotion
    parent_id: TrialId | None  # the trial that this one continues, or None
    # `keras_tuner.HyperParameters.get_config()`: the space and the values.
    hyperparameters: dict[str, Any]
    initial_epoch: int  # epochs that the parent has trained; 0 to train from the start
    epochs: int  # the epoch to train up to
    executions: int = 1  # how often to repeat the training with other seeds
    folds: int = 1  # cross-validation folds; 1 for the plain train/validation split
    # The first repeat to train; re-evaluations begin after the trial's own.
    first_execution: int = 0
    keep_state: bool = False  # whether a later trial may continue this one
    # Of each fit, its pruning thresholds; empty without a pruner.
    thresholds: tuple[tuple[PruningThreshold, ...], ...] = ()
    # The most epochs that all fits may train together; None for no limit.
    epoch_budget: int | None = None
    bracket: int | None = None  # Hyperband's bracket, or None
    rung: int | None = None  # Hyperband's rung within the bracket, or None
    structure: str | None = None  # equal for trials that can share a traced graph; None if unknown

    @property
    def number(self) -> int:
        """The trial's number in the order of proposal, from 0."""
        return int(self.trial_id)

    @property
    def planned_fits(self) -> int:
        """How many fits the trial has."""
        return (self.executions - self.first_execution) * self.folds

    @property
    def planned_epochs(self) -> int:
        """The most epochs that all fits train together."""
        return self.planned_fits * (self.epochs - self.initial_epoch)

    @property
    def values(self) -> dict[str, Any]:
        """The active hyperparameters, without Keras Tuner's own `tuner/…` entries."""
        values: dict[str, Any] = self.hyperparameters["values"]
        return {name: value for name, value in values.items() if not name.startswith("tuner/")}


@dataclass(frozen=True)
class FitResult:
    """One training of a trial."""

    execution: Count  # the repeat, from 0
    fold: Count  # the fold, from 0
    score: float  # the objective at the best epoch
    best_epoch: Count  # from 1
    epochs: Count  # the epoch reached, from 1
    metrics: dict[str, float]  # all logs of the best epoch


class _Scored:
    """Statistics of the scores of several fits."""

    fits: tuple[FitResult, ...]

    @property
    def score(self) -> float | None:
        """Mean over the fits of the objective at each fit's best epoch; None without a score."""
        raise NotImplementedError

    @property
    def score_std(self) -> float | None:
        """Sample standard deviation of the fits' scores; None without a score, or for one fit."""
        if self.score is None or len(self.fits) < 2:
            return None
        return _deviation([fit.score for fit in self.fits])

    @property
    def score_error(self) -> float | None:
        """Standard error of the score; None without a score, or for one fit."""
        return None if self.score_std is None else self.score_std / len(self.fits) ** 0.5


@dataclass(frozen=True)
class TrialResult(_Scored):
    """The outcome of one trial."""

    status: Status  # COMPLETED or FAILED
    # One for each execution and fold that was trained; the last may have been ended early.
    fits: tuple[FitResult, ...]
    reason: str  # why the trial failed or was ended early; empty otherwise
    traceback: str  # the last lines of the traceback, if an exception was the reason
    history: SkipValidation[Epochs] = field(repr=False)  # large, and its integers stay integers
    parameters: Count  # number of the model's parameters; 0 if no model was built
    started: Annotated[float, Field(ge=0, le=2e11)]  # seconds since 1970, UTC
    seconds: float  # wall-clock time
    worker: str  # id of the worker that ran the trial
    # The space and values, if building found new hyperparameters; else None.
    hyperparameters: dict[str, Any] | None = None
    rejected: bool = False  # whether it failed because its model is larger than `limits.parameters`
    # What ended a completed trial early; None for a trial that trained to its end.
    stopped_by: StoppedBy | None = None
    trained: Count = 0  # epochs that all fits trained

    @property
    def score(self) -> float | None:
        """Mean of the fits' scores; None if the trial failed."""
        return _mean([f.score for f in self.fits]) if self.status == "COMPLETED" else None

    @property
    def errors(self) -> dict[str, float]:
        """Standard error of each of `metrics`; empty for a single fit."""
        if len(self.fits) < 2:
            return {}
        values = {name: [fit.metrics[name] for fit in self.fits] for name in self.fits[0].metrics}
        return {name: _deviation(own) / len(own) ** 0.5 for name, own in values.items()}

    @property
    def metrics(self) -> dict[str, float]:
        """Mean over the fits of every metric at each fit's best epoch."""
        if not self.fits:
            return {}
        names = self.fits[0].metrics
        return {name: _mean([fit.metrics[name] for fit in self.fits]) for name in names}

    @property
    def epochs(self) -> int:
        """The furthest epoch that a fit reached, failed trials included."""
        reached = max((fit.epochs for fit in self.fits), default=0)
        return max((int(row["epoch"]) for row in self.history), default=reached)

    @property
    def best_epoch(self) -> int | None:
        """Mean best epoch of the fits, rounded; None if failed."""
        if self.status != "COMPLETED":
            return None
        return max(1, round(_mean([fit.best_epoch for fit in self.fits])))


@dataclass(frozen=True)
class Reevaluation(_Scored):
    """Further trainings of a trial after the search, with seeds that did not select the trial."""

    executions: Annotated[int, Field(ge=1)]  # how many trainings are planned, each on all folds
    # Trained so far; their executions count on from the trial's own.
    fits: tuple[FitResult, ...] = ()
    history: SkipValidation[Epochs] = field(default=(), repr=False)  # their epochs
    seconds: float = 0.0  # of all trainings
    reason: str = ""  # why a training failed, which ends the re-evaluation; empty otherwise

    @property
    def trained(self) -> set[int]:
        """The executions that are trained."""
        return {fit.execution for fit in self.fits}

    @property
    def score(self) -> float | None:
        """Mean over the fits of the objective; None before all are trained, or if one failed."""
        if self.reason or len(self.trained) < self.executions:
            return None
        return _mean([fit.score for fit in self.fits])


@dataclass(frozen=True)
class TrialRecord:
    """A trial that has ended."""

    spec: TrialSpec  # what was to be trained
    result: TrialResult  # the outcome
    reevaluation: Reevaluation | None = None  # further trainings after the search; None without any

    @property
    def fits(self) -> tuple[FitResult, ...]:
        """All fits, those of the re-evaluation included."""
        return self.result.fits + (() if self.reevaluation is None else self.reevaluation.fits)

    @property
    def ranking_fits(self) -> tuple[FitResult, ...]:
        """The fits by which the trial ranks: those of a complete re-evaluation, else its own."""
        if self.reevaluation is None or self.reevaluation.score is None:
            return self.result.fits
        return self.reevaluation.fits

    @property
    def reevaluated_score(self) -> float | None:
        """The score of the re-evaluation; None without a complete one."""
        return None if self.reevaluation is None else self.reevaluation.score

    @property
    def comparable(self) -> bool:
        """Whether the score compares with those of trials that trained to their end.

        The score of a pruned trial does not, nor that of a trial which lacks fits. The score of a
        trial with one fit that a limit ended does: the epochs it has trained count.
        """
        stopped_by = self.result.stopped_by
        lacks_fits = len(self.result.fits) < self.spec.planned_fits
        return not (stopped_by == "pruner" or (stopped_by is not None and lacks_fits))


def ranking_key(record: TrialRecord, direction: str) -> tuple[int, float, int]:
    """Sorts completed trials, best first; of equal scores, the earlier trial comes first.

    Trials with a complete re-evaluation come first, by its mean. Then come the others by the score
    of the search, those that are not comparable last, and at the end those whose re-evaluation
    failed.

    Args:
        record: a trial that completed.
        direction: `max` or `min`.
    """
    again = record.reevaluation
    if again is not None and again.score is not None:
        return _key(0, again.score, direction, record)
    if again is not None and again.reason:
        return _key(3, record.result.score, direction, record)
    return search_ranking_key(record, direction)


def search_ranking_key(record: TrialRecord, direction: str) -> tuple[int, float, int]:
    """As `ranking_key`, without the re-evaluation."""
    return _key(1 if record.comparable else 2, record.result.score, direction, record)


def structure_key(structure: Hashable | None) -> str | None:
    """A short text for a HyperModel's `structure`."""
    return None if structure is None else sha256(repr(structure).encode()).hexdigest()[:16]


def _key(
    group: int, score: float | None, direction: str, record: TrialRecord
) -> tuple[int, float, int]:
    sign = -1.0 if direction == "max" else 1.0
    return group, sign * (score or 0.0), record.spec.number


def _mean(values: list[float] | list[int]) -> float:
    return float(sum(values)) / len(values)


def _deviation(values: list[float]) -> float:
    mean = _mean(values)
    return float((sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5)
