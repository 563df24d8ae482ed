"""Which trials are not worth training on: rules over the learning curves of those that ended."""

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from src import registry
from src.config.schema import Config, PrunerSettings
from src.errors import UserError
from src.records import PruningThreshold, TrialRecord
from src.registry import PRUNERS
from src.tuners.oracle import SearchOracle

Curve = list[float]  # the best objective so far after each epoch, the larger the better


class PruningRule(Protocol):
    """What a trial is held against. To add a rule, enter its class in `src.registry.PRUNERS`.

    Args:
        settings: the section `pruner`.
    """

    def __init__(self, settings: PrunerSettings) -> None: ...

    def epochs(self, last: int) -> Iterable[int]:
        """The epochs after which a trial is judged, those before `last`, in order."""

    def bar(self, reached: Sequence[float]) -> tuple[float, str]:
        """What a trial has to reach not to end, and what that is in words.

        Args:
            reached: what others had reached after the same epoch, at least
                `pruner.startup_trials` values, the worst first; the larger the better.
        """


class MedianRule:
    """The median of what the others had reached (Golovin et al., Google Vizier, 2017)."""

    def __init__(self, settings: PrunerSettings) -> None:
        self._first = settings.first_epoch

    def epochs(self, last: int) -> Iterable[int]:
        """Every epoch from `pruner.first_epoch` on."""
        return range(self._first, last)

    def bar(self, reached: Sequence[float]) -> tuple[float, str]:
        """The median."""
        return float(np.median(reached)), f"the median of {len(reached)} trials there"


class HalvingRule:
    """A place in the best 1 / `pruner.factor` of all that got there, at epochs that are as many
    times apart: asynchronous successive halving (Li et al. 2020) that goes on instead of promoting.
    """

    def __init__(self, settings: PrunerSettings) -> None:
        self._first, self._factor = settings.first_epoch, settings.factor

    def epochs(self, last: int) -> Iterator[int]:
        """`pruner.first_epoch`, and each time `pruner.factor` times as many."""
        epoch = self._first
        while epoch < last:
            yield epoch
            epoch *= self._factor

    def bar(self, reached: Sequence[float]) -> tuple[float, str]:
        """The last value that has such a place, were the trial itself among them."""
        places = max(1, (len(reached) + 1) // self._factor)
        place = "the best of" if places == 1 else f"place {places} among"
        return reached[-places], f"{place} {len(reached)} trials there"


class NoRule:
    """Lets every trial train to its end."""

    def __init__(self, settings: PrunerSettings) -> None: ...

    def epochs(self, last: int) -> Iterable[int]:
        """None."""
        return ()

    def bar(self, reached: Sequence[float]) -> tuple[float, str]:
        """Never asked."""
        raise NotImplementedError


class Curves:
    """The learning curves of the trials that have ended, and what a pruner makes of them.

    A fit is compared with the same fit (execution and fold) of other trials. One that ended by
    itself, as by early stopping, counts with its best from there on; one that was cut short counts
    as far as it got; failed trials do not count.

    Args:
        config: the search's.
        objective: the search's.
    """

    def __init__(self, config: Config, objective: Any) -> None:
        rule = registry.load(PRUNERS, config.pruner.name, "pruner.name")(config.pruner)
        self._epochs = config.training.epochs
        self._judged = tuple(rule.epochs(self._epochs))
        self._rule: PruningRule = rule
        self._startup = config.pruner.startup_trials
        self._monitor = objective.name
        self._sign = 1.0 if objective.direction == "max" else -1.0
        self._fits = config.tuner.executions_per_trial * config.tuner.folds
        self._folds = config.tuner.folds
        self._reached: dict[tuple[int, int], list[float]] = defaultdict(list)  # by fit and epoch
        self._whole: list[tuple[float, list[Curve]]] = []  # score and curves, trained to the end

    @property
    def prunes(self) -> bool:
        """Whether trials are cut at all."""
        return bool(self._judged)

    def add(self, record: TrialRecord) -> None:
        """Takes in a trial that has ended."""
        score = record.result.score
        if score is None:
            return
        curves = self._curves(record)
        if record.result.stopped_by is None and len(curves) == self._fits and all(curves):
            self._whole.append((self._sign * score, curves))
        for number, curve in enumerate(curves):
            for epoch in self._judged:
                if epoch <= len(curve):
                    insort(self._reached[number, epoch], curve[epoch - 1])

    def thresholds(self) -> tuple[tuple[PruningThreshold, ...], ...]:
        """What each fit of a trial that starts now is held against; empty without a pruner."""
        if not self.prunes:
            return ()
        return tuple(tuple(self._thresholds(number)) for number in range(self._fits))

    def expected_score(self, record: TrialRecord) -> float:
        """What an oracle is told of a trial; of one that was cut, what it would have come to.

        Its own score is that of too short a training: to an oracle, a region whose trials are cut
        would look worse than it is. Of the trials that trained to the end, it is taken to be worth
        as much as the one that had its rank by the same epoch of the same fit, in between where it
        was in between, and if it was behind all of them as far behind the worst; but if it has a
        single fit, no less than it has reached.
        """
        score = record.result.score
        assert score is not None  # it has completed
        if record.result.stopped_by is None or not self._whole:
            return score
        curves = self._curves(record)
        if not curves or not curves[-1]:  # its epochs are lost
            return score
        number, own = len(curves) - 1, curves[-1]
        others = np.sort([whole[number][len(own) - 1] for _, whole in self._whole])
        finals = np.sort([final for final, _ in self._whole])
        there = np.unique(others)  # of those that were equal there, the mean
        ranked = [finals[others == value].mean() for value in there]
        matched = float(np.interp(own[-1], there, ranked)) - max(0.0, float(there[0]) - own[-1])
        if self._fits == 1:
            matched = max(matched, self._sign * score)
        return self._sign * matched

    def _thresholds(self, number: int) -> Iterator[PruningThreshold]:
        for epoch in self._judged:
            reached = self._reached.get((number, epoch), [])
            if len(reached) >= self._startup:
                value, meaning = self._rule.bar(reached)
                if np.isfinite(value):
                    yield PruningThreshold(epoch, self._sign * value, meaning)

    def _curves(self, record: TrialRecord) -> list[Curve]:
        """Of each fit; empty where its epochs are lost."""
        rows: dict[int, dict[int, float]] = defaultdict(dict)
        for row in record.result.history:
            number = int(row["execution"]) * self._folds + int(row["fold"])
            rows[number][int(row["epoch"])] = self._sign * row.get(self._monitor, float("nan"))
        curves = []
        for number in range(len(record.result.fits)):
            values = [rows[number].get(epoch, np.nan) for epoch in range(1, len(rows[number]) + 1)]
            known = np.array([value if np.isfinite(value) else -np.inf for value in values])
            curve = np.maximum.accumulate(known).tolist() if len(known) else []
            last = number == len(record.result.fits) - 1
            if curve and not (last and record.result.stopped_by is not None):
                curve += [curve[-1]] * (self._epochs - len(curve))
            curves.append(curve)
        return curves


def check_pruner(config: Config, oracle_class: type[SearchOracle]) -> None:
    """Refuses a pruner beside a tuner that halves by itself.

    Raises:
        UserError: if the tuner has rungs.
    """
    name = config.pruner.name
    registry.check_name(PRUNERS, name, "pruner.name")
    if name != "none" and oracle_class.has_rungs:
        raise UserError(
            f"pruner.name: '{name}' does not go with tuner.name: '{config.tuner.name}', which "
            "stops trials by itself, at its rungs; set pruner.name=none or another tuner.name"
        )


def pruner_notices(config: Config, total: int | None) -> list[str]:
    """Says where too few trials are left to be judged.

    Args:
        config: the search's.
        total: how many trials it will have; None if that is not known.
    """
    startup = config.pruner.startup_trials
    if config.pruner.name == "none" or total is None or total > startup:
        return []
    capped = total == config.tuner.trial_cap
    trials = f"{total} of tuner.max_trials" if capped else f"{total} trials"
    return [
        f"pruner.startup_trials: no trial is ever pruned: all {trials} train to their end, as the "
        f"first {startup} do"
    ]
