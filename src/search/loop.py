"""The search loop: an oracle proposes a trial, an executor runs it, the store keeps the result.

Read it from `SearchLoop.run` down. A trial is in the store before it runs, and its result is in the
store before a listener hears of it, so that a search that is killed can be resumed.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

import keras_tuner as kt

from src.config.schema import Config
from src.errors import DiskError
from src.execution.executor import POLL_SECONDS, Executor
from src.files import disk_errors
from src.messages import SearchEnd
from src.records import TrialRecord, TrialResult, TrialSpec
from src.search import reevaluation
from src.search.budgets import SearchBudgets
from src.search.listener import SearchListener
from src.search.progress import SearchProgress
from src.search.retention import delete_unneeded_files
from src.search.specs import trial_spec
from src.signals import StopRequest, TrialInterruptedError
from src.store.database import Store, ToldTrial
from src.store.run_directory import RunDirectory
from src.store.saved_search import SavedSearch
from src.tuners.oracle import SearchOracle
from src.tuners.pruners import Curves
from src.tuners.user_code import OracleError, asking_oracle


class SearchLoop:
    """One search.

    Args:
        oracle: proposes hyperparameters.
        hypermodel: knows which trials can share a traced graph.
        config: of the search.
        progress: without a trial.
        run: the run's folder.
        store: the run's state.
        executor: runs the trials.
        stop: tells whether a signal asks the search to stop.
        listeners: told of everything that happens.
    """

    def __init__(
        self,
        oracle: SearchOracle,
        hypermodel: Any,
        *,
        config: Config,
        progress: SearchProgress,
        run: RunDirectory,
        store: Store,
        executor: Executor,
        stop: StopRequest,
        listeners: Sequence[SearchListener] = (),
    ) -> None:
        self.oracle, self.hypermodel, self.config = oracle, hypermodel, config
        self.progress, self.run_directory, self.store = progress, run, store
        self.executor, self.stop, self.listeners = executor, stop, listeners
        self.budgets = SearchBudgets(config.limits, progress, has_rungs=oracle.has_rungs)
        self._curves = Curves(config, oracle.objective)
        self._specs: dict[str, TrialSpec] = {}
        self._running: dict[str, Any] = {}  # Keras Tuner's trials, by id
        self._done: SimpleQueue[tuple[str, Any]] = SimpleQueue()  # id and future of ended trials
        self._killed: deque[Any] = deque()  # trials that ran when the search was killed
        self._ended: list[TrialRecord] = []  # not in the store yet
        self._begun: list[TrialSpec] = []  # not in the store yet
        self._stored = 0  # how many ended trials are in the store
        self._watching: list[SearchListener] = []
        self.abandoned = False  # whether the disk or the oracle failed

    def restore(self, saved: SavedSearch) -> None:
        """Continues from a saved state.

        Raises:
            ValueError: if this oracle cannot have come to that state.
        """
        self.oracle.restore(saved.oracle, saved.trials)
        self.progress.seconds = saved.seconds
        self._specs = dict(saved.specs)
        for record in saved.records:
            self._add(record)
        self._stored = len(saved.records)
        running = self.oracle.ongoing_trials.values()
        self._killed.extend(sorted(running, key=lambda trial: trial.trial_id))

    def run(self) -> SearchEnd:
        """Runs trials until a budget or the space is used up, and returns why it stopped."""
        try:
            self._begin()
            end = self._run_trials()
            self.budgets.stop()
            if end.kind == "finished":
                self._reevaluate()
        except TrialInterruptedError:
            end = self._interrupted()
        except (DiskError, OracleError) as error:  # the store holds a state to go on from
            return self._abandon(SearchEnd("failing", str(error)))
        except KeyboardInterrupt:
            return self._abandon(SearchEnd("interrupted", "stopped at once by a second signal"))
        try:
            self._finish(end)
        except DiskError as error:
            return self._abandon(SearchEnd("failing", f"{end.reason}; {error}"))
        return end

    def _begin(self) -> None:
        with self.store.transaction():
            self.store.set({"seconds": self.progress.seconds, "end": None})
        space, metrics = self.oracle.get_space(), self.hypermodel.metric_names
        self._tell("on_search_begin", self.run_directory, space, metrics, self.progress)
        self.budgets.start()

    def _run_trials(self) -> SearchEnd:
        end: SearchEnd | None = None
        while True:
            end = end or self._propose_trials()
            self._save()
            for spec in self._take_begun():
                self._submit(spec)
            if not self._running:
                # Asked again: the last trials may have failed since.
                end = self._end_before_next() or end
                return end or SearchEnd("finished", "the oracle proposed nothing more")
            for trial_id, result in self._wait():
                if not self._retry(trial_id, result):
                    self._end_trial(trial_id, result)
            if self.oracle.learns:  # its next proposal may take a second
                self._save()
            if self.stop.requested and self._running:
                return self._interrupted()
            if failing := self._failing():  # what still runs, a resumed search runs again
                return failing

    def _propose_trials(self) -> SearchEnd | None:
        """Begins as many trials as the executor takes; returns why no further trial follows."""
        while len(self._running) < self._most_running:
            if end := self._end_before_next():
                return end
            if self.budgets.must_wait(self._planned_epochs):
                return None
            if self._killed:
                trial = self._killed.popleft()
            else:
                with asking_oracle(self.oracle, self.config.tuner.name):
                    trial = self.oracle.create_trial(f"trial{len(self.oracle.trials)}")
                if trial.status == "STOPPED":
                    return SearchEnd("finished", self.oracle.exhausted)
                if trial.status == "IDLE":  # a running trial has to end first
                    return None
            self._begin_trial(trial)
        return None

    def _begin_trial(self, trial: Any) -> None:
        spec = trial_spec(trial, self._specs, self.config, self.oracle, self.hypermodel)
        parent = None if spec.parent_id is None else self.progress.record(spec.parent_id)
        if parent is not None and parent.result.stopped_by is not None:
            spec = replace(spec, initial_epoch=0)  # it left no state of its last epoch
        spec = replace(
            spec, thresholds=self._curves.thresholds(), epoch_budget=self.budgets.reserve(spec)
        )
        self._specs[spec.trial_id] = spec
        self._running[spec.trial_id] = trial
        self._begun.append(spec)

    def _submit(self, spec: TrialSpec) -> None:
        future = self.executor.submit(spec)
        future.add_done_callback(lambda done: self._done.put((spec.trial_id, done)))

    def _wait(self) -> list[tuple[str, TrialResult]]:
        """The trials that have ended, after at most `POLL_SECONDS`, by id."""
        found = []
        with suppress(Empty):
            found.append(self._done.get(timeout=POLL_SECONDS))
            while True:
                found.append(self._done.get_nowait())
        return [(trial_id, future.result()) for trial_id, future in sorted(found, key=_first)]

    def _end_trial(self, trial_id: str, result: TrialResult) -> None:
        """Tells the oracle the outcome of a trial."""
        spec, trial = self._specs[trial_id], self._running.pop(trial_id)
        trained = result.trained + self.budgets.release(trial_id)
        record = TrialRecord(spec, replace(result, attempt=spec.attempt, trained=trained))
        if result.hyperparameters is not None:  # building the model found new ones
            trial.hyperparameters = kt.HyperParameters.from_config(result.hyperparameters)
        trial.status, trial.message = result.status, result.reason
        with asking_oracle(self.oracle, self.config.tuner.name):
            if (score := result.score) is not None:
                # An oracle with rungs compares trials that end there.
                told = score if self.oracle.has_rungs else self._curves.expected_score(record)
                metrics = {self.oracle.objective.name: told}
                self.oracle.update_trial(trial_id, metrics, step=result.best_epoch or 0)
            self.oracle.end_trial(trial)
        self._add(record)
        self._ended.append(record)

    def _save(self) -> None:
        """Stores what has changed, in one transaction, and tells the listeners."""
        ended, self._ended = self._ended, []
        if not ended and not self._begun:
            return
        self.budgets.update_seconds()
        with self.store.transaction():
            for record in ended:
                told = self.oracle.trials[record.spec.trial_id]
                known = ToldTrial(told.status, told.score, told.best_step)
                self.store.end_trial(record, known, self._stored)
                self._stored += 1
            for spec in self._begun:
                self.store.begin_trial(spec)
            self.store.set_oracle(self.oracle.get_state())
            self.store.set({"seconds": self.progress.seconds, "end": None})
        if ended:
            self._delete_unneeded_files()
        for record in ended:
            self._tell("on_trial_end", record, self.progress)

    def _take_begun(self) -> list[TrialSpec]:
        begun, self._begun = self._begun, []
        for spec in begun:
            self._tell("on_trial_begin", spec, self.progress)
        return begun

    def _retry(self, trial_id: str, result: TrialResult) -> bool:
        """Runs a failed trial again with other seeds, if `limits.retries` and the budgets allow."""
        spec = self._specs[trial_id]
        first = self._specs[spec.parent_id].attempt if spec.parent_id else 0
        again = result.status == "FAILED" and not result.rejected
        if not again or spec.attempt - first >= self.config.limits.retries or self.stop.requested:
            return False
        if self.budgets.trial_end_reason() or not self.budgets.allows_retry(spec, result.trained):
            return False
        budget = self.budgets.reserve_again(spec, result.trained)
        self._specs[trial_id] = replace(spec, attempt=spec.attempt + 1, epoch_budget=budget)
        self._tell("on_trial_retry", TrialRecord(spec, result))
        self._submit(self._specs[trial_id])
        return True

    def _reevaluate(self) -> None:
        """Trains the best trials again, as far as that has not been done."""
        settings = self.config.tuner.confirm
        specs = reevaluation.plan(self.progress, settings)
        if not specs:
            return
        self._tell("on_reevaluation_begin", len(specs), self.progress)
        for record, result in reevaluation.run(
            self.progress, specs, settings.executions, self.executor, lambda: self.stop.requested
        ):
            self.progress.replace(record)
            self.progress.reevaluations += 1
            with self.store.transaction():
                self.store.set_reevaluation(record)
            self._tell("on_reevaluation", record, result, self.progress)

    def _finish(self, end: SearchEnd) -> None:
        self.budgets.stop()
        self._save()
        with self.store.transaction():
            self.store.set({"seconds": self.progress.seconds, "end": end})
        self._delete_unneeded_files()
        self._tell("on_search_end", end, self.progress)

    def _abandon(self, end: SearchEnd) -> SearchEnd:
        """Ends without writing the state, which may have changed in part."""
        self.abandoned = end.kind == "failing" or self.abandoned
        self.budgets.stop()
        with suppress(DiskError):
            self._tell("on_search_end", end, self.progress)
        return end

    def _end_before_next(self) -> SearchEnd | None:
        """Why no further trial may start, if so."""
        if self.stop.requested:
            return self._interrupted()
        if end := self._failing() or self.budgets.end():
            return end
        most = self.config.tuner.trial_cap
        if self._killed or most is None or len(self.oracle.trials) < most:
            return None
        return SearchEnd(
            "finished", f"all {most} trials are done (tuner.max_trials)", "tuner.max_trials"
        )

    def _failing(self) -> SearchEnd | None:
        most = self.config.limits.consecutive_failures
        if self.progress.consecutive_failures < most:
            return None
        return SearchEnd("failing", f"{most} trials in a row failed (limits.consecutive_failures)")

    def _interrupted(self) -> SearchEnd:
        return SearchEnd("interrupted", f"stopped by {self.stop.signal_name}")

    @property
    def _most_running(self) -> int:
        """How many trials the executor may hold, those that wait for a worker included."""
        needs_results = self.oracle.learns or self._curves.prunes or self.budgets.ends_trials
        return self.executor.slots + (0 if needs_results else self.executor.look_ahead)

    @property
    def _planned_epochs(self) -> int:
        """The most epochs that the next trial may need."""
        if self._killed:
            return self._specs[self._killed[0].trial_id].planned_epochs
        settings = self.config.tuner
        return self.config.training.epochs * settings.executions_per_trial * settings.folds

    def _add(self, record: TrialRecord) -> None:
        self.progress.add(record)
        self._curves.add(record)
        self.budgets.add(record)

    def _delete_unneeded_files(self) -> None:
        kept = max(self.config.run.keep_top, self.config.tuner.confirm.trials or 0)
        continuable = self.oracle.continuable()
        delete_unneeded_files(self.run_directory, self.progress, kept, continuable)

    def _tell(self, event: str, *arguments: Any) -> None:
        """Calls a method of every listener; a full disk there ends the search too."""
        listeners = self.listeners if event == "on_search_begin" else list(self._watching)
        for listener in listeners:
            with disk_errors(self.run_directory.path):
                method: Callable[..., None] = getattr(listener, event)
                method(*arguments)
            if event == "on_search_begin":
                self._watching.append(listener)


def _first(pair: tuple[str, Any]) -> str:
    return pair[0]
