"""Which place in which rung the next trial takes, in whatever order trials end."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from src.tuners.rungs import Rung

# Of the trials that have ended, by id, higher is better; None for a failed trial.
Scores = Mapping[str, float | None]


class Bracket:
    """A bracket that has begun.

    A rung whose trials have all ended sends its best ones on. While it waits for some, any trial
    among the best 1/factor of those that ended goes on already (asynchronous successive halving, Li
    et al. 2020), so that a free worker has something to do.
    """

    def __init__(self, plan: Sequence[Rung]) -> None:
        self.plan = plan
        self.members: list[list[str]] = [[] for _ in plan]  # ids of the trials of each rung
        self.promoted: set[str] = set()  # those that went on to the next rung

    def has_room(self, number: int) -> bool:
        return len(self.members[number]) < self.plan[number].trials

    def enter(self, number: int, trial_id: str, parent: str | None) -> None:
        """Gives a trial a place in a rung; a promoted trial has a parent."""
        self.members[number].append(trial_id)
        if parent is not None:
            self.promoted.add(parent)

    def candidates(self, number: int, scores: Scores, factor: int) -> tuple[bool, str | None]:
        """Whether a promotion to a rung is certain, whatever the unfinished trials score, and the
        trial: None if no trial is good enough or, where it is certain, all have failed.
        """
        ended = [trial for trial in self.members[number - 1] if trial in scores]
        losses = {trial: -score for trial in ended if (score := scores[trial]) is not None}
        ranked = sorted(losses, key=losses.__getitem__)
        left = len(set(ended) - self.promoted)
        certain = left > self.plan[number - 1].trials - self.plan[number].trials
        good = ranked if certain else ranked[: len(ended) // factor]
        return certain, next((trial for trial in good if trial not in self.promoted), None)

    def promotable(self) -> set[str]:
        """Trials that may be promoted yet."""
        rooms = (number for number in range(1, len(self.plan)) if self.has_room(number))
        return {trial for number in rooms for trial in self.members[number - 1]} - self.promoted


class Place(NamedTuple):
    """Where the next trial belongs."""

    bracket: Bracket
    number: int  # of the rung
    parent: str | None  # of a promoted trial


class Brackets:
    """The brackets of a search, of which each begins when the others have no place.

    `planned` has the rungs of each bracket, each of a `factor`th of the trials of the rung before.
    """

    def __init__(self, planned: Sequence[Sequence[Rung]], factor: int) -> None:
        self._planned, self._factor = planned, factor
        self.begun: list[Bracket] = []

    def next_place(self, scores: Scores) -> Place | None:
        """Where the next trial belongs; None while a running trial has to end first, or at the end.

        Earlier brackets come first, and in a bracket a new configuration before a promotion, and
        a certain promotion before a likely one.
        """
        for bracket in self.begun:
            if bracket.has_room(0):
                return Place(bracket, 0, None)
            likely = None
            for number in range(1, len(bracket.plan)):
                if bracket.has_room(number):
                    certain, best = bracket.candidates(number, scores, self._factor)
                    if certain:
                        return Place(bracket, number, best)
                    if best is not None and likely is None:
                        likely = Place(bracket, number, best)
            if likely is not None:
                return likely
        return Place(self._begin(), 0, None) if len(self.begun) < len(self._planned) else None

    def bracket_of(self, number: int, rung: int) -> Bracket:
        """The bracket in which a stored trial was; trials come in the order of their proposal.

        Raises `ValueError` if the search has no bracket of this `number` there.
        """
        for bracket in self.begun:
            if bracket.plan[0].bracket == number and bracket.has_room(rung):
                return bracket
        if (bracket := self._begin()).plan[0].bracket != number:
            raise ValueError(f"bracket {number} of the search is another one")
        return bracket

    def _begin(self) -> Bracket:
        # More brackets than planned have begun where a resumed search has fewer iterations.
        self.begun.append(Bracket(self._planned[min(len(self.begun), len(self._planned) - 1)]))
        return self.begun[-1]
