"""Which trials are not worth training on: rules over the learning curves of ended trials."""

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from src import registry
from src.config.schema import Config, PrunerSettings
from src.records import PruningThreshold, TrialRecord
from src.registry import PRUNERS

Curve = list[float]  # the best objective so far after each epoch, higher is better


class Pruner:
    """The base of all pruners, which itself prunes nothing."""

    settings: ClassVar[tuple[str, ...]] = ()  # of the section `pruner`, that have an effect

    def __init__(self, settings: PrunerSettings) -> None:
        self.first, self.factor = settings.first_epoch, settings.factor

    def epochs(self, last: int) -> Iterable[int]:
        """The epochs before `last` after which a trial is judged, in order."""
        return ()

    def threshold(self, reached: Sequence[float]) -> tuple[float, str]:
        """What a trial has to reach to train on, and what this value is in words.

        `reached` is what others had after the same epoch, sorted, higher is better, not empty.
        """
        raise NotImplementedError


class MedianPruner(Pruner):
    """The median of what others had reached (Golovin et al., Google Vizier, 2017)."""

    settings = ("startup_trials", "first_epoch")

    def epochs(self, last: int) -> Iterable[int]:
        return range(self.first, last)

    def threshold(self, reached: Sequence[float]) -> tuple[float, str]:
        return float(np.median(reached)), f"the median of {len(reached)} trials there"


class HalvingPruner(Pruner):
    """A place in the best 1 / `pruner.factor` of all that got there, at epochs that are as many
    times apart: asynchronous successive halving (Li et al. 2020) that goes on instead of promoting.
    """

    settings = ("startup_trials", "first_epoch", "factor")

    def epochs(self, last: int) -> Iterator[int]:
        epoch = self.first
        while epoch < last:
            yield epoch
            epoch *= self.factor

    def threshold(self, reached: Sequence[float]) -> tuple[float, str]:
        # Were the trial itself among them.
        places = max(1, (len(reached) + 1) // self.factor)
        place = "the best of" if places == 1 else f"place {places} among"
        return reached[-places], f"{place} {len(reached)} trials there"


class Curves:
    """The learning curves of the trials that have ended, and what a pruner makes of them.

    A fit is compared with the same fit (execution and fold) of other trials. A fit that ended by
    itself counts with its best value to the last epoch, a pruned fit as far as it got.
    """

    def __init__(self, config: Config, objective: Any) -> None:
        self._epochs = config.training.epochs
        pruner = registry.load(PRUNERS, config.pruner.name, "pruner.name")
        self._pruner: Pruner = pruner(config.pruner)
        self._judged = tuple(self._pruner.epochs(self._epochs))
        self.prunes = bool(self._judged)  # whether trials are pruned at all
        self._startup = config.pruner.startup_trials
        self._monitor = objective.name
        self._sign = 1.0 if objective.direction == "max" else -1.0
        self._folds = config.tuner.folds
        self._fits = config.tuner.executions_per_trial * self._folds
        self._reached: dict[tuple[int, int], list[float]] = defaultdict(list)  # by fit and epoch
        self._whole: list[tuple[float, list[Curve]]] = []  # score and curves of whole trainings

    def add(self, record: TrialRecord) -> None:
        """Takes in a trial that has ended."""
        score = record.result.score
        if score is None:
            return
        curves = self._curves(record)
        if record.result.stopped_by is None:
            self._whole.append((self._sign * score, curves))
        for number, curve in enumerate(curves):
            for epoch in self._judged:
                if epoch <= len(curve):
                    insort(self._reached[number, epoch], curve[epoch - 1])

    def thresholds(self) -> tuple[tuple[PruningThreshold, ...], ...]:
        """The thresholds of each fit of a trial that starts now; empty without a pruner."""
        fits = range(self._fits) if self.prunes else ()
        return tuple(tuple(self._thresholds(number)) for number in fits)

    def expected_score(self, record: TrialRecord) -> float:
        """The score that an oracle is told: of a pruned trial what a whole training had reached.

        With a pruned trial's own score, its region would look worse than it is. The trial is worth
        as much as the whole training that had its rank by the same epoch of the same fit,
        interpolated between two; if it was behind all of them, as far behind the worst. With a
        single fit it is worth at least what it has reached.
        """
        score = record.result.score
        assert score is not None  # the trial has completed
        if record.result.stopped_by is None or not self._whole:
            return score
        curves = self._curves(record)
        number, own = len(curves) - 1, curves[-1]
        others = np.sort([whole[number][len(own) - 1] for _, whole in self._whole])
        finals = np.sort([final for final, _ in self._whole])
        there = np.unique(others)  # where several were equal, their mean counts
        ranked = [finals[others == value].mean() for value in there]
        expected = float(np.interp(own[-1], there, ranked)) - max(0.0, float(there[0]) - own[-1])
        if self._fits == 1:
            expected = max(expected, self._sign * score)
        return self._sign * expected

    def _thresholds(self, number: int) -> Iterator[PruningThreshold]:
        for epoch in self._judged:
            reached = self._reached[number, epoch]
            if len(reached) >= self._startup:
                value, meaning = self._pruner.threshold(reached)
                if np.isfinite(value):
                    yield PruningThreshold(epoch, self._sign * value, meaning)

    def _curves(self, record: TrialRecord) -> list[Curve]:
        values: dict[int, Curve] = defaultdict(list)
        for row in record.result.history:
            value = self._sign * row.get(self._monitor, np.nan)
            number = int(row["execution"]) * self._folds + int(row["fold"])
            values[number].append(value if np.isfinite(value) else -np.inf)
        curves = [np.maximum.accumulate(values[number]).tolist() for number in sorted(values)]
        whole = curves if record.result.stopped_by is None else curves[:-1]
        for curve in whole:
            curve += [curve[-1]] * (self._epochs - len(curve))
        return curves
