"""What goes to a worker for one trial, and what comes back: plain data that can be pickled."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

Status = Literal["COMPLETED", "FAILED"]
Cut = Literal["pruned", "ended"]


@dataclass(frozen=True)
class Bar:
    """What a trial's best objective so far has to reach after an epoch, or the trial ends there.

    Attributes:
        epoch: from 1.
        value: of the objective.
        meaning: what the value is, to go on from "below": `the median of 9 trials there`.
    """

    epoch: int
    value: float
    meaning: str


Rows = tuple[dict[str, float], ...]
"""Epochs: execution, fold, epoch (from 1), learning_rate, batch_size and every metric of each."""


@dataclass(frozen=True)
class TrialSpec:
    """One trial to run.

    Attributes:
        trial_id: fixed width, so that it sorts.
        root_id: the trial itself, or the one that a Hyperband promotion descends from.
        parent_id: the trial that this one continues, or None.
        hyperparameters: `keras_tuner.HyperParameters.get_config()`: the space and the values.
        initial_epoch: epochs already trained by the parent; 0 to train anew what it was to train.
        epochs: the epoch to train up to.
        executions: how often to repeat the training with other seeds.
        folds: cross-validation folds; 1 for the plain train/validation split.
        first_execution: the first of the repeats to train; those before were trained earlier.
        keep_state: whether a later trial may continue this one.
        attempt: how often the trial has failed before and is tried again; its seeds differ.
        bars: of each fit, those of the pruner; empty without one.
        allowance: the most epochs that all fits may train together; None for no limit.
        bracket: Hyperband's bracket, or None.
        rung: Hyperband's rung within the bracket, or None.
        structure: equal for trials that can share a traced graph; None where that is not known.
    """

    trial_id: str
    root_id: str
    parent_id: str | None
    hyperparameters: dict[str, Any]
    initial_epoch: int
    epochs: int
    executions: int = 1
    folds: int = 1
    first_execution: int = 0
    keep_state: bool = False
    attempt: int = 0
    bars: tuple[tuple[Bar, ...], ...] = ()
    allowance: int | None = None
    bracket: int | None = None
    rung: int | None = None
    structure: str | None = None

    @property
    def planned_fits(self) -> int:
        """How many trainings it has."""
        return (self.executions - self.first_execution) * self.folds

    @property
    def planned_epochs(self) -> int:
        """The most epochs that its fits train together."""
        return self.planned_fits * (self.epochs - self.initial_epoch)

    @property
    def values(self) -> dict[str, Any]:
        """The active hyperparameters, without Keras Tuner's own bookkeeping."""
        values: dict[str, Any] = self.hyperparameters["values"]
        return {name: value for name, value in values.items() if not name.startswith("tuner/")}


@dataclass(frozen=True)
class FitResult:
    """One training of a trial.

    Attributes:
        execution: the repeat, from 0.
        fold: the fold, from 0.
        score: the objective at its best epoch.
        best_epoch: that epoch, from 1.
        epochs: the epoch reached, from 1.
        metrics: all logs of the best epoch.
        weights: CRC-32 of the file of its weights.
        state: CRC-32 of the file of its training state; None without one.
    """

    execution: int
    fold: int
    score: float
    best_epoch: int
    epochs: int
    metrics: dict[str, float]
    weights: int | None = None
    state: int | None = None


@dataclass(frozen=True)
class TrialResult:
    """The outcome of one trial.

    Attributes:
        status: COMPLETED or FAILED.
        fits: one for each execution and fold that was trained; the last may have been cut short.
        reason: why the trial failed or was cut short; empty otherwise.
        traceback: the last lines of the traceback, where an exception was the reason.
        history: its epochs.
        parameters: number of trainable parameters; 0 if no model was built.
        started: seconds since 1970, UTC.
        seconds: wall-clock time.
        worker: who ran it.
        hyperparameters: the space and values, if building found new hyperparameters; else None.
        rejected: whether it failed on purpose, as its model is larger than the user wants.
        attempt: how often the trial had failed before.
        cut: what cut short a trial that has completed all the same: `pruned` by the pruner, or
            `ended` by a limit of the search; None for one that trained to its end.
        trained: epochs that all its fits trained, attempts that failed before included.
    """

    status: Status
    fits: tuple[FitResult, ...]
    reason: str
    traceback: str
    history: Rows = field(repr=False)
    parameters: int
    started: float
    seconds: float
    worker: str
    hyperparameters: dict[str, Any] | None = None
    rejected: bool = False
    attempt: int = 0
    cut: Cut | None = None
    trained: int = 0

    @property
    def score(self) -> float | None:
        """Mean over the fits of the objective at each one's best epoch; None if failed."""
        return _mean([fit.score for fit in self.fits]) if self.status == "COMPLETED" else None

    @property
    def score_std(self) -> float | None:
        """Sample standard deviation of the fits' scores; None for a single fit."""
        return _spread(self.fits) if self.status == "COMPLETED" else None

    @property
    def score_error(self) -> float | None:
        """Standard error of the score; None for a single fit."""
        return _error(self.fits) if self.status == "COMPLETED" else None

    @property
    def errors(self) -> dict[str, float]:
        """Standard error of each of `metrics`; empty for a single fit."""
        if len(self.fits) < 2:
            return {}
        values = {name: [fit.metrics[name] for fit in self.fits] for name in self.fits[0].metrics}
        return {name: _deviation(one) / len(one) ** 0.5 for name, one in values.items()}

    @property
    def metrics(self) -> dict[str, float]:
        """Mean over the fits of every metric at each one's best epoch."""
        if not self.fits:
            return {}
        names = self.fits[0].metrics
        return {name: _mean([fit.metrics[name] for fit in self.fits]) for name in names}

    @property
    def epochs(self) -> int:
        """The furthest epoch that a fit reached, failed trials included."""
        return max((int(row["epoch"]) for row in self.history), default=self._reached)

    @property
    def best_epoch(self) -> int | None:
        """Mean best epoch of the fits, rounded; None if failed."""
        if self.status != "COMPLETED":
            return None
        return max(1, round(_mean([fit.best_epoch for fit in self.fits])))

    def ranks_behind(self, planned_fits: int) -> bool:
        """Whether its score does not compare with those of trials that trained to their end.

        That of a pruned trial does not, nor one that lacks fits. Of a trial with a single fit that
        a limit ended it does: what it has reached, it has reached.

        Args:
            planned_fits: how many fits its trial was to have.
        """
        return self.cut == "pruned" or (self.cut is not None and len(self.fits) < planned_fits)

    @property
    def _reached(self) -> int:
        return max((fit.epochs for fit in self.fits), default=0)


@dataclass(frozen=True)
class Confirmation:
    """New trainings of a trial after the search, from seeds by which it was not chosen.

    Attributes:
        executions: how many times it is to be trained; with folds, each time on all of them.
        fits: what was trained so far; the executions count on from the trial's own.
        history: its epochs.
        seconds: of all trainings.
        reason: why one of them failed, after which there is no other; empty otherwise.
    """

    executions: int
    fits: tuple[FitResult, ...] = ()
    history: Rows = field(default=(), repr=False)
    seconds: float = 0.0
    reason: str = ""

    @property
    def trained(self) -> set[int]:
        """The executions that were trained."""
        return {fit.execution for fit in self.fits}

    @property
    def score(self) -> float | None:
        """Mean over the fits of the objective; None before all were trained, or if one failed."""
        if self.reason or len(self.trained) < self.executions:
            return None
        return _mean([fit.score for fit in self.fits])

    @property
    def score_std(self) -> float | None:
        """Sample standard deviation of the fits' scores; None without a score, or of one fit."""
        return None if self.score is None else _spread(self.fits)

    @property
    def score_error(self) -> float | None:
        """Standard error of the score; None without one, or of one fit."""
        return None if self.score is None else _error(self.fits)


@dataclass(frozen=True)
class TrialRecord:
    """A trial that has ended.

    Attributes:
        spec: what was to be trained.
        result: what came of it.
        confirmation: trainings after the search; None where there are none.
    """

    spec: TrialSpec
    result: TrialResult
    confirmation: Confirmation | None = None

    @property
    def fits(self) -> tuple[FitResult, ...]:
        """All trainings of the trial, those that confirm it too."""
        return self.result.fits + (() if self.confirmation is None else self.confirmation.fits)

    @property
    def judged_fits(self) -> tuple[FitResult, ...]:
        """The trainings by which it ranks: those that confirm it, where all have; else its own."""
        if self.confirmation is None or self.confirmation.score is None:
            return self.result.fits
        return self.confirmation.fits

    @property
    def confirmed(self) -> float | None:
        """The score of its confirmation; None where there is none."""
        return None if self.confirmation is None else self.confirmation.score

    @property
    def ranks_behind(self) -> bool:
        """Whether it ranks behind all trials that trained to their end, whatever its score."""
        return self.result.ranks_behind(self.spec.planned_fits)


def ranking_key(
    trial_id: str,
    result: TrialResult,
    confirmation: Confirmation | None,
    planned_fits: int,
    direction: str,
) -> tuple[int, float, str]:
    """Sorts completed trials, best first; of equal scores, the earlier.

    Those that were confirmed come first, by their mean from new seeds, and those that failed in it
    last; all others go by the score that the search gave them, but that what was cut short, and
    does not compare, comes behind what was not.

    Args:
        trial_id: of a trial that completed.
        result: of the search.
        confirmation: of the trainings after it.
        planned_fits: how many fits the search was to train of it.
        direction: `max` or `min`.
    """
    sign = -1.0 if direction == "max" else 1.0
    confirmed = None if confirmation is None else confirmation.score
    if confirmed is not None:
        return 0, sign * confirmed, trial_id
    failed = confirmation is not None and bool(confirmation.reason)
    place = 3 if failed else 2 if result.ranks_behind(planned_fits) else 1
    return place, sign * (result.score or 0.0), trial_id


def history_part(trial_id: str, execution: int) -> str:
    """The name of the epochs of an execution that confirms a trial, checked by themselves."""
    return f"{trial_id}/{execution}"


def structure_key(structure: Hashable | None) -> str | None:
    """A short text for a HyperModel's `structure`."""
    return None if structure is None else sha256(repr(structure).encode()).hexdigest()[:16]


def _spread(fits: tuple[FitResult, ...]) -> float | None:
    return _deviation([fit.score for fit in fits]) if len(fits) > 1 else None


def _error(fits: tuple[FitResult, ...]) -> float | None:
    spread = _spread(fits)
    return None if spread is None else float(spread / len(fits) ** 0.5)


def _deviation(values: list[float]) -> float:
    mean = _mean(values)
    return float((sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5)


def _mean(values: list[float] | list[int]) -> float:
    return float(sum(values)) / len(values)
