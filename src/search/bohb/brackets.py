"""Hyperband's brackets as plain bookkeeping: which trial comes next, whoever ends when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from src.search.rungs import Rung, hyperband_rungs


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

    Args:
        max_epochs: of the longest rung.
        factor: how many times fewer trials, and more epochs, each rung has than the one before.
        iterations: how often all brackets are run.

    Attributes:
        rungs: the plan of one iteration, bracket by bracket.
        members: by bracket that has begun and by rung: ids of its trials, each with its parent's.
    """

    def __init__(self, max_epochs: int, factor: int, iterations: int) -> None:
        self.factor = factor
        self.iterations = iterations
        planned: dict[int, list[Rung]] = {}
        for rung in hyperband_rungs(max_epochs, factor):
            planned.setdefault(rung.bracket, []).append(rung)
        self.rungs: list[list[Rung]] = list(planned.values())
        self.members: list[list[list[tuple[str, str | None]]]] = []

    def plan(self, bracket: int) -> Sequence[Rung]:
        """The rungs of a bracket, counted from the first of the search."""
        return self.rungs[bracket % len(self.rungs)]

    def next_place(self, scores: Scores) -> Place | None:
        """Where the next trial belongs; None while a running one has to end first, or at the end.

        Earlier brackets come first, and in a bracket a new configuration before a promotion.

        Args:
            scores: of the trials that have ended, higher is better; None of one that failed.
        """
        for bracket, rungs in enumerate(self.members):
            plan = self.plan(bracket)
            if len(rungs[0]) < plan[0].trials:
                return Place(bracket, 0, plan[0], None)
            for choose in (self._sure, self._likely):
                for number in range(1, len(plan)):
                    if len(rungs[number]) < plan[number].trials:
                        found = choose(bracket, number, scores)
                        if found is not None:
                            return found
        if len(self.members) < self.iterations * len(self.rungs):
            return Place(len(self.members), 0, self.plan(len(self.members))[0], None)
        return None

    def _sure(self, bracket: int, number: int, scores: Scores) -> Place | None:
        """A promotion that nothing can change for which the rung below might wait.

        Where all of those that ended failed, a new configuration fills the place.
        """
        plan, (ended, left) = self.plan(bracket), self._below(bracket, number, scores)
        if len(left) <= plan[number - 1].trials - plan[number].trials:
            return None
        best = next((trial for trial in ended if trial in left), None)
        return Place(bracket, number, plan[number], best)

    def _likely(self, bracket: int, number: int, scores: Scores) -> Place | None:
        """A promotion of whoever is among the best 1/factor of those that have ended so far."""
        ended, left = self._below(bracket, number, scores)
        count = sum(trial in scores for trial, _ in self.members[bracket][number - 1])
        best = next((trial for trial in ended[: count // self.factor] if trial in left), None)
        return None if best is None else Place(bracket, number, self.plan(bracket)[number], best)

    def _below(
        self, bracket: int, number: int, scores: Scores
    ) -> tuple[list[str], set[str]]:
        """Of the rung below: those that completed, best first, and those not promoted that ended."""
        rungs = self.members[bracket]
        promoted = {parent for _, parent in rungs[number]}
        ended = [trial for trial, _ in rungs[number - 1] if trial in scores]
        known = [(score, trial) for trial in ended if (score := scores[trial]) is not None]
        ranked = sorted(known, key=lambda pair: -pair[0])  # of equal ones the earliest first
        return [trial for _, trial in ranked], set(ended) - promoted

    def enter(self, place: Place, trial_id: str) -> None:
        """Notes that a trial has the place that `next_place` gave."""
        if place.bracket == len(self.members):
            self.members.append([[] for _ in self.plan(place.bracket)])
        self.members[place.bracket][place.number].append((trial_id, place.parent))

    @property
    def ended(self) -> bool:
        """Whether every place of every bracket has been given out."""
        return len(self.members) == self.iterations * len(self.rungs) and all(
            len(rungs[-1]) >= self.plan(bracket)[-1].trials
            and len(rungs[0]) >= self.plan(bracket)[0].trials
            for bracket, rungs in enumerate(self.members)
        )

    def continuable(self) -> set[str]:
        """Trials that may be promoted yet."""
        found: set[str] = set()
        for bracket, rungs in enumerate(self.members):
            plan = self.plan(bracket)
            for number in range(1, len(plan)):
                if len(rungs[number]) < plan[number].trials:
                    promoted = {parent for _, parent in rungs[number]}
                    found |= {trial for trial, _ in rungs[number - 1]} - promoted
        return found

    def state(self) -> list[dict[str, Any]]:
        """Plain data, from which `restore` goes on."""
        return [
            {
                "bracket_num": self.plan(bracket)[0].bracket,
                "rounds": [
                    [{"past_id": parent, "id": trial} for trial, parent in rung] for rung in rungs
                ],
            }
            for bracket, rungs in enumerate(self.members)
        ]
