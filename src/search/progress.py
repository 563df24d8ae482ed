"""The trials of a search that have ended, ranked; every question takes constant time or nearly."""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field

from src.evaluation.pareto import front_of
from src.records import Objective, TrialRecord, ranking_key, search_ranking_key


@dataclass
class SearchProgress:
    """The trials that have ended."""

    objective: Objective  # name and direction of the score
    total: int | None  # how many trials there will be; None if unknown
    # Objectives that are reported beside it, but not optimised.
    secondary: tuple[Objective, ...] = ()
    warm_start: str = ""  # how much of an earlier run could be used; empty without one
    seconds: float = 0.0  # that the search has taken, resumes added up
    reevaluates: bool = False  # whether the best trials are trained again when the search has ended
    reevaluations: int = 0  # how many such trainings this process has seen
    # In the order in which the trials ended; see `add` and `replace`.
    records: list[TrialRecord] = field(default_factory=list)
    failures: int = 0  # how many trials failed
    consecutive_failures: int = 0  # how many of the last trials failed; rejected ones do not count
    pruned: int = 0  # how many trials the pruner ended
    epochs: int = 0  # how many epochs all trials trained
    reevaluated: set[str] = field(default_factory=set)  # trials with a re-evaluation
    _numbers: dict[str, int] = field(default_factory=dict)  # of `records`, by trial
    _ranked: list[TrialRecord] = field(default_factory=list)

    def add(self, record: TrialRecord) -> None:
        """Adds a trial that has ended."""
        self._numbers[record.spec.trial_id] = len(self.records)
        self.records.append(record)
        if record.reevaluation is not None:
            self.reevaluated.add(record.spec.trial_id)
        result = record.result
        self.epochs += result.trained
        self.pruned += result.stopped_by == "pruner"
        if result.status == "FAILED":
            self.failures += 1
            self.consecutive_failures += not result.rejected
        else:
            self.consecutive_failures = 0
            insort(self._ranked, record, key=self._key)

    def replace(self, record: TrialRecord) -> None:
        """Replaces the record of a completed trial, which has been re-evaluated."""
        number = self._numbers[record.spec.trial_id]
        self.reevaluated.add(record.spec.trial_id)
        self._ranked.remove(self.records[number])
        self.records[number] = record
        insort(self._ranked, record, key=self._key)

    def has_ended(self, trial_id: str) -> bool:
        """Whether a trial has ended."""
        return trial_id in self._numbers

    def record(self, trial_id: str) -> TrialRecord:
        """The record of a trial that has ended."""
        return self.records[self._numbers[trial_id]]

    @property
    def completed(self) -> Sequence[TrialRecord]:
        """The trials that completed, best first, as `ranking_key` sorts them."""
        return self._ranked

    @property
    def by_search_score(self) -> list[TrialRecord]:
        """The trials that completed, ranked without their re-evaluations."""
        direction = self.objective.direction
        return sorted(self._ranked, key=lambda record: search_ranking_key(record, direction))

    @property
    def best(self) -> TrialRecord | None:
        """The best completed trial."""
        return self._ranked[0] if self._ranked else None

    @property
    def front(self) -> list[TrialRecord]:
        """The Pareto front of objective and secondary objectives, best first."""
        return front_of(self._ranked, self.objective, self.secondary)

    def _key(self, record: TrialRecord) -> tuple[int, float, int]:
        return ranking_key(record, self.objective.direction)
