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
        return self.executions * self.folds

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
        history: one row an epoch: execution, fold, epoch (from 1), learning_rate, batch_size and
            every metric.
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
    history: tuple[dict[str, float], ...] = field(repr=False)
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
        if self.status != "COMPLETED" or len(self.fits) < 2:
            return None
        return _deviation([fit.score for fit in self.fits])

    @property
    def score_error(self) -> float | None:
        """Standard error of the score; None for a single fit."""
        return None if self.score_std is None else self.score_std / len(self.fits) ** 0.5

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
class TrialRecord:
    """A trial that has ended."""

    spec: TrialSpec
    result: TrialResult

    @property
    def ranks_behind(self) -> bool:
        """Whether it ranks behind all trials that trained to their end, whatever its score."""
        return self.result.ranks_behind(self.spec.planned_fits)


def structure_key(structure: Hashable | None) -> str | None:
    """A short text for a HyperModel's `structure`."""
    return None if structure is None else sha256(repr(structure).encode()).hexdigest()[:16]


def _deviation(values: list[float]) -> float:
    mean = _mean(values)
    return float((sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5)


def _mean(values: list[float] | list[int]) -> float:
    return float(sum(values)) / len(values)
