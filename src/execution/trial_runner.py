"""Runs one trial where a worker is: builds, fits, keeps the best epoch, returns plain data."""

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import keras
import keras_tuner as kt
import tensorflow as tf

import callbacks
from hypermodels import HYPERMODELS
from hypermodels.reuse import TracedModels
from src import registry
from src.config.schema import LimitSettings
from src.data.loading import Data, FitArrays
from src.data.splits import Rows
from src.errors import DiskError
from src.execution.checkpoint import Checkpoint, Saver, read_checkpoint
from src.execution.early_end import Cutter, nothing_ends
from src.execution.epoch_recorder import EpochRecorder
from src.execution.failures import (
    RejectedError,
    TrialFailedError,
    check_parameters,
    out_of_memory,
)
from src.execution.prediction_time import prediction_seconds
from src.files import checksum, raise_disk_error, remove
from src.records import FitResult, TrialResult, TrialSpec
from src.search.events import TrialProgress
from src.seeds import trial_seed
from src.signals import TrialInterruptedError
from src.store import training_state
from src.store.run_directory import RunDirectory, event_suffix
from src.store.weights import save_weights
from src.tuners.space import SpaceReader, restored

TRACEBACK_LINES = 12
NOT_LOGGED = ("execution", "fold", "epoch")  # of a row of the history


@dataclass(frozen=True)
class RunContext:
    """What all trials of a search share; plain data that a worker process can be given.

    Attributes:
        seed: the user's seed.
        hypermodel: registry name of the HyperModel.
        data: the rows and how they are split.
        plan: most epochs of a trial, and what its callbacks monitor.
        run: the run's folder.
        stream: whether trials read their rows batch by batch, instead of holding them in memory.
        limits: when a trial is given up.
        class_weight: the HyperModels' weights of classes in the loss; None for equal ones.
        tune_threshold: whether the winner gets a decision threshold of its own.
        average: whether, after cross-validation, the models of the folds are exported together
            instead of one that is trained anew on all of their rows.
        save_interval: epochs or else seconds after which a running trial is saved, to go on from
            there if it is killed; neither for never.
        full_board: whether TensorBoard gets graphs and histograms too.
        time_predictions: whether it is measured how long a trial's model takes to predict.
        threads: of an operation, in each worker.
    """

    seed: int
    hypermodel: str
    data: Data
    plan: callbacks.TrainingPlan
    run: RunDirectory
    stream: bool = False
    limits: LimitSettings = field(default_factory=LimitSettings)
    class_weight: Literal["balanced"] | None = None
    tune_threshold: bool = False
    average: bool = False
    save_interval: tuple[int | None, float | None] = (None, None)
    full_board: bool = False
    time_predictions: bool = False
    threads: int = 1

    @property
    def saves(self) -> bool:
        """Whether running trials are saved."""
        return self.save_interval != (None, None)

    def arrays(self, train: Rows, validation: Rows) -> FitArrays:
        """What a fit on these rows takes, read when it is needed where trials stream."""
        return self.data.arrays(train, validation, stream=self.stream)


class TrialRunner:
    """Runs trials, one after the other, of one search.

    Args:
        context: what the trials share.
        worker: number of the worker that this is.
        on_progress: told of every fit as it begins, and of every epoch; it must be quick.
        stopping: asked after every epoch whether to give the trial up.
        ending: asked after every epoch why the trial is to end with what it has reached; empty
            while it is not.
    """

    def __init__(
        self,
        context: RunContext,
        worker: int = 0,
        on_progress: Callable[[TrialProgress], None] | None = None,
        stopping: Callable[[], bool] | None = None,
        ending: Callable[[], str] = nothing_ends,
    ) -> None:
        self.context = context
        self.worker = worker
        self.on_progress = on_progress
        self.stopping = stopping
        self.ending = ending
        self._traced = TracedModels()
        self._spaces = SpaceReader()
        self._hypermodel_class = registry.load(HYPERMODELS, context.hypermodel, "hypermodel.name")

    def run(self, spec: TrialSpec) -> TrialResult:
        """Runs every execution and fold of a trial, unless it is cut short.

        An exception in it fails the trial.

        Raises:
            TrialInterruptedError: if the trial was given up.
            DiskError: if the run's folder cannot be written; that is not the trial's fault.
        """
        started, clock = time.time(), time.perf_counter()
        saved = self._clear(spec)
        fits: list[FitResult] = []
        before: tuple[dict[str, float], ...] = ()
        if saved is not None:
            fits, before, clock = list(saved.fits), saved.rows, clock - saved.seconds
        first, plan, limits = spec.first_execution, self.context.plan, self.context.limits
        cutter = Cutter(spec, plan, limits, self.ending, len(before))
        recorder = EpochRecorder(plan.monitor, limits, clock, cutter, before)
        hp = self._spaces.read(spec.hyperparameters)
        declared = len(hp.space)
        reason = trace = ""
        rejected = False
        try:
            done = len(fits)  # before it was killed
            for execution, fold, arrays in self._trainings(spec):
                recorder.begin(execution, fold)
                if (execution - first) * spec.folds + fold < done:
                    self._write_events(spec, recorder)
                    continue
                fits.append(self._fit(spec, hp, arrays, recorder, fits, saved))
                saved = None
                if cutter.ends_trial():
                    break
        except TrialFailedError as error:
            reason, rejected = str(error), isinstance(error, RejectedError)
        except (TrialInterruptedError, DiskError):
            raise
        except _UnfitCheckpointError:
            remove(self.context.run.running_state(spec.trial_id))
            return self.run(spec)
        except Exception as error:
            if self.stopping is not None and self.stopping():
                # Out of an extension module, a signal's KeyboardInterrupt may come as any other.
                raise TrialInterruptedError from error
            raise_disk_error(error, self.context.run.path)
            memory = isinstance(error, (MemoryError, tf.errors.ResourceExhaustedError))
            reason = (
                out_of_memory(recorder.batch_size, recorder.parameters)
                if memory
                else f"{type(error).__name__}: {_first_line(error)}"
            )
            trace = "".join(traceback.format_exc().splitlines(True)[-TRACEBACK_LINES:])
        if self.context.saves and not first:
            remove(self.context.run.running_state(spec.trial_id))
        return TrialResult(
            status="FAILED" if reason else "COMPLETED",
            fits=tuple(fits),
            reason=reason or cutter.reason,
            traceback=trace,
            history=tuple(recorder.rows),
            parameters=recorder.parameters,
            started=started,
            seconds=time.perf_counter() - clock,
            worker=str(self.worker),
            hyperparameters=hp.get_config() if len(hp.space) > declared else None,
            rejected=rejected,
            attempt=spec.attempt,
            cut=None if reason else cutter.cut,
            trained=len(recorder.rows),
        )

    def _clear(self, spec: TrialSpec) -> Checkpoint | None:
        """Deletes what an attempt left whose process was killed, but for what goes on from there.

        Returns:
            That, or None for a trial that begins.
        """
        run, saved = self.context.run, None
        events = run.events(spec.trial_id, spec.root_id)
        if spec.first_execution:  # what the executions before left stays
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
            saved = read_checkpoint(run, spec, self.context.seed)
        for path in events:  # epochs go into new ones
            remove(path)
        if saved is None and run.trial(spec.trial_id).exists():
            remove(run.trial(spec.trial_id))
        return saved

    def _board(
        self, spec: TrialSpec, recorder: EpochRecorder, *, full: bool
    ) -> callbacks.TensorBoard:
        """Writes the events of a fit, and of those of its epochs that a killed attempt trained."""
        execution, fold = recorder.execution, recorder.fold
        folder = self._board_folder(spec, execution, fold)
        earlier = [
            (int(row["epoch"]) - 1, {name: row[name] for name in row if name not in NOT_LOGGED})
            for row in recorder.rows_of(execution, fold)
        ]
        return callbacks.TensorBoard(folder, event_suffix(spec.trial_id), earlier, full=full)

    def _board_folder(self, spec: TrialSpec, execution: int, fold: int) -> Path:
        folder = self.context.run.tensorboard / spec.root_id
        if spec.executions * spec.folds == 1:
            return folder
        return folder / f"execution{execution}-fold{fold}"

    def _write_events(self, spec: TrialSpec, recorder: EpochRecorder) -> None:
        with closing(self._board(spec, recorder, full=False)) as board:
            board.on_train_begin()

    def _trainings(self, spec: TrialSpec) -> Iterator[tuple[int, int, FitArrays]]:
        """Execution, fold and rows of each fit; folds are preprocessed as they are asked for."""
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
        saved: Checkpoint | None,
    ) -> FitResult:
        context, execution, fold = self.context, recorder.execution, recorder.fold
        seed = trial_seed(context.seed, int(spec.root_id), execution, fold, spec.attempt)
        rows = len(arrays.x)
        # What is said if there is not even memory for the model, which `auto` would look at.
        recorder.batch_size = min(max(hp.values.get("batch_size", 0), 0) or rows, rows)
        hypermodel = self._hypermodel_class(arrays.problem, seed=seed, plan=context.plan)
        model = self._traced.model(hypermodel, hp, seed)
        recorder.parameters = model.count_params()
        recorder.batch_size = min(hypermodel.batch_size(hp, model, rows) or rows, rows)
        check_parameters(recorder.parameters, context.limits)
        controls = callbacks.build_callbacks(hp, context.plan)
        states = {**controls, "divergence": recorder.divergence}
        if recorder.cutter.pruner is not None:
            states["pruner"] = recorder.cutter.pruner
        best = callbacks.BestEpoch(callbacks.Monitor(context.plan.monitor, context.plan.direction))
        reached, stopped, initial_epoch = 0, False, spec.initial_epoch
        if saved is not None:
            try:
                initial_epoch, _ = training_state.put(saved.training, model, states, best)
            except (LookupError, TypeError, ValueError) as error:
                raise _UnfitCheckpointError from error
        elif spec.parent_id is not None and initial_epoch:
            state = context.run.training_state(spec.parent_id, execution)
            reached, stopped = training_state.restore(state, model, states, best)
        if not stopped:  # else the parent stopped early: nothing more to train
            with closing(self._board(spec, recorder, full=context.full_board)) as board:
                records = [callbacks.RecordLearningRate(), callbacks.RecordControls()]
                watchers = [*records, best, board, recorder, *recorder.guards]
                if context.saves and not spec.first_execution:
                    saver = Saver(
                        *(context.run, spec, context.seed, context.save_interval),
                        controls=states,
                        best=best,
                        recorder=recorder,
                        fits=done,
                    )
                    watchers.append(saver)
                if self.on_progress is not None:
                    watchers.append(self._reporter(spec, recorder, initial_epoch))
                if self.stopping is not None:
                    watchers.append(Stopper(self.stopping))
                try:
                    hypermodel.fit(
                        hp,
                        model,
                        arrays.x,
                        arrays.y,
                        validation_data=(arrays.x_validation, arrays.y_validation),
                        epochs=spec.epochs,
                        initial_epoch=initial_epoch,
                        class_weight=context.class_weight,
                        stream=context.stream,
                        verbose=0,
                        controls=controls.values(),
                        callbacks=watchers,
                    )
                except BaseException:
                    self._traced.discard(model)
                    raise
            reached = recorder.epochs
            stopped = bool(model.stop_training) and recorder.cutter.cut is None
        recorder.check()
        if best.value is None:
            raise TrialFailedError(f"{context.plan.monitor} was never finite")
        state = context.run.training_state(spec.trial_id, execution)
        if spec.keep_state:
            training_state.save(state, model, states, best, epochs=reached, stopped=stopped)
        weights = context.run.weights(spec.trial_id, execution, fold)
        save_weights(weights, best.weights)
        logs = {n: value for n, value in best.logs.items() if n not in callbacks.CONTROLS}
        if context.time_predictions:
            logs["prediction_seconds"] = prediction_seconds(model, arrays.x_validation)
        return FitResult(
            *(execution, fold, best.value, best.epoch, reached, logs),
            weights=checksum(weights),
            state=checksum(state) if spec.keep_state else None,
        )

    def _reporter(
        self, spec: TrialSpec, recorder: EpochRecorder, initial_epoch: int
    ) -> "_ProgressReporter":
        begin = TrialProgress(
            worker=self.worker,
            trial_id=spec.trial_id,
            fit=(recorder.execution - spec.first_execution) * spec.folds + recorder.fold + 1,
            fits=spec.planned_fits,
            epoch=initial_epoch,
            epochs=spec.epochs,
            batch_size=recorder.batch_size,
            parameters=recorder.parameters,
        )
        assert self.on_progress is not None
        return _ProgressReporter(begin, recorder, self.context.plan.monitor, self.on_progress)


class _UnfitCheckpointError(Exception):
    """What a killed trial saved is not of such a model, as after a change of the HyperModel."""


def hyperparameters_of(spec: TrialSpec) -> kt.HyperParameters:
    """The trial's hyperparameters as Keras Tuner's own object."""
    return restored(spec.hyperparameters)


class Stopper(keras.callbacks.Callback):
    """Gives the training up at the end of an epoch.

    Args:
        stopping: asked whether to.
    """

    def __init__(self, stopping: Callable[[], bool]) -> None:
        super().__init__()
        self.stopping = stopping

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Raises `TrialInterruptedError` then."""
        if self.stopping():
            raise TrialInterruptedError


class _ProgressReporter(keras.callbacks.Callback):
    """Reports when the fit begins and after every epoch, once that is recorded."""

    def __init__(
        self,
        begin: TrialProgress,
        recorder: EpochRecorder,
        monitor: str,
        report: Callable[[TrialProgress], None],
    ) -> None:
        super().__init__()
        self.begin = begin
        self.recorder = recorder
        self.monitor = monitor
        self.report = report

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.report(self.begin)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        row = self.recorder.rows[-1]
        rate, value = row.get("learning_rate"), row.get(self.monitor)
        self.report(
            replace(self.begin, epoch=epoch + 1, learning_rate=rate, value=value, rows=(row,))
        )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else ""
