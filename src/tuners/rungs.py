"""Hyperband's plan: brackets, their rungs, and what all of them cost."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, log


@dataclass(frozen=True)
class Rung:
    """One rung of a Hyperband bracket.

    Attributes:
        bracket: the bracket's number; the highest, which halves most, comes first.
        trials: how many trials run in the rung.
        initial_epoch: where its trials continue from.
        epochs: the epoch up to which they train.
    """

    bracket: int
    trials: int
    initial_epoch: int
    epochs: int


def hyperband_rungs(max_epochs: int, factor: int) -> list[Rung]:
    """The rungs of one Hyperband iteration, as Keras Tuner sizes them, in order.

    Args:
        max_epochs: epochs of the longest rung.
        factor: how many times fewer trials, and more epochs, each rung has than the one before.
    """
    last_bracket, epochs = -1, float(max_epochs)
    while epochs >= 1:
        epochs /= factor
        last_bracket += 1
    finalists = ceil(1 + log(max_epochs, factor))
    rungs = []
    for bracket in range(last_bracket, -1, -1):
        reached = 0
        for rung in range(bracket + 1):
            left = bracket - rung
            until = ceil(max_epochs / factor**left)
            trials = ceil(finalists / (bracket + 1) * factor**left)
            rungs.append(Rung(bracket, trials, reached, until))
            reached = until
    return rungs


def epochs_of(rungs: Iterable[Rung], cap: int | None) -> int:
    """How many epochs they train, filled in order.

    Args:
        rungs: in the order in which they are filled.
        cap: the most trials; None for no limit.
    """
    return sum(trials * (rung.epochs - rung.initial_epoch) for rung, trials in _filled(rungs, cap))


def beginnings_of(rungs: Iterable[Rung], cap: int | None) -> int:
    """How many trials train a configuration from its first epoch; see `epochs_of`."""
    return sum(trials for rung, trials in _filled(rungs, cap) if not rung.initial_epoch)


def by_bracket(rungs: Iterable[Rung]) -> list[list[Rung]]:
    """The rungs of each bracket, in order."""
    brackets: dict[int, list[Rung]] = {}
    for rung in rungs:
        brackets.setdefault(rung.bracket, []).append(rung)
    return list(brackets.values())


def describe_brackets(brackets: Sequence[Sequence[Rung]]) -> list[str]:
    """A line for each bracket."""
    return [
        f"bracket {rungs[0].bracket}: "
        + ", then ".join(f"{_trials(rung.trials)} to epoch {rung.epochs}" for rung in rungs)
        for rungs in brackets
    ]


def describe_total(brackets: Iterable[Sequence[Rung]], iterations: int, cap: int | None) -> str:
    """A line for the whole search.

    Args:
        brackets: all of them.
        iterations: how many of Hyperband's iterations they are.
        cap: the most trials that the user wants; None for no limit.
    """
    rungs = [rung for bracket in brackets for rung in bracket]
    trials = sum(rung.trials for rung in rungs)
    epochs = sum(rung.trials * (rung.epochs - rung.initial_epoch) for rung in rungs)
    repeated = f" in {iterations} iterations" if iterations > 1 else ""
    capped = f", ended after {cap:,} trials" if cap and cap < trials else ""
    return f"{trials:,} trials, {epochs:,} epochs in all{repeated}{capped}"


def _filled(rungs: Iterable[Rung], cap: int | None) -> Iterator[tuple[Rung, int]]:
    """Each rung with its trials, of which there may be none left."""
    left = cap
    for rung in rungs:
        trials = rung.trials if left is None else min(left, rung.trials)
        left = None if left is None else left - trials
        yield rung, trials


def _trials(count: int) -> str:
    return f"{count} trial{'' if count == 1 else 's'}"
