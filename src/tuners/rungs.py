"""The plan of rungs that Hyperband and BOHB share: what they will train, and for how long."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil, inf, log

from src.tuners.oracle import SearchOracle


@dataclass(frozen=True)
class Rung:
    """One rung of a Hyperband bracket."""

    bracket: int  # number of the bracket; the highest, which halves most, comes first
    trials: int  # how many run in the rung
    initial_epoch: int  # from which they continue
    epochs: int  # up to which they train


def hyperband_brackets(max_epochs: int, factor: int) -> list[list[Rung]]:
    """The rungs of each bracket of one Hyperband iteration, as Keras Tuner sizes them, in order.

    Each rung has a `factor`th of the trials, and `factor` times the epochs, of the rung before.
    """
    last_bracket, epochs = -1, float(max_epochs)
    while epochs >= 1:
        epochs /= factor
        last_bracket += 1
    finalists = ceil(1 + log(max_epochs, factor))
    brackets = []
    for bracket in range(last_bracket, -1, -1):
        rungs, reached = list[Rung](), 0
        for left in range(bracket, -1, -1):
            until = ceil(max_epochs / factor**left)
            trials = ceil(finalists / (bracket + 1) * factor**left)
            rungs.append(Rung(bracket, trials, reached, until))
            reached = until
        brackets.append(rungs)
    return brackets


class RungOracle(SearchOracle):
    """The base of oracles that train many trials for a few epochs, and the better ones on."""

    exhausted = "every bracket is complete"
    has_rungs = True
    default_trials = None
    settings = ("factor", "hyperband_iterations")
    max_epochs: int
    factor: int
    hyperband_iterations: int

    @property
    def brackets(self) -> list[list[Rung]]:
        """The rungs of each bracket of the first iteration."""
        return hyperband_brackets(self.max_epochs, self.factor)

    @property
    def planned(self) -> list[list[Rung]]:
        """The rungs of each bracket of the whole search, in the order in which they are filled."""
        return self.brackets * self.hyperband_iterations

    def total(self) -> int:
        return sum(trials for _, trials in self._filled())

    def epochs(self, longest: int) -> int:
        return sum(trials * (rung.epochs - rung.initial_epoch) for rung, trials in self._filled())

    def plan(self) -> Sequence[str]:
        lines = []
        for rungs in self.brackets:
            parts = (
                f"{rung.trials} trial{'' if rung.trials == 1 else 's'} to epoch {rung.epochs}"
                for rung in rungs
            )
            lines.append(f"bracket {rungs[0].bracket}: {', then '.join(parts)}")
        trials, epochs = self.total(), self.epochs(self.max_epochs)
        times = self.hyperband_iterations
        repeated = f" in {times} iterations" if times > 1 else ""
        capped = ", ended by tuner.max_trials" if trials == self.max_trials else ""
        return [*lines, f"{trials:,} trials, {epochs:,} epochs in all{repeated}{capped}"]

    def continuable(self) -> set[str]:
        """Parents of running trials, and the trials that may be promoted yet."""
        running = (trial.hyperparameters.values for trial in self.ongoing_trials.values())
        parents = {values["tuner/trial_id"] for values in running if "tuner/trial_id" in values}
        return parents | self._promotable()

    def _promotable(self) -> set[str]:
        raise NotImplementedError

    def _filled(self) -> Iterator[tuple[Rung, int]]:
        """Each rung with its trials, up to `max_trials` in all."""
        left = inf if self.max_trials is None else self.max_trials
        for rung in chain.from_iterable(self.planned):
            trials = int(min(left, rung.trials))
            left -= trials
            yield rung, trials
