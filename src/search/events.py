"""What a search tells those who watch it: console, tables, TensorBoard."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING

import keras_tuner as kt

from src.evaluation.pareto import front_of
from src.records import Confirmation, TrialRecord, TrialResult, TrialSpec, ranking_key
from src.store.run_directory import RunDirectory

if TYPE_CHECKING:  # it needs Keras and much else
    from src.evaluation.winner import Winner


@dataclass(frozen=True)
class TrialProgress:
    """How far a running trial is.

    Attributes:
        worker: who runs it: 0 … number of workers − 1.
        trial_id: the trial.
        fit: which of its executions and folds is trained, from 1.
        fits: how many those are.
        epoch: epochs trained in this fit.
        epochs: the epoch to train up to.
        batch_size: rows of a step.
        parameters: of the model that is trained.
        learning_rate: of the last epoch; None before the first.
        value: the objective after the last epoch; None before the first.
        rows: of the trial's history, for the epochs since its last report.
    """

    worker: int
    trial_id: str
    fit: int
    fits: int
    epoch: int
    epochs: int
    batch_size: int = 0
    parameters: int = 0
    learning_rate: float | None = None
    value: float | None = None
    rows: tuple[dict[str, float], ...] = field(default=(), repr=False)


@dataclass
class SearchProgress:
    """The trials that have ended.

    Attributes:
        objective: name and direction of the score.
        total: how many trials there will be; None if that cannot be known.
        records: in the order in which they ended.
        also: what counts beside the objective, though the search does not optimise it.
        knowledge: how much of an earlier run could be used; empty without one.
        seconds: that the search has taken, up to its last snapshot, resumes added up.
        notices: what a user should know of the files of a search that goes on, a sentence each.
        confirms: whether the best trials are trained again when the search has ended.
        trained_again: how many such trainings this process has seen.
    """

    objective: kt.Objective
    total: int | None
    records: list[TrialRecord] = field(default_factory=list)
    also: tuple[kt.Objective, ...] = ()
    knowledge: str = ""
    seconds: float = 0.0
    notices: list[str] = field(default_factory=list)
    confirms: bool = False
    trained_again: int = 0

    @property
    def completed(self) -> list[TrialRecord]:
        """The trials that completed, best first, as `ranking_key` has it."""
        return sorted(self._completed, key=lambda r: self._key(r, r.confirmation))

    @property
    def by_search_score(self) -> list[TrialRecord]:
        """The same, but ranked as if none of them had been confirmed."""
        return sorted(self._completed, key=lambda r: self._key(r, None))

    @property
    def _completed(self) -> list[TrialRecord]:
        return [record for record in self.records if record.result.status == "COMPLETED"]

    def _key(
        self, record: TrialRecord, confirmation: Confirmation | None
    ) -> tuple[int, float, str]:
        spec, result = record.spec, record.result
        direction = self.objective.direction
        return ranking_key(spec.trial_id, result, confirmation, spec.planned_fits, direction)

    @property
    def best(self) -> TrialRecord | None:
        """The best completed trial."""
        return next(iter(self.completed), None)

    @property
    def pruned(self) -> int:
        """How many trials the pruner cut short."""
        return sum(record.result.cut == "pruned" for record in self.records)

    @property
    def front(self) -> list[TrialRecord]:
        """The trials that no other one beats in all that counts, best first."""
        return front_of(self.completed, self.objective, self.also)

    def record(self, trial_id: str) -> TrialRecord:
        """That of a trial that has ended."""
        return next(record for record in self.records if record.spec.trial_id == trial_id)

    def replace(self, record: TrialRecord) -> None:
        """Takes over a record in place of the one that the trial had."""
        self.records[self.records.index(self.record(record.spec.trial_id))] = record

    @property
    def failures(self) -> int:
        """How many trials failed."""
        return sum(record.result.status == "FAILED" for record in self.records)

    @property
    def consecutive_failures(self) -> int:
        """How many of the last trials failed without one between them that completed.

        Rejected ones neither count nor end the row.
        """
        results = (record.result for record in reversed(self.records))
        counted = (result for result in results if not result.rejected)
        return sum(1 for _ in takewhile(lambda result: result.status == "FAILED", counted))


@dataclass(frozen=True)
class SearchEnd:
    """Why a search stopped.

    Attributes:
        kind: `finished`, `failing` (too many failures in a row, or a full disk) or `interrupted`.
        reason: the same as a sentence.
        setting: the key whose value ended a search that is finished, and that another value lets
            go on; empty where no setting did.
    """

    kind: str
    reason: str
    setting: str = ""


class SearchListener:
    """Watches a search. Every method may be left as it is."""

    def on_search_begin(
        self,
        run: RunDirectory,
        space: kt.HyperParameters,
        metrics: Sequence[str],
        progress: SearchProgress,
    ) -> None:
        """The search begins, or goes on.

        Args:
            run: the run's folder; it exists.
            space: all hyperparameters.
            metrics: those that are logged, without `val_`.
            progress: the trials that had ended when the search was killed or stopped; listeners
                bring up to date what they write.
        """

    def on_trial_begin(self, spec: TrialSpec, progress: SearchProgress) -> None:
        """A trial goes to a worker."""

    def on_progress(self, running: TrialProgress) -> None:
        """A trial has begun a fit or trained some epochs: up to five times a second a worker.

        Worker processes report from a thread of their own; be quick.
        """

    def on_trial_retry(self, record: TrialRecord) -> None:
        """A trial has failed and runs again; this attempt is not part of `progress`."""

    def on_trial_end(self, record: TrialRecord, progress: SearchProgress) -> None:
        """A trial has ended; it is part of `progress` and the snapshot."""

    def on_confirmation_begin(self, trainings: int, progress: SearchProgress) -> None:
        """The search has ended, and the best trials are trained anew, so many times in all."""

    def on_confirmation(
        self, record: TrialRecord, result: TrialResult, progress: SearchProgress
    ) -> None:
        """One of these trainings has ended; `record`, with it, is part of `progress`."""

    def on_stopping(self, signal_name: str) -> None:
        """A signal asks the search to stop, which it soon does; be quick."""

    def on_search_end(self, end: SearchEnd, progress: SearchProgress) -> None:
        """No trial will follow."""

    def on_export(self, run: RunDirectory, winner: "Winner") -> None:
        """The best model is in `best/`, newly or since an earlier search; the last event.

        What is raised here takes nothing back: it is told beside the reason of the end, which is
        `failing` if it was the disk.
        """
