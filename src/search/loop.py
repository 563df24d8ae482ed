"""The search loop: an oracle proposes a trial, an executor runs it, the store keeps the result.

Read it from `SearchLoop.run` down. A trial is in the store before it runs, and its result is in the
store before a listener hears of it, so that a search that is killed can be resumed.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from src import registry
from src.errors import DiskError
from src.execution.executor import POLL_SECONDS, Executor, TrialHooks, run_all
from src.messages import SearchEnd, TrialProgress
from src.records import TrialRecord, TrialResult, TrialSpec
from src.registry import EXECUTORS
from src.search import reevaluation
from src.search.listener import Listeners, SearchListener
from src.search.preparation import PreparedSearch
from src.search.progress import SearchProgress
from src.search.proposals import Proposals
from src.search.retention import delete_unneeded_files
from src.signals import StopRequest, TrialInterruptedError
from src.store.database import Store, oracle_state
from src.store.run_directory import RunDirectory
from src.store.saved_search import SavedSearch
from src.tuners.user_code import OracleError, asking_oracle


class SearchLoop:
    """One search.

    Attributes:
        progress: the trials that have ended.
        may_export: whether the best model should be exported; not if the search broke off.
    """

    _executor: Executor  # while the search runs

    def __init__(
        self,
        prepared: PreparedSearch,
        run: RunDirectory,
        store: Store,
        stop: StopRequest,
        listeners: Sequence[SearchListener] = (),
    ) -> None:
        self._prepared, self._config, self._oracle = prepared, prepared.config, prepared.oracle
        self._run, self._store, self._stop = run, store, stop
        self._listeners = Listeners(listeners, run)
        self.progress = SearchProgress(
            prepared.objective,
            prepared.trials,
            secondary=prepared.secondary,
            warm_start=self._oracle.warm_start.text,
            reevaluates=self._config.tuner.reevaluate.trials is not None,
        )
        self.may_export = True
        self._proposals = Proposals(prepared, self.progress)
        self._budgets = self._proposals.budgets
        self._running: set[str] = set()
        # Id and future of ended trials. `futures.wait` would take longer the more are pending.
        self._done: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._problem: Exception | None = None  # of a listener that was told of progress
        self._begun: list[TrialSpec] = []  # not in the store yet
        self._ended: list[TrialRecord] = []  # not in the store yet

    def restore(self, saved: SavedSearch) -> None:
        """Continues from a saved state; raises what `Proposals.restore` does."""
        self._proposals.restore(saved)

    def run(self) -> SearchEnd:
        """Runs trials until a budget or the space is used up, and returns why it stopped."""
        self._executor = registry.load(EXECUTORS, self._config.executor, "run.engine")(
            self._prepared.context(self._run),
            self._prepared.workers,
            TrialHooks(
                self._tell_progress,
                lambda: self._stop.requested,
                self._budgets.trial_end_reason,
            ),
        )
        consistent = True  # else the oracle may have changed in part; the store holds it as it was
        stores_results = not self._oracle.learns  # its state then holds no results
        try:
            self._begin()
            end = self._run_trials()
            self._budgets.stop()
            if end.kind == "finished":
                self._reevaluate()
        except TrialInterruptedError:
            end = self._interrupted()
        except DiskError as error:
            self.may_export, end = False, SearchEnd("failing", str(error))
        except OracleError as error:
            consistent, end = False, SearchEnd("failing", str(error))
            stores_results = not self._oracle.has_rungs  # rungs must agree with the results
        except KeyboardInterrupt:
            reason = "stopped at once by a second signal"
            consistent, end = False, SearchEnd("interrupted", reason)
        finally:
            with suppress(KeyboardInterrupt):  # asked again; workers end with this process
                self._executor.shutdown()
        return self._finish(end, consistent=consistent, stores_results=stores_results)

    def _begin(self) -> None:
        warm_start = self._oracle.warm_start.model_dump(mode="json")
        search = self._search_state()
        with self._store.transaction():
            # `prepare` reads it back, since a resumed search must not depend on the earlier run.
            self._store.set(search | oracle_state({"warm_start": warm_start}))
            for trial_id in self.progress.reevaluated:  # fewer executions may be planned now
                self._store_reevaluation(trial_id)
        metrics = self._prepared.hypermodel.metric_names
        self._listeners.begin(self._prepared.space, metrics, self.progress)
        self._budgets.start()

    def _run_trials(self) -> SearchEnd:
        end: SearchEnd | None = None
        while True:
            end = end or self._propose_trials()
            for spec in self._save():
                self._listeners.tell("on_trial_begin", spec, self.progress)
                self._submit(spec)
            if not self._running:
                # Asked again: the last result may have used up a budget, or a signal came.
                end = self._end_before_next() or end
                return end or SearchEnd("finished", "the oracle proposed nothing more")
            for trial_id, result in self._wait():
                self._running.remove(trial_id)
                self._ended.append(self._proposals.add_result(trial_id, result))
            if self._problem is not None:
                self._save()
                raise self._problem
            if self._oracle.learns:  # a kill while it takes a second to propose loses no result
                self._save()
            if self._stop.requested and self._running:
                return self._interrupted()
            if failing := self._budgets.failing():  # a resumed search runs again what runs now
                return failing

    def _propose_trials(self) -> SearchEnd | None:
        """Begins as many trials as the executor takes; returns why no further trial follows."""
        look_ahead = 0 if self._proposals.needs_results else self._executor.look_ahead
        while len(self._running) < self._executor.slots + look_ahead:
            if self._stop.requested:
                return self._interrupted()
            spec = self._proposals.next()
            if not isinstance(spec, TrialSpec):
                return spec
            self._running.add(spec.trial_id)
            self._begun.append(spec)
        return None

    def _tell_progress(self, running: TrialProgress) -> None:
        try:
            self._listeners.tell("on_progress", running)
        except Exception as error:  # not the trial's fault, in whose training it is raised
            self._problem = error

    def _submit(self, spec: TrialSpec) -> None:
        future = self._executor.submit(spec)
        future.add_done_callback(lambda done: self._done.put((spec.trial_id, done)))

    def _wait(self) -> Iterator[tuple[str, TrialResult]]:
        """The trials that ended within `POLL_SECONDS`; if one raises, it comes last."""
        found = []
        with suppress(Empty):
            found.append(self._done.get(timeout=POLL_SECONDS))
            while True:
                found.append(self._done.get_nowait())
        found.sort(key=lambda pair: (pair[1].exception() is not None, pair[0]))
        for trial_id, future in found:
            yield trial_id, future.result()

    def _save(self, *, with_oracle: bool = True) -> list[TrialSpec]:
        """Stores what has begun and ended in one transaction, then tells of what has ended.

        Returns the trials that have begun. Without the oracle's state, only results are stored.
        """
        begun = self._begun if with_oracle else []
        ended = self._ended
        if not ended and not begun:
            return []
        self._budgets.update_seconds()
        first = len(self.progress.records) - len(ended)
        search = self._search_state() if with_oracle else {}
        with self._store.transaction():
            for number, record in enumerate(ended, first):
                told = self._oracle.trials[record.spec.trial_id].score
                self._store.end_trial(record, told, number)
            for spec in begun:
                self._store.begin_trial(spec)
            self._store.set(search)
        self._ended, self._begun = [], []
        if ended:
            self._delete_unneeded_files()
        for record in ended:
            self._listeners.tell("on_trial_end", record, self.progress)
        return begun

    def _search_state(self, end: SearchEnd | None = None) -> dict[str, Any]:
        """What the store holds of the search as a whole, besides what never changes."""
        with asking_oracle(self._oracle, self._config.tuner.name):
            space = self._oracle.describe_space(self._oracle.hyperparameters)
            state = oracle_state(self._oracle.get_state())
        return {"seconds": self.progress.seconds, "end": end, "space": space, **state}

    def _reevaluate(self) -> None:
        """Trains the best trials again, as far as that has not been done."""
        settings, progress = self._config.tuner.reevaluate, self.progress
        if not (specs := reevaluation.plan(progress, settings)):
            return
        self._listeners.tell("on_reevaluation_begin", len(specs), progress)

        def goes_on(spec: TrialSpec) -> bool:  # a failure ends the re-evaluation of its trial
            known = progress.record(spec.trial_id).reevaluation
            return known is None or not known.reason

        waiting = filter(goes_on, specs)
        for spec, result in run_all(self._executor, waiting, lambda: self._stop.requested):
            known = progress.record(spec.trial_id)
            record = reevaluation.with_training(known, result, settings.executions)
            progress.replace(record)
            progress.reevaluations += 1
            with self._store.transaction():
                self._store_reevaluation(spec.trial_id)
            self._listeners.tell("on_reevaluation", record, result, progress)

    def _store_reevaluation(self, trial_id: str) -> None:
        again = self.progress.record(trial_id).reevaluation
        assert again is not None
        self._store.set_reevaluation(trial_id, again)

    def _finish(self, end: SearchEnd, *, consistent: bool, stores_results: bool) -> SearchEnd:
        """Stores the end, if the state here is consistent, and tells of it."""
        self._budgets.stop()
        self.may_export = self.may_export and consistent

        def attempt(step: Callable[[], object]) -> None:
            nonlocal end
            try:
                step()
            except (DiskError, OracleError) as error:
                self.may_export = False
                if str(error) not in end.reason:
                    end = SearchEnd("failing", f"{end.reason}; {error}")

        if consistent:
            attempt(lambda: self._store_end(end))
        elif stores_results:
            attempt(lambda: self._save(with_oracle=False))
        for tell in self._listeners.calls("on_search_end"):
            attempt(partial(tell, end, self.progress))
        return end

    def _store_end(self, end: SearchEnd) -> None:
        self._save()
        search = self._search_state(end)
        with self._store.transaction():
            self._store.set(search)
        self._delete_unneeded_files()

    def _end_before_next(self) -> SearchEnd | None:
        """Why no further trial may start, if so."""
        return self._interrupted() if self._stop.requested else self._proposals.end()

    def _interrupted(self) -> SearchEnd:
        return SearchEnd("interrupted", f"stopped by {self._stop.signal_name}")

    def _delete_unneeded_files(self) -> None:
        kept = max(self._config.run.keep_top, self._config.tuner.reevaluate.trials or 0)
        delete_unneeded_files(self._run, self.progress, kept, self._oracle.continuable())
