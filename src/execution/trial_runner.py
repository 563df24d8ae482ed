"""Runs one trial where a worker is: builds, fits, keeps the best epoch, returns plain data.

`run` trains every execution and fold; `_fit` trains one: it builds the model, puts the callbacks
together, calls the HyperModel's `fit`, and writes weights and training state.
"""

import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path

import keras
import keras_tuner as kt
import tensorflow as tf

import callbacks
from hypermodels import HYPERMODELS
from hypermodels.base import build_controls
from hypermodels.parts import training
from src import registry
from src.data.loading import FitArrays
from src.errors import DiskError
from src.execution.checkpoint import Checkpoint, Saver, read_checkpoint, trial_state
from src.execution.early_end import EarlyEnd
from src.execution.epoch_recorder import EpochRecorder
from src.execution.executor import RunContext, TrialHooks
from src.execution.failures import (
    RejectedError,
    TrialFailedError,
    check_parameters,
    out_of_memory,
)
from src.execution.prediction_time import prediction_seconds
from src.execution.progress import ProgressReporter, StopOnRequest
from src.files import raise_disk_error, remove
from src.messages import TrialProgress
from src.records import Epochs, FitResult, TrialResult, TrialSpec
from src.seeds import trial_seed
from src.signals import TrialInterruptedError
from src.store import training_state
from src.store.run_directory import event_suffix
from src.store.training_state import SavedTraining, save_weights
from src.tuners.space import SpaceReader

TRACEBACK_LINES = 12


class TrialRunner:
    """Runs trials of one search, one after the other.

    Args:
        context: what the trials share.
        worker: index of the worker.
        hooks: what trials tell and ask; they must be quick.
    """

    def __init__(
        self, context: RunContext, worker: int = 0, hooks: TrialHooks | None = None
    ) -> None:
        self.context, self.worker, self.hooks = context, worker, hooks or TrialHooks()
        self._traced = training.TracedModels()
        self._spaces = SpaceReader()
        name = context.config.hypermodel.name
        self._hypermodel_class = registry.load(HYPERMODELS, name, "hypermodel.name")

    def run(self, spec: TrialSpec) -> TrialResult:
        """Runs every execution and fold of a trial, unless it is ended early.

        An exception in the trial fails the trial.

        Raises:
            TrialInterruptedError: if the trial was given up.
            DiskError: if the run's folder cannot be written; that is not the trial's fault.
        """
        started, clock = time.time(), time.perf_counter()
        saved = self._delete_remains(spec)
        plan, limits = self.context.plan, self.context.config.limits
        fits: list[FitResult] = []
        rows: Epochs = ()
        state: SavedTraining | None = None
        if saved is not None:
            fits, rows, state = list(saved.fits), saved.rows, saved.training
            started, clock = started - saved.seconds, clock - saved.seconds
        early_end = EarlyEnd(spec, plan, limits, self.hooks.ending, len(rows))
        recorder = EpochRecorder(plan.monitor, limits, clock, early_end, rows)
        hp = self._spaces.read(spec.hyperparameters)
        declared = len(hp.space)
        reason = trace = ""
        rejected = False
        try:
            fits_done = len(fits)  # before the process was killed
            for number, (execution, fold, arrays) in enumerate(self._fits(spec)):
                recorder.begin(execution, fold)
                if number < fits_done:
                    self._write_events(spec, recorder)
                    continue
                fits.append(self._fit(spec, hp, arrays, recorder, fits, state))
                state = None
                if early_end.ends_trial():
                    break
        except TrialFailedError as error:
            reason, rejected = str(error), isinstance(error, RejectedError)
        except (TrialInterruptedError, DiskError):
            raise
        except (Exception, SystemExit) as error:
            if self.hooks.stopping():  # a C extension may turn a KeyboardInterrupt into any error
                raise TrialInterruptedError from error
            raise_disk_error(error, self.context.run.path)
            reason = _reason(error, recorder)
            trace = "".join(traceback.format_exc().splitlines(True)[-TRACEBACK_LINES:])
        if self.context.saves and not spec.first_execution:
            remove(self.context.run.running_state(spec.trial_id))
        return TrialResult(
            status="FAILED" if reason else "COMPLETED",
            fits=tuple(fits),
            reason=reason or early_end.reason,
            traceback=trace,
            history=tuple(recorder.rows),
            parameters=recorder.parameters,
            started=started,
            seconds=time.perf_counter() - clock,
            worker=str(self.worker),
            hyperparameters=hp.get_config() if len(hp.space) > declared else None,
            rejected=rejected,
            stopped_by=None if reason else early_end.stopped_by,
            trained=len(recorder.rows),
        )

    def _fits(self, spec: TrialSpec) -> Iterator[tuple[int, int, FitArrays]]:
        """Execution, fold and rows of each fit; folds are preprocessed when they are needed."""
        for execution in range(spec.first_execution, spec.executions):
            for fold, (train, validation) in enumerate(self.context.data.folds(spec.folds)):
                plain = spec.folds == 1
                arrays = self._split if plain else self.context.arrays(train, validation)
                yield execution, fold, arrays

    @cached_property
    def _split(self) -> FitArrays:
        """The plain split, preprocessed once for all trials; folds would fill the memory."""
        return self.context.arrays(self.context.data.train, self.context.data.validation)

    def _fit(
        self,
        spec: TrialSpec,
        hp: kt.HyperParameters,
        arrays: FitArrays,
        recorder: EpochRecorder,
        done: Sequence[FitResult],
        state: SavedTraining | None,
    ) -> FitResult:
        context, config = self.context, self.context.config
        execution, fold = recorder.execution, recorder.fold
        seed = trial_seed(config.seed, int(spec.root_id), execution, fold)
        rows = len(arrays.x)
        recorder.batch_size = min(hp.values.get("batch_size") or rows, rows)
        hypermodel = self._hypermodel_class(arrays.problem, seed=seed, plan=context.plan)
        model = self._traced.model(hypermodel, hp, seed)
        recorder.parameters = model.count_params()
        check_parameters(recorder.parameters, config.limits)

        controls = build_controls(hp, context.plan)
        stateful = {**controls, "divergence": recorder.divergence}
        if recorder.early_end.pruner is not None:
            stateful["pruner"] = recorder.early_end.pruner
        best = callbacks.BestEpoch(callbacks.Monitor(context.plan.monitor, context.plan.direction))

        def save(trained_model: keras.Model, epochs: int) -> None:
            path = context.run.running_state(spec.trial_id)
            trial = trial_state(spec, config.seed, done, recorder)
            own = (path, trained_model, stateful, best)
            training_state.save(*own, epochs=epochs, stopped=False, trial=trial)

        if state is None and spec.parent_id is not None and spec.initial_epoch:
            state = training_state.read(context.run.training_state(spec.parent_id, execution))
        reached, stopped = spec.initial_epoch, False
        if state is not None:
            reached, stopped = training_state.restore(state, model, stateful, best)
        if not stopped:  # else early stopping ended the parent: nothing is left to train
            with closing(self._board(spec, recorder)) as board:
                watchers = [callbacks.ScheduleLogger(), best, board, *recorder.callbacks]
                if (interval := config.training.save_every) and not spec.first_execution:
                    watchers.append(Saver(interval, spec.epochs, save))
                begin, monitor = self._progress(spec, recorder, reached), context.plan.monitor
                watchers.append(ProgressReporter(begin, recorder, monitor, self.hooks.on_progress))
                watchers.append(StopOnRequest(self.hooks.stopping))
                try:
                    hypermodel.fit(
                        hp,
                        model,
                        arrays.x,
                        arrays.y,
                        validation_data=(arrays.x_validation, arrays.y_validation),
                        epochs=spec.epochs,
                        initial_epoch=reached,
                        class_weight=context.class_weight,
                        stream=context.streams,
                        verbose=0,
                        controls=controls.values(),
                        callbacks=watchers,
                    )
                except BaseException:
                    self._traced.discard(model)
                    raise
            reached = recorder.epochs
            stopped = bool(model.stop_training) and recorder.early_end.stopped_by is None
        recorder.check()
        if best.value is None:
            raise TrialFailedError(f"{context.plan.monitor} was never finite")
        if spec.keep_state:
            path = context.run.training_state(spec.trial_id, execution)
            training_state.save(path, model, stateful, best, epochs=reached, stopped=stopped)
        save_weights(context.run.weights(spec.trial_id, execution, fold), best.weights)
        logs = {n: value for n, value in best.logs.items() if n not in callbacks.SCHEDULED}
        if "prediction_seconds" in config.objective.secondary:
            logs["prediction_seconds"] = prediction_seconds(model, arrays.x_validation)
        return FitResult(execution, fold, best.value, best.epoch, reached, logs)

    def _delete_remains(self, spec: TrialSpec) -> Checkpoint | None:
        """Deletes the files of a training whose process was killed.

        Returns:
            The state from which the trial goes on; None if it begins.
        """
        run, saved = self.context.run, None
        events = run.events(spec.trial_id, spec.root_id)
        if spec.first_execution:  # files of the earlier executions stay
            own = [
                self._board_folder(spec, execution, fold)
                for execution in range(spec.first_execution, spec.executions)
                for fold in range(spec.folds)
            ]
            for path in events:
                if path.parent in own:
                    remove(path)
            return None
        if self.context.saves:
            saved = read_checkpoint(run, spec, self.context.config.seed)
        for path in events:  # epochs go into new ones
            remove(path)
        if saved is None and run.trial(spec.trial_id).exists():
            remove(run.trial(spec.trial_id))
        return saved

    def _board(self, spec: TrialSpec, recorder: EpochRecorder) -> callbacks.TensorBoard:
        """Writes the events of a fit, and of its epochs before the process was killed."""
        execution, fold = recorder.execution, recorder.fold
        earlier = recorder.logs_of(execution, fold)
        folder = self._board_folder(spec, execution, fold)
        return callbacks.TensorBoard(folder, event_suffix(spec.trial_id), earlier)

    def _board_folder(self, spec: TrialSpec, execution: int, fold: int) -> Path:
        folder = self.context.run.tensorboard / spec.root_id
        if spec.executions * spec.folds == 1:
            return folder
        return folder / f"execution{execution}-fold{fold}"

    def _write_events(self, spec: TrialSpec, recorder: EpochRecorder) -> None:
        with closing(self._board(spec, recorder)) as board:
            board.on_train_begin()

    def _progress(self, spec: TrialSpec, recorder: EpochRecorder, epoch: int) -> TrialProgress:
        return TrialProgress(
            worker=self.worker,
            trial_id=spec.trial_id,
            fit=(recorder.execution - spec.first_execution) * spec.folds + recorder.fold + 1,
            fits=spec.planned_fits,
            epoch=epoch,
            epochs=spec.epochs,
            batch_size=recorder.batch_size,
            parameters=recorder.parameters,
        )


def _reason(error: BaseException, recorder: EpochRecorder) -> str:
    if isinstance(error, (MemoryError, tf.errors.ResourceExhaustedError)):
        return out_of_memory(recorder.batch_size, recorder.parameters)
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
