"""Worker processes: the same search with any number of them, and whatever happens to them."""

import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from callbacks import TrainingPlan
from hypermodels import HYPERMODELS
from src.config import load_config
from src.data.loading import MappedData, map_data
from src.execution.executor import RunContext, TrialHooks
from src.execution.process import ProcessExecutor
from src.execution.serial import SerialExecutor
from src.messages import TrialProgress
from src.records import TrialResult, TrialSpec
from src.registry import EXECUTORS
from src.search import run
from src.search.listener import SearchListener
from src.search.preparation import prepare
from src.search.workflow import SearchOutcome
from src.store.run_directory import RunDirectory
from tests.conftest import TINY, MakeConfig, report_listeners
from tests.search.test_workflow import VOLATILE, trials_of

ROOT = Path(__file__).parents[2]
PROCESSES = ("run.engine=process", "run.workers=2")
FOUR = ("tuner.max_trials=4", "space.dropout=0.3")


def search(tiny: MakeConfig, *overrides: str) -> SearchOutcome:
    return run(tiny(*overrides), listeners=report_listeners())


def assert_same(outcome: SearchOutcome, expected: SearchOutcome) -> None:
    pd.testing.assert_frame_equal(
        trials_of(outcome).drop(columns=VOLATILE), trials_of(expected).drop(columns=VOLATILE)
    )
    assert outcome.run.history_table.read_text() == expected.run.history_table.read_text()
    assert outcome.run.predictions.read_text() == expected.run.predictions.read_text()


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> SearchOutcome:
    """The search that all others here must equal."""
    folder = f"run.directory={tmp_path_factory.mktemp('serial')}"
    config = load_config("quick", [*TINY, *FOUR, folder, "run.engine=serial"])
    return run(config, listeners=report_listeners())


def test_four_workers_one_of_them_killed_give_the_same_search_without_a_trace(
    tiny: MakeConfig, serial: SearchOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HYPERMODELS, "killed", "tests.execution.deadly:KilledOnce")
    outcome = search(tiny, *FOUR, "hypermodel.name=killed", "run.engine=process", "run.workers=4")
    assert_same(outcome, serial)
    assert list(trials_of(outcome)["trial_id"]) == ["0000", "0001", "0002", "0003"]
    assert set(trials_of(outcome)["worker"]) <= set(range(4))
    killed = (outcome.run.path / "killed").read_text()
    reader = EventAccumulator(str(outcome.run.tensorboard / killed)).Reload()
    for tag in ("loss/train", "accuracy/validation", "learning_rate"):
        assert [event.step for event in reader.Scalars(tag)] == [1, 2, 3]
    assert len(list((outcome.run.tensorboard / killed).glob("*.trial*"))) == 1


def test_a_trial_that_ends_its_worker_twice_has_failed_and_the_rest_completes(
    tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HYPERMODELS, "deadly", "tests.execution.deadly:Deadly")
    config = ("hypermodel.name=deadly", "space.units=[4, 8, 16]", "tuner.max_trials=3")
    pins = (
        *("space.activation=relu", "space.normalization=none", "space.dropout=0.0"),
        *("space.optimizer=adam", "space.learning_rate=0.01", "space.batch_size=32"),
        *("space.schedule=constant", "space.regularizer=none"),
    )
    outcome = search(tiny, *config, "tuner.name=grid", *pins, *PROCESSES)
    trials = trials_of(outcome).set_index("units")
    assert dict(trials["status"]) == {4: "FAILED", 8: "COMPLETED", 16: "FAILED"}
    assert trials.loc[4, "reason"] == "SystemExit: too narrow"
    assert trials.loc[16, "reason"] == "its worker process ended twice, last with exit status 9"
    assert outcome.winner is not None


class Watcher(SearchListener):
    """Keeps what it is told of running trials."""

    def __init__(self) -> None:
        self.told: list[TrialProgress] = []

    def on_progress(self, running: TrialProgress) -> None:
        self.told.append(running)


@pytest.mark.parametrize("engine", ["serial", "process"])
def test_listeners_are_told_how_far_each_trial_is(
    tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.setattr("src.execution.progress.INTERVAL_SECONDS", 0.0)
    watcher = Watcher()
    config = tiny("tuner.max_trials=1", "tuner.executions_per_trial=2", f"run.engine={engine}")
    outcome = run(config, listeners=[watcher])
    begun = [told for told in watcher.told if told.epoch == 0]
    assert [(told.trial_id, told.fit, told.fits, told.epochs) for told in begun] == [
        ("0000", fit, 2, 3) for fit in (1, 2)
    ]
    if engine == "serial":  # the workers' processes keep to five a second
        rows = [row for record in outcome.progress.records for row in record.result.history]
        epochs = [told for told in watcher.told if told.epoch > 0]
        assert [(told.epoch, told.learning_rate, told.value) for told in epochs] == [
            (row["epoch"], row["learning_rate"], row["val_accuracy"]) for row in rows
        ]


class Counting:
    """Keeps trials until `enough` have come, and notes how many came together."""

    slots, look_ahead = 2, 3
    most = enough = 0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.serial = SerialExecutor(*arguments, **named)
        self.waiting: list[tuple[TrialSpec, Future[TrialResult]]] = []

    def submit(self, spec: TrialSpec) -> "Future[TrialResult]":
        self.waiting.append((spec, Future()))
        future = self.waiting[-1][1]
        Counting.most = max(Counting.most, len(self.waiting))
        if len(self.waiting) == self.enough:
            for first, done in reversed(self.waiting):  # the later trials end first
                done.set_result(self.serial.submit(first).result())
            self.waiting.clear()
        return future

    def shutdown(self) -> None:
        pass


@pytest.mark.parametrize(("tuner", "enough"), [("random", 5), ("gp", 2)])
def test_only_tuners_that_do_not_learn_are_asked_in_advance(
    tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch, tuner: str, enough: int
) -> None:
    monkeypatch.setitem(EXECUTORS, "process", f"{__name__}:Counting")
    monkeypatch.setattr(Counting, "enough", enough)
    monkeypatch.setattr(Counting, "most", 0)
    search(tiny, f"tuner.name={tuner}", f"tuner.max_trials={enough}", *PROCESSES)
    assert Counting.most == enough


def executor_of(folder: Path, workers: int) -> tuple[ProcessExecutor, TrialSpec]:
    """An executor on iris, and a trial of one epoch."""
    config = load_config("quick", [*TINY, "space.early_stopping_patience=0"])
    prepared = prepare(config)
    hp = prepared.oracle.create_trial("trial0").hyperparameters
    plan = TrainingPlan(1_000_000, prepared.objective.name, prepared.objective.direction)
    context = RunContext(config, prepared.data, plan, RunDirectory(folder))
    spec = TrialSpec("0000", "0000", None, hp.get_config(), 0, 1)
    return ProcessExecutor(context, workers, TrialHooks()), spec


def test_shutdown_ends_running_trials_at_once(tmp_path: Path) -> None:
    executor, spec = executor_of(tmp_path, workers=2)
    folder = tmp_path / ".rows"
    endless = replace(spec, epochs=1_000_000)
    futures = [
        executor.submit(replace(endless, trial_id=f"000{n}", root_id=f"000{n}")) for n in range(3)
    ]
    wait_for(tmp_path, "**/*.trial*")
    assert folder.is_dir()
    start = time.monotonic()
    executor.shutdown()
    assert time.monotonic() - start < 2.5
    assert all(future.cancelled() for future in futures)
    assert not any(thread.is_alive() for thread in executor._threads)
    assert not folder.exists()


def test_when_the_fork_server_is_killed_another_takes_over(tmp_path: Path) -> None:
    executor, spec = executor_of(tmp_path, workers=1)
    try:
        assert executor.submit(spec).result(timeout=60).status == "COMPLETED"
        server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
        os.kill(server, signal.SIGKILL)
        for _ in range(20):  # the worker may yet be quick enough to answer
            assert executor.submit(spec).result(timeout=60).status == "COMPLETED"
            if forkserver._forkserver._forkserver_pid != server:  # type: ignore[attr-defined]
                break
        else:
            pytest.fail("no other fork server after 20 trials")
    finally:
        executor.shutdown()


def test_workers_map_the_data_instead_of_being_sent_a_copy(tmp_path: Path) -> None:
    prepared = prepare(load_config("quick"))  # digits: half a megabyte
    data = map_data(prepared.data, tmp_path)
    context = RunContext(prepared.config, data, prepared.plan, RunDirectory(tmp_path))
    text = pickle.dumps(context)
    assert prepared.data.x.nbytes > 400_000
    assert len(text) < 100_000
    copy = pickle.loads(text).data
    assert isinstance(copy, MappedData)
    for name in ("x", "y", "train", "validation", "test"):
        mapped, original = getattr(copy, name), getattr(prepared.data, name)
        assert type(mapped).__name__ == "memmap"
        assert not mapped.flags.writeable
        assert mapped.dtype == original.dtype
        assert (mapped == original).all()
    assert copy.class_names == prepared.data.class_names


def session(leader: int) -> dict[int, str]:
    """The living processes of a session, with their command lines."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                command = (folder / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue  # it has just ended
            if int(fields[3]) == leader and fields[0] != "Z":
                found[int(folder.name)] = command
    return found


def seconds_until_empty(leader: int, at_most: float) -> float:
    start = time.monotonic()
    while left := session(leader):
        assert time.monotonic() - start < at_most, left
        time.sleep(0.02)
    return time.monotonic() - start


def begin(folder: Path) -> "subprocess.Popen[str]":
    """An endless search by two workers in a session of its own."""
    settings = (*TINY, f"run.directory={folder}", "run.name=run", "tuner.max_trials=5000")
    command = [sys.executable, "-m", "src.tune", "--config", "quick", "--workers", "2", *settings]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(folder: Path, pattern: str) -> None:
    deadline = time.monotonic() + 300
    while not list(folder.glob(pattern)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")


@needs_proc
def test_nothing_outlives_a_search_that_is_killed(tmp_path: Path) -> None:
    with begin(tmp_path) as process:
        wait_for(tmp_path, "run/trials.csv")
        assert sum("forkserver" in command for command in session(process.pid).values()) >= 3
        assert list(tmp_path.rglob("x.npy"))
        process.kill()
        process.wait()
        seconds_until_empty(process.pid, at_most=30)
        assert not list(tmp_path.rglob("x.npy"))


@needs_proc
def test_nothing_outlives_a_search_that_is_killed_as_it_starts(tmp_path: Path) -> None:
    with begin(tmp_path) as process:
        deadline = time.monotonic() + 60
        while not any("forkserver" in command for command in session(process.pid).values()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        process.wait()
        seconds_until_empty(process.pid, at_most=30)  # one long import cannot be interrupted


@needs_proc
def test_ctrl_c_ends_all_processes_and_keeps_everything(tmp_path: Path) -> None:
    with begin(tmp_path) as process:
        wait_for(tmp_path, "run/trials.csv")
        start = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        output, errors = process.communicate(timeout=60)
        seconds = time.monotonic() - start
        seconds_until_empty(process.pid, at_most=30)
    assert process.returncode == 130, errors
    assert errors == ""
    assert seconds < 4  # two, and some for a busy machine
    assert "stopped by Ctrl-C" in output
    trials = pd.read_csv(tmp_path / "run" / "trials.csv", dtype=str)
    assert len(trials) > 0
    assert set(trials["status"]) == {"COMPLETED"}  # trials that were interrupted have no row
    assert not list(tmp_path.rglob("x.npy"))


SCRIPT = """
import sys
sys.path.insert(0, {root!r})
print("main runs")
from src.search import run
outcome = run("quick", {overrides!r})
print(len(outcome.progress.completed), "completed")
"""


@pytest.mark.slow
def test_a_script_without_a_main_guard_works(tmp_path: Path) -> None:
    overrides = [*TINY, *PROCESSES, f"run.directory={tmp_path / 'logs'}"]
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(root=str(ROOT), overrides=overrides))
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["main runs", "3 completed"]
    assert done.stderr == ""
