"""The loop: an oracle proposes, an executor runs, the oracle is told, the snapshot is written."""

import dataclasses
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import keras_tuner as kt

from src.config.schema import Config
from src.errors import DiskError
from src.execution.serial import POLL_SECONDS, Executor
from src.files import disk_errors
from src.records import TrialRecord, TrialResult, TrialSpec
from src.search.budgets import SearchLimits
from src.search.events import SearchEnd, SearchListener, SearchProgress
from src.search.reevaluation import confirm, take_back_damaged, trainings
from src.search.repair import find_damage, train_again
from src.search.restoring import restore_oracle
from src.search.run_files import RunFiles
from src.search.trial_specs import trial_spec
from src.signals import StopRequest, TrialInterruptedError
from src.store.history import log_names, recorded_controls
from src.store.run_directory import RunDirectory
from src.store.snapshot import (
    SavedSearch,
    lacks_epochs,
    restore_confirmation,
    restore_result,
)
from src.tuners.oracle import SearchOracle
from src.tuners.pruners import Curves
from src.tuners.user_code import OracleError, asking_oracle


class SearchTuner(kt.Tuner):
    """A Keras Tuner `Tuner` whose trials run in an executor.

    What is on the disk is always a state to go on from: a trial is in the snapshot before it runs,
    and its epochs are in history.csv before the snapshot says that it ended.

    Args:
        oracle: proposes hyperparameters; its space is complete.
        hypermodel: builds the models.
        config: the configuration of the search.
        run: the run's folder.
        executor: runs the trials.
        stop: set when a signal asks the search to stop.
        head: what the snapshot says of the search that does not change.
        also: what counts beside the oracle's objective.
        saved: the state to go on from; None for a new search.
        listeners: told of everything that happens.
    """

    def __init__(
        self,
        oracle: SearchOracle,
        hypermodel: kt.HyperModel,
        *,
        config: Config,
        run: RunDirectory,
        executor: Executor,
        stop: StopRequest,
        head: Mapping[str, Any],
        also: tuple[kt.Objective, ...] = (),
        saved: SavedSearch | None = None,
        listeners: Sequence[SearchListener] = (),
    ) -> None:
        # Without the HyperModel, as Keras Tuner would build dozens of models to discover a space
        # that is known already.
        super().__init__(
            oracle, hypermodel=None, directory=str(run.path.parent), project_name=run.name
        )
        self.hypermodel = hypermodel
        self.config = config
        self.run_directory = run
        self.executor = executor
        self.stop = stop
        self.listeners = listeners
        self._watching: list[SearchListener] = []
        self.progress = SearchProgress(
            oracle.objective,
            oracle.total(config.tuner.trial_cap),
            also=also,
            confirms=config.tuner.confirm.trials is not None,
        )
        self.limits = SearchLimits(config.limits, self.progress, shares=oracle.continues_trials)
        self.disk_failed = False
        self._curves = Curves(config, oracle.objective)
        columns = [*recorded_controls(oracle.get_space()), *log_names(hypermodel.metric_names)]
        kept = max(config.run.keep_top, config.tuner.confirm.trials or 0)
        self._files = RunFiles(run, head, columns, kept, config.tuner.executions_per_trial)
        self._end: SearchEnd | None = None
        self._specs: dict[str, TrialSpec] = {}
        self._results: dict[str, TrialResult] = {}
        self._damaged: dict[str, Path] = {}  # by trial that has to be trained again
        self._cut: set[str] = set()  # trials that were cut short
        if saved is not None:
            self._restore(saved)
        self.progress.knowledge = oracle.knowledge.text
        self._interrupted = deque(
            sorted(oracle.ongoing_trials.values(), key=lambda trial: trial.trial_id)
        )

    def search(self, *_: Any, **__: Any) -> SearchEnd:
        """Runs trials until the budget, the space or the user's patience ends.

        Takes no data: the trial runner has it. Returns why the search stopped.
        """
        try:
            self.on_search_begin()
            self._repair()
            self.limits.watch()
            end = self._run_trials()
            if end.kind == "finished":
                self._confirm()
            self._end = end
        except TrialInterruptedError:
            self._end = self._stopped()
        except DiskError as error:  # what is on the disk is whole; what is not, runs again
            self.disk_failed = True
            return self._abandon(SearchEnd("failing", str(error)))
        except OracleError as error:
            return self._abandon(SearchEnd("failing", str(error)))
        except KeyboardInterrupt:  # the state in memory may be half changed
            return self._abandon(SearchEnd("interrupted", "stopped at once by a second signal"))
        try:
            self.on_search_end()
        except DiskError as error:
            self.disk_failed = True
            return self._abandon(SearchEnd("failing", f"{self._end.reason}; {error}"))
        return self._end

    def is_exported(self, best: TrialRecord) -> bool:
        """Whether `best/` has this trial's model, chosen by the fits by which the trial ranks."""
        known = self._files.exported or {}
        exported = (known.get("trial_id"), known.get("confirmed"))
        return exported == (best.spec.trial_id, _confirming(best))

    def note_export(self, best: TrialRecord | None) -> None:
        """Keeps in the snapshot whose model is in `best/`; None before that folder is replaced.

        Raises:
            DiskError: if the snapshot cannot be written.
        """
        exported = None
        if best is not None:
            exported = {"trial_id": best.spec.trial_id, "confirmed": _confirming(best), "files": {}}
        if exported != self._files.exported:
            self._files.exported = exported
            self._write_state()

    def run_trial(self, trial: Any, *_: Any, **__: Any) -> "Future[TrialResult]":
        """Hands a trial to the executor."""
        return self.executor.submit(self._specs[trial.trial_id])

    def on_search_begin(self) -> None:
        """Writes the first snapshot and tells the listeners."""
        self.limits.begin()
        self._write_state()
        self._files.note_needed(self.oracle, self.progress)
        for listener in self.listeners:
            with disk_errors(self.run_directory.path):
                listener.on_search_begin(
                    self.run_directory,
                    self.oracle.get_space(),
                    self.hypermodel.metric_names,
                    self.progress,
                )
            self._watching.append(listener)

    def on_trial_begin(self, trial: Any) -> None:
        """Makes the trial's spec, and writes a snapshot in which the trial runs."""
        spec = trial_spec(trial, self._specs, self.config, self.oracle, self.hypermodel)
        if spec.parent_id in self._cut:  # it left no state of its last epoch, or not of all fits
            spec = dataclasses.replace(spec, initial_epoch=0)
        allowance = self.limits.allow(spec)
        spec = dataclasses.replace(spec, bars=self._curves.bars(), allowance=allowance)
        self._specs[trial.trial_id] = spec
        self._write_state()
        for listener in self.listeners:
            with disk_errors(self.run_directory.path):
                listener.on_trial_begin(spec, self.progress)

    def on_trial_end(self, trial: Any) -> None:
        """Tells the oracle the outcome, keeps it, and deletes weights that no longer count."""
        spec, result = self._specs[trial.trial_id], self._results.pop(trial.trial_id)
        trained = result.trained + self.limits.settle(trial.trial_id)
        result = dataclasses.replace(result, attempt=spec.attempt, trained=trained)
        record = TrialRecord(spec, result)
        self._files.add_epochs(record)
        if result.hyperparameters is not None:  # building the model found new ones
            trial.hyperparameters = kt.HyperParameters.from_config(result.hyperparameters)
        trial.status, trial.message = result.status, result.reason
        if result.status == "COMPLETED":
            rungs = self.oracle.continues_trials  # it compares trials that end there
            score = result.score if rungs else self._curves.expected_score(record)
            metrics = {self.oracle.objective.name: score}
            with asking_oracle(self.oracle, self.config.tuner.name):
                self.oracle.update_trial(trial.trial_id, metrics, step=result.best_epoch)
        with asking_oracle(self.oracle, self.config.tuner.name):
            self.oracle.end_trial(trial)
        self._add(record)
        self.limits.note_end()
        self._write_state()
        self._files.prune(self.oracle, self.progress)
        for listener in self.listeners:
            with disk_errors(self.run_directory.path):
                listener.on_trial_end(record, self.progress)

    def on_search_end(self) -> None:
        """Writes the last snapshot and tells the listeners."""
        assert self._end is not None
        self.limits.stop()
        self._files.sort_epochs(self.progress)
        self._write_state()
        self._files.prune(self.oracle, self.progress, ended=True)
        self._tell_end(self._end)

    def _run_trials(self) -> SearchEnd:
        running: dict[Future[TrialResult], Any] = {}
        end: SearchEnd | None = None
        while True:
            while end is None and len(running) < self._most_running:
                proposed = self._next_trial()
                if isinstance(proposed, SearchEnd):
                    end = proposed
                elif proposed is None:  # the oracle waits for a running trial
                    if not running:
                        end = SearchEnd("finished", "the oracle proposed nothing more")
                    break
                else:
                    self.on_trial_begin(proposed)
                    running[self.run_trial(proposed)] = proposed
            if not running:
                # Asked again: the last trials may have failed after the budget was handed out.
                return (
                    self._end_before_next() or end or SearchEnd("finished", self.oracle.exhausted)
                )
            done, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda future: running[future].trial_id):
                trial, result = running.pop(future), future.result()
                if self._retry(trial.trial_id, result):
                    running[self.run_trial(trial)] = trial
                else:
                    self._results[trial.trial_id] = result
                    self.on_trial_end(trial)
            if self.stop.requested and running:
                return self._stopped()
            failing = self._failing()
            if failing is not None:  # what runs or waits yet, a resumed search begins with
                return failing

    def _next_trial(self) -> Any:
        """The next trial, why there is none, or None if one may come later.

        Those that ran when the search was killed come first, however many trials there may be.
        """
        if self.stop.requested:
            return self._stopped()
        end = self._failing() or self.limits.end()
        if end is None and not self._interrupted:
            end = self._end_before_next()
        if end is not None:
            return end
        if self.limits.must_wait(self._planned_epochs):
            return None
        if self._interrupted:
            return self._interrupted.popleft()
        with asking_oracle(self.oracle, self.config.tuner.name):
            trial = self.oracle.create_trial(self._free_slot())
        if trial.status == "STOPPED":
            return SearchEnd("finished", self.oracle.exhausted)
        return None if trial.status == "IDLE" else trial

    @property
    def _most_running(self) -> int:
        """How many trials the executor may have, those that wait for a worker included."""
        at_once = self.oracle.learns or self._curves.prunes or self.limits.stops_trials
        return self.executor.slots + (0 if at_once else self.executor.look_ahead)

    @property
    def _planned_epochs(self) -> int:
        """The most epochs that the next trial may need."""
        if self._interrupted:
            return self._specs[self._interrupted[0].trial_id].planned_epochs
        settings = self.config.tuner
        return self.config.training.epochs * settings.executions_per_trial * settings.folds

    def _free_slot(self) -> str:
        """An id that no running trial has: Keras Tuner keeps one trial for each."""
        slots = (f"slot{number}" for number in count())
        return next(slot for slot in slots if slot not in self.oracle.ongoing_trials)

    def _end_before_next(self) -> SearchEnd | None:
        """Why no further trial may start, if so."""
        cap, done = self.config.tuner.trial_cap, None
        if cap is not None and len(self.oracle.trials) >= cap:
            reason = f"all {cap} trials are done (tuner.max_trials)"
            done = SearchEnd("finished", reason, "tuner.max_trials")
        return self._failing() or self.limits.end() or done

    def _retry(self, trial_id: str, result: TrialResult) -> bool:
        """Whether a failed trial runs again; then it is no record yet, and starts clean."""
        spec = self._specs[trial_id]
        retried = spec.attempt - self._first_attempt(spec)
        again = result.status == "FAILED" and not result.rejected
        if not again or retried >= self.config.limits.retries or self.stop.requested:
            return False
        if self.limits.ending() or not self.limits.leaves(spec, result.trained):
            return False
        record = TrialRecord(spec, result)
        allowance = self.limits.allow_again(spec, result.trained)
        attempt = spec.attempt + 1
        self._specs[trial_id] = dataclasses.replace(spec, attempt=attempt, allowance=allowance)
        for listener in self.listeners:
            with disk_errors(self.run_directory.path):
                listener.on_trial_retry(record)
        return True

    def _first_attempt(self, spec: TrialSpec) -> int:
        """The attempt that a trial begins with: a promotion goes on with its parent's seeds."""
        return self._specs[spec.parent_id].attempt if spec.parent_id else 0

    def _failing(self) -> SearchEnd | None:
        most = self.config.limits.consecutive_failures
        if self.progress.consecutive_failures < most:
            return None
        return SearchEnd("failing", f"{most} trials in a row failed (limits.consecutive_failures)")

    def _stopped(self) -> SearchEnd:
        return SearchEnd("interrupted", f"stopped by {self.stop.signal_name}")

    def _abandon(self, end: SearchEnd) -> SearchEnd:
        """Ends without another word to the disk, which has a state to go on from."""
        self._end = end
        with suppress(DiskError):
            self._tell_end(end)
        return end

    def _tell_end(self, end: SearchEnd) -> None:
        for listener in self._watching:  # the disk may fail before all of them began
            with disk_errors(self.run_directory.path):
                listener.on_search_end(end, self.progress)

    def _restore(self, saved: SavedSearch) -> None:
        """Takes over a saved state, whole.

        Raises:
            UserError: if it is not one that this oracle could have come to.
        """
        self._specs, continuable = restore_oracle(
            self.oracle, saved, self.run_directory, self.config, self.hypermodel
        )
        epochs = self._files.read_epochs(saved)
        self._files.exported = saved.exported
        self.progress.seconds = saved.seconds
        for state in saved.records:
            trial_id = state["trial_id"]
            result = restore_result(state, epochs.get(trial_id, ()))
            spec = dataclasses.replace(self._specs[trial_id], attempt=result.attempt)
            self._specs[trial_id] = spec
            known = restore_confirmation(state, epochs)
            if known is not None:  # fewer may be enough now
                wanted = min(known.executions, self.config.tuner.confirm.executions)
                known = dataclasses.replace(known, executions=wanted)
            self._add(TrialRecord(spec, result, known))
        lost = [state["trial_id"] for state in saved.records if lacks_epochs(state, epochs)]
        self._files.restore_epochs(self.progress, lost)
        self._damaged = find_damage(self.run_directory, self.progress, continuable)
        take_back_damaged(self.run_directory, self.progress)

    def _repair(self) -> None:
        """Trains trials again of which files are damaged that others, or the export, need."""
        records = [r for r in self.progress.records if r.spec.trial_id in self._damaged]
        for record in train_again(records, self._damaged, self.executor, self._stopping):
            self._replace_record(record)
        if records:
            self._write_state()

    def _confirm(self) -> None:
        """Trains the best trials again, as far as that has not been done.

        What is on the disk is always a state to go on from: epochs come before the snapshot.
        """
        settings = self.config.tuner.confirm
        specs = trainings(self.progress, settings)
        if not specs:
            return
        self.limits.stop()  # the search has ended
        for listener in self.listeners:
            with disk_errors(self.run_directory.path):
                listener.on_confirmation_begin(len(specs), self.progress)
        asked = (settings.executions, self.executor, self._stopping)
        for record, result in confirm(self.progress, specs, *asked):
            self._replace_record(record)
            self.progress.trained_again += 1
            self._files.replace_epochs(self.progress)
            self._write_state()
            for listener in self.listeners:
                with disk_errors(self.run_directory.path):
                    listener.on_confirmation(record, result, self.progress)

    def _stopping(self) -> bool:
        return self.stop.requested

    def _replace_record(self, record: TrialRecord) -> None:
        """Takes over a record in place of the one that the trial had, for the next snapshot."""
        self.progress.replace(record)
        self._files.replace_record(self.oracle, record)

    def _add(self, record: TrialRecord) -> None:
        self.progress.records.append(record)
        self._curves.add(record)
        if record.result.cut is not None:
            self._cut.add(record.spec.trial_id)

    def _write_state(self) -> None:
        self.limits.note_time()
        self._files.write_state(self.oracle, self.progress, self._end)


def _confirming(record: TrialRecord) -> int:
    """How many of the fits by which a trial ranks have confirmed it: all of them, or none."""
    return 0 if record.confirmed is None else len(record.judged_fits)
