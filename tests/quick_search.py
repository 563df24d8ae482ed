"""Whole searches in milliseconds: real loop, store, listeners and files, but nothing is trained.

The fake training writes the files that a real one does, in the same order, from numbers that depend
on the hyperparameters alone, and refuses a parent's training state that is not what it should be.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from src.config import Config
from src.errors import DiskError
from src.evaluation import winner
from src.execution.executor import RunContext, TrialHooks
from src.files import disk_errors, remove, write_atomically
from src.messages import TrialProgress
from src.records import FitResult, StoppedBy, TrialRecord, TrialResult, TrialSpec
from src.registry import EXECUTORS, TUNERS, load
from src.reporting.hparams import HParamsListener
from src.reporting.tables import TablesListener
from src.search import preparation, workflow
from src.search.identity import check_identity
from src.search.listener import SearchListener
from src.search.preparation import PreparedSearch
from src.search.progress import SearchProgress
from src.search.workflow import SearchOutcome
from src.seeds import oracle_seed
from src.signals import TrialInterruptedError
from src.store.run_directory import RunDirectory, event_suffix
from src.store.saved_search import SavedSearch, read_search
from src.text import short_number
from tests.conftest import TINY

SPACE = ("space.units={min: 4, max: 4000}", "run.engine=serial", "run.keep_top=2")
VOLATILE = ("seconds", "started", "ended", "worker")
MEMORY = Path("/dev/shm")
FAILING = "0001"  # this trial always fails
FAILING_AGAIN = ""  # and this trial when it is re-evaluated

ran: list[str] = []  # every trial that was trained, and `<trial>/<execution>` of re-evaluations
_prepared: dict[str, PreparedSearch] = {}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes searches quick."""
    make_quick(monkeypatch)


def make_quick(patch: pytest.MonkeyPatch) -> None:
    """Makes searches quick; `run.engine=process` runs `run.workers` trials in threads."""
    for name in EXECUTORS:
        patch.setitem(EXECUTORS, name, f"{__name__}:FakeExecutor")
    patch.setattr(workflow, "prepare", _prepare)
    patch.setattr(workflow, "start_fork_server", lambda: None)
    patch.setattr(workflow, "export_winner", _export)
    ran.clear()


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder in memory: every write is synced, which takes its time on a disk."""
    base = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=base, prefix="search-") as name:
        yield Path(name)


def settings(folder: Path, *overrides: str) -> list[str]:
    return [*TINY, *SPACE, f"run.directory={folder}", "run.name=run", *overrides]


def search(folder: Path, *overrides: str, listeners: Sequence[Any] = ()) -> SearchOutcome:
    """A new search in `folder/run`."""
    listeners = [TablesListener(), HParamsListener(), *listeners]
    return workflow.run("quick", settings(folder, *overrides), listeners)


def resume(folder: Path, *overrides: str, listeners: Sequence[Any] = ()) -> SearchOutcome:
    """Goes on with that search."""
    listeners = [TablesListener(), HParamsListener(), *listeners]
    return workflow.run(None, overrides, listeners, resume=str(folder / "run"))


def at_once(workers: int) -> tuple[str, str]:
    """Overrides for so many trials at once; of those that begin together, the first ends last."""
    return "run.engine=process", f"run.workers={workers}"


class StopAfter(SearchListener):
    """Breaks the search off when so many trials have ended."""

    def __init__(self, trials: int) -> None:
        self.trials = trials

    def on_trial_end(self, record: TrialRecord, progress: SearchProgress) -> None:
        if len(progress.records) >= self.trials:
            raise KeyboardInterrupt


def saved(folder: Path) -> SavedSearch:
    """The stored state of the search."""
    return read_search(RunDirectory(folder / "run"))


def ended(folder: Path) -> set[str]:
    """The trials that have ended according to the stored state; none without one."""
    if not (folder / "run" / "search.sqlite3").exists():
        return set()
    return {record.spec.trial_id for record in saved(folder).records}


def result(folder: Path) -> dict[str, Any]:
    """Everything that a search leaves and that two identical searches must have in common."""
    run = RunDirectory(folder / "run")
    rows = [line.split(",") for line in run.trials_table.read_text().splitlines()]
    kept = [index for index, name in enumerate(rows[0]) if name not in VOLATILE]
    state = read_search(run)
    return {
        "trials": [[row[index] for index in kept] for row in rows],
        "history": run.history_table.read_text(),
        "fits": run.fits_table.read_text() if run.fits_table.exists() else "",
        "records": sorted(map(repr, map(_steady, state.records))),
        "told": state.told,
        "end": (state.end, state.exported),
        "oracle": repr({**state.oracle, "tried_so_far": [], "end_order": []}),
        "files": {
            str(path.relative_to(run.path)): path.read_bytes()
            for place in (run.best, run.trials)
            for path in sorted(place.rglob("*"))
            if path.is_file()
        },
        "others": sorted(path.name for path in run.path.iterdir()),
        "events": sorted(f"{p.parent.name}{p.suffix}" for p in run.tensorboard.rglob("*.trial*")),
    }


def _steady(record: TrialRecord) -> TrialRecord:
    spec = replace(record.spec, hyperparameters=record.spec.values, epoch_budget=None)
    steady = replace(record.result, started=0.0, seconds=0.0, worker="")
    again = record.reevaluation and replace(record.reevaluation, seconds=0.0)
    return TrialRecord(spec, steady, again)


def _prepare(config: Config, saved: SavedSearch | None = None) -> PreparedSearch:
    """Like `prepare`, but a model is rehearsed once for all searches of the same rows and space."""
    if config.tuner.warm_start or config.tuner.points_to_evaluate:
        return preparation.prepare(config, saved)
    key = repr([config.data, config.space, config.objective, config.seed])
    prepared = _prepared.get(key) or preparation.prepare(config)
    _prepared[key] = prepared
    if saved is not None:
        check_identity(saved, prepared.identity)
    oracle = load(TUNERS, config.tuner.name, "tuner.name").from_config(
        config,
        objective=prepared.oracle.objective,
        hyperparameters=prepared.space.copy(),
        seed=oracle_seed(config.seed),
    )
    return replace(prepared, config=config, oracle=oracle)


class FakeExecutor:
    """Runs trials in threads, or before `submit` returns where there is one worker."""

    def __init__(self, context: RunContext, workers: int, hooks: TrialHooks) -> None:
        self.context, self.hooks = context, hooks
        self.slots, self.look_ahead = workers, 0 if workers == 1 else 2 * workers
        self.threads = ThreadPoolExecutor(workers) if workers > 1 else None

    def submit(self, spec: TrialSpec) -> "Future[TrialResult]":
        if self.threads is not None:
            return self.threads.submit(self._run, spec)
        future: Future[TrialResult] = Future()
        future.set_result(self._run(spec))
        return future

    def shutdown(self) -> None:
        if self.threads is not None:
            self.threads.shutdown()

    def _run(self, spec: TrialSpec) -> TrialResult:
        if self.threads is not None and int(spec.trial_id) % self.slots == 0:
            time.sleep(0.02)
        trial = _Trial(self, spec)
        started, reason = time.time(), ""
        status: Literal["COMPLETED", "FAILED"] = "COMPLETED"
        again = bool(spec.first_execution)
        ran.append(f"{spec.trial_id}/{spec.first_execution}" if again else spec.trial_id)
        self.hooks.on_progress(
            TrialProgress(0, spec.trial_id, 1, spec.planned_fits, 0, spec.epochs)
        )
        if spec.trial_id == (FAILING_AGAIN if again else FAILING):
            reason = "ValueError: this one never works"
            status = "FAILED"
        else:
            trial.train()
        return TrialResult(
            status=status,
            fits=tuple(trial.fits),
            reason=reason or trial.reason,
            traceback="",
            history=tuple(trial.rows),
            parameters=10,
            started=started,
            seconds=time.time() - started,
            worker="0",
            stopped_by=trial.stopped_by,
            trained=len(trial.rows),
        )


class _Trial:
    """One trial of the fake executor."""

    def __init__(self, executor: FakeExecutor, spec: TrialSpec) -> None:
        self.context, self.hooks, self.spec = executor.context, executor.hooks, spec
        self.run = self.context.run
        self.fits: list[FitResult] = []
        self.rows: list[dict[str, float]] = []
        self.reason = ""
        self.stopped_by: StoppedBy | None = None
        self._clear()

    def train(self) -> None:
        for execution in range(self.spec.first_execution, self.spec.executions):
            for fold in range(self.spec.folds):
                if not self.reason:
                    self._fit(execution, fold)
        remove(self._saved)

    @property
    def _saved(self) -> Path:
        return self.run.running_state(self.spec.trial_id)

    def _clear(self) -> None:
        """Deletes what a training left whose process was killed, but for what was saved."""
        spec, run = self.spec, self.run
        for path in run.events(spec.trial_id, spec.root_id):
            if not spec.first_execution or f"again{spec.first_execution}" in path.name:
                remove(path)
        if self.context.saves and self._saved.exists():
            self.rows = json.loads(self._saved.read_text())
        elif not spec.first_execution and run.trial(spec.trial_id).exists():
            remove(run.trial(spec.trial_id))

    def _fit(self, execution: int, fold: int) -> None:
        run, spec, luck = self.run, self.spec, self.spec.values["units"] * 7919 % 1000 / 1000
        if spec.parent_id is not None and spec.initial_epoch:
            path = run.training_state(spec.parent_id, execution)
            with disk_errors(path):
                if path.read_text() != self._state(spec.initial_epoch):
                    raise DiskError(f"{path}: not the state of the parent")
        score, reached = 0.0, spec.initial_epoch
        events = run.tensorboard / spec.root_id
        name = f"again{execution}" if spec.first_execution else f"{execution}-{fold}"
        with disk_errors(events):
            events.mkdir(parents=True, exist_ok=True)
            (events / f"{name}{event_suffix(spec.trial_id)}").write_text("")
        thresholds = spec.thresholds[execution * spec.folds + fold] if spec.thresholds else ()
        for epoch in self._epochs():
            # Other trainings of a trial are the worse the better the first was.
            score = luck + epoch / 1000 if execution == 0 else (1 - luck) / 2 + execution / 100
            row = {"execution": execution, "fold": fold, "epoch": epoch + 1, "batch_size": 32}
            logs = {"loss": 1 - score, "val_loss": 1 - score, "val_accuracy": score}
            if len(self.rows) <= epoch - spec.initial_epoch or spec.planned_fits > 1:
                self.rows.append({**row, "learning_rate": 0.1, **logs})
            reached = epoch + 1
            for bar in thresholds:
                if bar.epoch == reached and score < bar.value:
                    what = f"val_accuracy {short_number(score)} is below {short_number(bar.value)}"
                    place = f"pruned at epoch {reached} of {spec.epochs}"
                    self.reason, self.stopped_by = f"{place}: {what}, {bar.meaning}", "pruner"
            if self.context.saves and spec.planned_fits == 1 and not spec.first_execution:
                write_atomically(self._saved, json.dumps(self.rows))
        if spec.keep_state:
            write_atomically(run.training_state(spec.trial_id, execution), self._state(reached))
        weights = f"weights {self._state(reached)} {execution}"
        write_atomically(run.weights(spec.trial_id, execution, fold), weights)
        metrics = {"accuracy": score, "val_accuracy": score, "loss": 1.0, "val_loss": 1 - score}
        metrics |= {"log_loss": 1.0, "val_log_loss": 1.0}
        self.fits.append(FitResult(execution, fold, score, reached, reached, metrics))

    def _epochs(self) -> Iterator[int]:
        spec = self.spec
        for epoch in range(spec.initial_epoch, spec.epochs):
            yield epoch
            if self.reason:
                return
            if self.hooks.stopping():
                raise TrialInterruptedError
            reason = self.hooks.ending()
            if spec.epoch_budget is not None and len(self.rows) >= spec.epoch_budget:
                reason = f"all {self.context.config.limits.epochs} epochs are used (limits.epochs)"
            if reason and epoch + 1 < spec.epochs:
                self.reason = f"ended at epoch {epoch + 1} of {spec.epochs}: {reason}"
                self.stopped_by = "limit"
                return

    def _state(self, epochs: int) -> str:
        return json.dumps([self.spec.values, epochs])


def _export(context: RunContext, record: TrialRecord, _: Any) -> winner.Winner:
    run, scores = context.run, {"validation": {"accuracy": 0.5}, "test": {"accuracy": 0.5}}
    best = max(record.ranking_fits, key=lambda fit: fit.score)
    weights = run.weights(record.spec.trial_id, best.execution, 0)
    staged = RunDirectory(run.export)
    with disk_errors(run.best):
        remove(staged.path)
        staged.best.mkdir(parents=True)
        write_atomically(staged.model, f"model of {weights.read_text()}")
        facts: dict[str, Any] = {
            "test_interval": {},
            "baselines": [],
            "refit_epochs": None,
        }
        write_atomically(staged.metrics, json.dumps(scores | facts))
        write_atomically(staged.predictions, "split,row\n")
        write_atomically(staged.hyperparameters, json.dumps(record.spec.values))
        remove(run.best)
        staged.best.rename(run.best)
        remove(staged.path)
    return winner.Winner(record, scores["validation"], scores["test"], None)  # type: ignore[arg-type]
