"""Whole searches in milliseconds: the real loop, listeners and files, but nothing is trained.

A fake training writes the files that a real one does, in the same order, from numbers that depend
on the hyperparameters alone, and refuses a training state that is not exactly what it should be.
"""

import json
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import callbacks
from src.config import load_config
from src.errors import DiskError, UserError
from src.evaluation import winner
from src.evaluation.metrics import Metrics
from src.execution.serial import SerialExecutor
from src.execution.trial_runner import RunContext, TrialRunner
from src.files import checksum, disk_errors, write_atomically
from src.records import FitResult, TrialRecord, TrialResult, TrialSpec, history_part
from src.registry import EXECUTORS
from src.reporting import report_listeners
from src.search import preparation as preparing
from src.search import resume as resuming
from src.search import workflow
from src.search.preparation import PreparedSearch
from src.search.workflow import SearchOutcome
from src.seeds import oracle_seed
from src.signals import TrialInterruptedError
from src.store.run_directory import RunDirectory, event_suffix
from tests.conftest import TINY

SPACE = ("space.units={min: 4, max: 4000}", "run.engine=serial", "run.keep_top=2")
VOLATILE = ("seconds", "started", "ended", "worker")
FAILING = "0001"  # this trial always fails
FAILING_AGAIN = ""  # and this one when it is to be confirmed

_prepared: dict[str, PreparedSearch] = {}
ran: list[str] = []  # every trial that was trained, and what confirmed one, in order


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes searches quick."""
    monkeypatch.setattr(SerialExecutor, "__init__", _executor)
    monkeypatch.setattr(winner, "_export", _export)
    ran.clear()


def settings(folder: Path, *overrides: str) -> list[str]:
    return [*TINY, *SPACE, f"run.directory={folder}", "run.name=run", *overrides]


def search(folder: Path, *overrides: str, listeners: Sequence[Any] = ()) -> SearchOutcome:
    """A new search in `folder/run`."""
    config = load_config("quick", settings(folder, *overrides))
    return workflow.search(_prepare(config), [*report_listeners(), *listeners])


def resume(folder: Path, *overrides: str, listeners: Sequence[Any] = ()) -> SearchOutcome:
    """Goes on with it, as the command does."""
    resumed = resuming.open_run(str(folder / "run"), None, overrides)
    try:
        prepared = _prepare(resumed.config)
        resuming.check_identity(resumed, prepared.identity)
        assert all(isinstance(notice, str) for notice in resumed.notices)
        return workflow.search(prepared, [*report_listeners(), *listeners], resumed)
    finally:
        resumed.lock.release()


def two_at_once(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """From here on these overrides make two trials run at once, in threads."""
    monkeypatch.setitem(EXECUTORS, "process", "tests.quick_search:TwoAtOnce")
    return "run.engine=process", "run.workers=2"


def result(folder: Path) -> dict[str, Any]:
    """Everything that a search leaves and that two identical ones must have in common."""
    run = RunDirectory(folder / "run")
    rows = [line.split(",") for line in run.trials_table.read_text().splitlines()]
    kept = [index for index, name in enumerate(rows[0]) if name not in VOLATILE]
    files = {
        str(path.relative_to(run.path)): path.read_bytes()
        for place in (run.best, run.trials)
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }
    events = sorted(
        f"{path.parent.name}{path.suffix}" for path in run.tensorboard.rglob("*.trial*")
    )
    return {
        "trials": [[row[index] for index in kept] for row in rows],
        "history": run.history_table.read_text(),
        "files": files,
        "events": events,
    }


def ended(folder: Path) -> set[str]:
    """The trials that the latest snapshot has as ended."""
    path = folder / "run" / "search.json"
    if not path.exists():
        return set()
    return {record["trial_id"] for record in json.loads(path.read_bytes())["state"]["records"]}


def _prepare(config: Any) -> PreparedSearch:
    parts = (config.tuner, config.pruner, config.training, config.objective, config.seed)
    key = repr([parts, config.data])
    if key not in _prepared:
        _prepared[key] = preparing.prepare(config)
    prepared = _prepared[key]
    oracle = type(prepared.oracle).from_config(
        config,
        objective=prepared.objective,
        hyperparameters=prepared.space.copy(),
        seed=oracle_seed(config.seed),
    )
    oracle.initial = prepared.oracle.initial
    oracle.learn(prepared.oracle.knowledge)
    return replace(prepared, config=config, oracle=oracle)


def _executor(
    self: Any, context: Any, _: int, on_progress: Any, stopping: Any, ending: Any
) -> None:
    self._runner = _FakeRunner(context, on_progress=on_progress, stopping=stopping, ending=ending)


class TwoAtOnce:
    """Two trials at once, in threads; of two that begin together, the later one ends first."""

    slots, look_ahead = 2, 4

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.serial = SerialExecutor(*arguments, **named)
        self.threads = ThreadPoolExecutor(2)

    def submit(self, spec: TrialSpec) -> "Future[TrialResult]":
        return self.threads.submit(self._run, spec)

    def _run(self, spec: TrialSpec) -> TrialResult:
        if int(spec.trial_id) % 2 == 0:
            time.sleep(0.05)
        return self.serial.submit(spec).result()

    def shutdown(self) -> None:
        self.threads.shutdown()


class _FakeRunner(TrialRunner):
    def _fit(
        self, spec: TrialSpec, hp: Any, arrays: Any, recorder: Any, done: Any, saved: Any
    ) -> FitResult:
        run = self.context.run
        name = spec.trial_id
        ran.append(history_part(name, recorder.execution) if spec.first_execution else name)
        if spec.trial_id == FAILING:
            raise ValueError("this one never works")
        if spec.first_execution and spec.trial_id == FAILING_AGAIN:
            raise ValueError("not from another seed")
        values = spec.values
        if spec.parent_id is not None and spec.initial_epoch:
            path = run.training_state(spec.parent_id, recorder.execution)
            with disk_errors(path):
                if path.read_text() != _state(values, spec.initial_epoch):
                    raise DiskError(f"{path}: not the state of the parent")
        execution, fold = recorder.execution, recorder.fold
        folder = self._board_folder(spec, execution, fold)
        board = callbacks.TensorBoard(folder, event_suffix(spec.trial_id))
        board.on_train_begin()
        model, cutters = SimpleNamespace(stop_training=False), recorder.cutter.callbacks
        for callback in cutters:
            callback.set_model(model)
            callback.on_train_begin()
        score, reached = 0.0, spec.initial_epoch
        for epoch in range(spec.initial_epoch, spec.epochs):
            luck = values["units"] * 7919 % 1000 / 1000
            # Other trainings of a trial are the worse the better the first was.
            score = luck + epoch / 1000 if execution == 0 else (1 - luck) / 2 + execution / 100
            logs = {"loss": 1 - score, "val_loss": 1 - score, "val_accuracy": score}
            board.on_epoch_end(epoch, logs)
            recorder.on_epoch_end(epoch, logs)
            for callback in cutters:
                callback.on_epoch_end(epoch, logs)
            if self.stopping is not None and self.stopping():
                raise TrialInterruptedError
            reached = epoch + 1
            if model.stop_training:
                break
        board.close()
        state = run.training_state(spec.trial_id, execution)
        if spec.keep_state:
            write_atomically(state, _state(values, reached))
        weights = run.weights(spec.trial_id, execution, fold)
        with disk_errors(weights):
            weights.parent.mkdir(parents=True, exist_ok=True)
            weights.write_text(f"weights {_state(values, reached)} {execution}")
        metrics = {"accuracy": score, "val_accuracy": score, "loss": 1.0, "val_loss": 1 - score}
        metrics |= {"log_loss": 1.0, "val_log_loss": 1.0}
        kept = checksum(state) if spec.keep_state else None
        at = (execution, fold, score, reached, reached)
        return FitResult(*at, metrics, checksum(weights), kept)


def _state(values: dict[str, Any], epochs: int) -> str:
    return json.dumps([values, epochs])


def _export(context: RunContext, record: TrialRecord, run: RunDirectory, _: Any) -> winner.Winner:
    best = max(record.judged_fits, key=lambda fit: fit.score)
    path = context.run.weights(record.spec.trial_id, best.execution, 0)
    if checksum(path) != best.weights:
        raise UserError(f"{path}: the weights cannot be read")
    run.best.mkdir(parents=True)
    run.model.write_text(f"model of {path.read_text()}")
    scores: dict[str, Metrics] = {
        "validation": {"accuracy": record.result.score},
        "test": {"accuracy": 0.5},
    }
    write_atomically(run.metrics, json.dumps(scores))
    write_atomically(run.predictions, "split,row\n")
    write_atomically(run.hyperparameters, json.dumps(record.spec.values))
    return winner.Winner(record, scores["validation"], scores["test"], None)
