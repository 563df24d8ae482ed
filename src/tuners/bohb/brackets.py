"""Hyperband's brackets as plain bookkeeping: which trial comes next, whoever ends when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from src.tuners.rungs import Rung, by_bracket, describe_brackets, describe_total, hyperband_rungs

Scores = Mapping[str, float | None]
"""Of the trials that have ended, by id, higher is better; None of one that failed."""


@dataclass(frozen=True)
class Place:
    """Where the next trial belongs.

    Attributes:
        bracket: which of the brackets so far, from 0.
        number: of the rung within the bracket, from 0.
        rung: its length.
        parent: the trial that is promoted to it; None for a new configuration.
    """

    bracket: int
    number: int
    rung: Rung
    parent: str | None


class Brackets:
    """The brackets of a search: those that are complete, those that go on, and how many may follow.

    A rung whose trials have all ended sends its best ones on. While it waits for some, whoever is
    among the best 1/factor of those that ended goes on already (asynchronous successive halving, Li
    et al. 2020), so that a free worker has something to do; else the next bracket begins.

    The first iteration is Hyperband's. In each that follows, the last bracket, where every training
    is a full one, takes the place of all: by then the model finds good configurations, and short
    trainings would only choose among them those that are quick.

    Args:
        max_epochs: of the longest rung.
        factor: how many times fewer trials, and more epochs, each rung has than the one before.
        iterations: how often there are as many brackets as Hyperband has.

    Attributes:
        members: by bracket that has begun and by rung: ids of its trials, each with its parent's.
    """

    def __init__(self, max_epochs: int, factor: int, iterations: int) -> None:
        self._factor = factor
        self._iterations = iterations
        self._first = by_bracket(hyperband_rungs(max_epochs, factor))
        self.members: list[list[list[tuple[str, str | None]]]] = []

    @property
    def total(self) -> int:
        """How many trials there will be; a promotion is one."""
        return sum(rung.trials for rungs in self._planned() for rung in rungs)

    @property
    def rungs(self) -> list[Rung]:
        """Those of all brackets, in order."""
        return [rung for rungs in self._planned() for rung in rungs]

    @property
    def full(self) -> bool:
        """Whether every place has been given out."""
        return len(self.members) >= self._most and all(
            len(rung) == plan.trials
            for bracket, rungs in enumerate(self.members)
            for rung, plan in zip(rungs, self._plan(bracket), strict=True)
        )

    def describe(self, cap: int | None) -> list[str]:
        """One line a bracket, then the totals.

        Args:
            cap: the most trials that the user wants; None for no limit.
        """
        lines = describe_brackets(self._first)
        if self._iterations > 1 and len(self._first) > 1:
            again = f"{len(self._first)} times bracket 0"
            lines.append(f"each further iteration: {again}, as the model knows more by then")
        return [*lines, describe_total(self._planned(), self._iterations, cap)]

    def next_place(self, scores: Scores) -> Place | None:
        """Where the next trial belongs; None while a running one has to end first, or at the end.

        Earlier brackets come first, and in a bracket a new configuration before a promotion.

        Args:
            scores: of the trials that have ended, higher is better; None of one that failed.
        """
        for bracket, rungs in enumerate(self.members):
            plan = self._plan(bracket)
            if len(rungs[0]) < plan[0].trials:
                return Place(bracket, 0, plan[0], None)
            for choose in (self._sure, self._likely):
                for number in range(1, len(plan)):
                    if len(rungs[number]) < plan[number].trials:
                        found = choose(bracket, number, scores)
                        if found is not None:
                            return found
        begun = len(self.members)
        return Place(begun, 0, self._plan(begun)[0], None) if begun < self._most else None

    @property
    def _most(self) -> int:
        return self._iterations * len(self._first)

    def _plan(self, bracket: int) -> list[Rung]:
        """The rungs of a bracket, counted from the first of the search."""
        return self._first[min(bracket, len(self._first) - 1)]

    def _planned(self) -> list[list[Rung]]:
        return [self._plan(bracket) for bracket in range(self._most)]

    def _sure(self, bracket: int, number: int, scores: Scores) -> Place | None:
        """A promotion that nothing can change for which the rung below might wait.

        Where all of those that ended failed, a new configuration fills the place.
        """
        plan, (ended, left) = self._plan(bracket), self._below(bracket, number, scores)
        if len(left) <= plan[number - 1].trials - plan[number].trials:
            return None
        best = next((trial for trial in ended if trial in left), None)
        return Place(bracket, number, plan[number], best)

    def _likely(self, bracket: int, number: int, scores: Scores) -> Place | None:
        """A promotion of whoever is among the best 1/factor of those that have ended so far."""
        ended, left = self._below(bracket, number, scores)
        count = sum(trial in scores for trial, _ in self.members[bracket][number - 1])
        best = next((trial for trial in ended[: count // self._factor] if trial in left), None)
        return None if best is None else Place(bracket, number, self._plan(bracket)[number], best)

    def _below(self, bracket: int, number: int, scores: Scores) -> tuple[list[str], set[str]]:
        """Of the rung below: who completed, the best first, and who ended and is not promoted."""
        rungs = self.members[bracket]
        promoted = {parent for _, parent in rungs[number]}
        ended = [trial for trial, _ in rungs[number - 1] if trial in scores]
        known = [(score, trial) for trial in ended if (score := scores[trial]) is not None]
        ranked = sorted(known, key=lambda pair: -pair[0])  # of equal ones the earliest first
        return [trial for _, trial in ranked], set(ended) - promoted

    def enter(self, place: Place, trial_id: str) -> None:
        """Notes that a trial has the place that `next_place` gave."""
        if place.bracket == len(self.members):
            self.members.append([[] for _ in self._plan(place.bracket)])
        self.members[place.bracket][place.number].append((trial_id, place.parent))

    def continuable(self) -> set[str]:
        """Trials that may be promoted yet."""
        found: set[str] = set()
        for bracket, rungs in enumerate(self.members):
            plan = self._plan(bracket)
            for number in range(1, len(plan)):
                if len(rungs[number]) < plan[number].trials:
                    promoted = {parent for _, parent in rungs[number]}
                    found |= {trial for trial, _ in rungs[number - 1]} - promoted
        return found

    def state(self) -> list[dict[str, Any]]:
        """Plain data, from which `restore` goes on."""
        return [
            {
                "bracket_num": self._plan(bracket)[0].bracket,
                "rounds": [
                    [{"past_id": parent, "id": trial} for trial, parent in rung] for rung in rungs
                ],
            }
            for bracket, rungs in enumerate(self.members)
        ]

    def restore(self, state: Sequence[Mapping[str, Any]]) -> None:
        """Goes on from what `state` gave.

        Raises:
            ValueError: if it is not that of such brackets.
        """
        members = [
            [[(member["id"], member["past_id"]) for member in rung] for rung in bracket["rounds"]]
            for bracket in state
        ]
        for number, rungs in enumerate(members):
            plan = self._plan(number)
            if state[number]["bracket_num"] != plan[0].bracket or len(rungs) != len(plan):
                raise ValueError(f"bracket {number} of the search is another one")
            if any(len(rung) > p.trials for rung, p in zip(rungs, plan, strict=True)):
                raise ValueError(f"bracket {number} of the search has too many trials")
        self.members = members
