"""The loop: an oracle proposes, an executor runs, the oracle is told, the snapshot is written."""

import shutil
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import count
from typing import Any

import keras_tuner as kt
import numpy as np

from src.config.schema import Config
from src.run_directory import RunDirectory
from src.search.events import SearchEnd, SearchListener, SearchProgress
from src.search.executors import Executor
from src.search.oracle import SearchOracle
from src.search.snapshot import Snapshot
from src.search.trial import TrialRecord, TrialResult, TrialSpec, structure_key


class SearchTuner(kt.Tuner):
    """A Keras Tuner `Tuner` whose trials run in an executor.

    Args:
        oracle: proposes hyperparameters; its space is complete.
        hypermodel: builds the models.
        config: the configuration of the search.
        run: the run's folder.
        executor: runs the trials.
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
        self.listeners = listeners
        cap = config.tuner.trial_cap
        self.progress = SearchProgress(oracle.objective, oracle.total(cap))
        self.end: SearchEnd | None = None
        self._snapshot = Snapshot(run, config)
        self._specs: dict[str, TrialSpec] = {}
        self._results: dict[str, TrialResult] = {}

    def search(self, *_: Any, **__: Any) -> SearchEnd:
        """Runs trials until the budget, the space or the user's patience ends.

        Takes no data: the trial runner has it. Returns why the search stopped.
        """
        self.on_search_begin()
        try:
            end = self._run_trials()
        except KeyboardInterrupt:
            end = SearchEnd("interrupted", "stopped by Ctrl-C or SIGTERM")
        self.end = end
        self.on_search_end()
        return end

    def run_trial(self, trial: Any, *_: Any, **__: Any) -> "Future[TrialResult]":
        """Hands a trial to the executor."""
        return self.executor.submit(self._specs[trial.trial_id])

    def on_search_begin(self) -> None:
        """Tells the listeners and writes the first snapshot."""
        for listener in self.listeners:
            listener.on_search_begin(
                self.run_directory, self.oracle.get_space(), self.hypermodel.metric_names
            )
        self._write_snapshot()

    def on_trial_begin(self, trial: Any) -> None:
        """Makes the trial's spec."""
        spec = self._spec(trial)
        self._specs[trial.trial_id] = spec
        self._write_snapshot()
        for listener in self.listeners:
            listener.on_trial_begin(spec, self.progress)

    def on_trial_end(self, trial: Any) -> None:
        """Tells the oracle the outcome, keeps it, and deletes weights that no longer count."""
        result = self._results.pop(trial.trial_id)
        if result.hyperparameters is not None:  # building the model found new ones
            trial.hyperparameters = kt.HyperParameters.from_config(result.hyperparameters)
        trial.status, trial.message = result.status, result.reason
        if result.status == "COMPLETED":
            best_epoch = result.best_epoch
            metrics = {self.oracle.objective.name: result.score}
            self.oracle.update_trial(trial.trial_id, metrics, step=best_epoch)
        self.oracle.end_trial(trial)
        record = TrialRecord(self._specs[trial.trial_id], result)
        self.progress.records.append(record)
        self._write_snapshot()
        if not self.oracle.continues_trials:
            self._prune()
        for listener in self.listeners:
            listener.on_trial_end(record, self.progress)

    def on_search_end(self) -> None:
        """Writes the last snapshot and tells the listeners."""
        assert self.end is not None
        self._write_snapshot()
        if self.end.kind != "interrupted":
            self._prune()
            for state in self.run_directory.trials.glob("*/*.state.npz"):
                state.unlink()  # nothing will continue from it
        for listener in self.listeners:
            listener.on_search_end(self.end, self.progress)

    def _run_trials(self) -> SearchEnd:
        running: dict[Future[TrialResult], Any] = {}
        end: SearchEnd | None = None
        while True:
            while end is None and len(running) < self._most_running:
                end = self._end_before_next()
                if end is not None:
                    break
                trial = self.oracle.create_trial(self._free_slot())
                if trial.status == "STOPPED":
                    end = SearchEnd("finished", self.oracle.exhausted)
                elif trial.status == "IDLE":  # it waits for a running trial
                    if not running:
                        end = SearchEnd("finished", "the oracle proposed nothing more")
                    break
                else:
                    self.on_trial_begin(trial)
                    running[self.run_trial(trial)] = trial
            if not running:
                # Asked again: the last trials may have failed after the budget was handed out.
                return (
                    self._end_before_next() or end or SearchEnd("finished", self.oracle.exhausted)
                )
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda future: running[future].trial_id):
                trial = running.pop(future)
                self._results[trial.trial_id] = future.result()
                self.on_trial_end(trial)

    @property
    def _most_running(self) -> int:
        """How many trials the executor may have, those that wait for a worker included."""
        return self.executor.slots + (0 if self.oracle.learns else self.executor.look_ahead)

    def _free_slot(self) -> str:
        """An id that no running trial has: Keras Tuner keeps one trial for each."""
        slots = (f"slot{number}" for number in count())
        return next(slot for slot in slots if slot not in self.oracle.ongoing_trials)

    def _end_before_next(self) -> SearchEnd | None:
        """Why no further trial may start, if so."""
        most_failures = self.config.limits.consecutive_failures
        if self.progress.consecutive_failures >= most_failures:
            return SearchEnd(
                "failing", f"{most_failures} trials in a row failed (limits.consecutive_failures)"
            )
        cap = self.config.tuner.trial_cap
        if cap is not None and len(self.oracle.trials) >= cap:
            return SearchEnd("finished", f"all {cap} trials are done (tuner.max_trials)")
        return None

    def _spec(self, trial: Any) -> TrialSpec:
        hyperparameters = trial.hyperparameters.get_config()
        # Bayesian optimisation proposes NumPy numbers, which YAML and others cannot write.
        values = {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in hyperparameters["values"].items()
        }
        parent_id = values.get("tuner/trial_id")
        bracket = values.get("tuner/bracket")
        if parent_id:  # Keras Tuner notes the newest bracket, though an older one may be running
            bracket = self._specs[parent_id].bracket
        settings = self.config.tuner
        return TrialSpec(
            trial_id=trial.trial_id,
            root_id=self._specs[parent_id].root_id if parent_id else trial.trial_id,
            parent_id=parent_id,
            hyperparameters=hyperparameters | {"values": values},
            initial_epoch=values.get("tuner/initial_epoch", 0),
            epochs=values.get("tuner/epochs", self.config.training.epochs),
            executions=settings.executions_per_trial,
            folds=settings.folds,
            keep_state=self.oracle.continues_trials,
            bracket=bracket,
            rung=values.get("tuner/round"),
            structure=structure_key(self.hypermodel.structure(trial.hyperparameters)),
        )

    def _prune(self) -> None:
        """Deletes the weights of all trials that have ended but the best `run.keep_top`."""
        ended = {record.spec.trial_id for record in self.progress.records}
        kept = {r.spec.trial_id for r in self.progress.completed[: self.config.run.keep_top]}
        if self.run_directory.trials.is_dir():
            for folder in self.run_directory.trials.iterdir():
                if folder.name in ended - kept:
                    shutil.rmtree(folder)

    def _write_snapshot(self) -> None:
        reason = self.end.reason if self.end else ""
        self._snapshot.write(self.oracle, self.progress, reason)
