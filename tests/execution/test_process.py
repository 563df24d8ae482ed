"""Worker processes: the same search with any number of them, and whatever happens to them."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import keras
import pandas as pd
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from callbacks import TrainingPlan
from callbacks.registry import CALLBACKS
from hypermodels import HYPERMODELS
from src.config import load_config
from src.data.mapped import MappedData, map_data
from src.execution import process as process_executor
from src.execution.early_end import nothing_ends
from src.execution.process import ProcessExecutor
from src.execution.serial import SerialExecutor
from src.execution.trial_runner import RunContext
from src.records import TrialResult, TrialSpec
from src.registry import EXECUTORS
from src.reporting import report_listeners
from src.search import run
from src.search.listener import SearchListener
from src.messages import TrialProgress
from src.search.preparation import prepare
from src.search.workflow import SearchOutcome
from src.store.run_directory import RunDirectory
from src.tuners.rungs import hyperband_rungs
from tests.conftest import TINY, MakeConfig
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


@pytest.mark.parametrize("workers", [*(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2)), 4])
def test_any_number_of_workers_gives_the_same_random_search(
    tiny: MakeConfig, serial: SearchOutcome, workers: int
) -> None:
    outcome = search(tiny, *FOUR, "run.engine=process", f"run.workers={workers}")
    assert_same(outcome, serial)
    assert list(trials_of(outcome)["trial_id"]) == ["0000", "0001", "0002", "0003"]
    assert set(trials_of(outcome)["worker"]) <= set(range(workers))


class Threads(keras.callbacks.Callback):
    """Puts the number of threads of an operation into the logs."""

    @classmethod
    def declare(cls, hp: Any) -> None:
        """There is nothing to tune."""

    @classmethod
    def from_hyperparameters(cls, hp: Any, plan: TrainingPlan) -> "Threads":
        return cls()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs["threads"] = float(tf.config.threading.get_intra_op_parallelism_threads())


@pytest.mark.parametrize("threads", [1, 3])
def test_workers_have_the_threads_of_the_settings(
    tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setitem(CALLBACKS, "threads", f"{__name__}:Threads")
    settings = () if threads == 1 else (f"run.threads={threads}",)
    outcome = search(tiny, "tuner.max_trials=2", *PROCESSES, *settings)
    rows = [row for record in outcome.progress.records for row in record.result.history]
    assert {row["threads"] for row in rows} == {threads}


def test_the_command_has_them_too() -> None:
    code = (
        "from src.config import load_config; from src.search.preparation import prepare\n"
        "prepare(load_config('quick', ['run.threads=3']))\n"
        "import tensorflow as tf; print(tf.config.threading.get_intra_op_parallelism_threads())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.decode().split() == ["3"]


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_grid_search(tiny: MakeConfig) -> None:
    grid = (*FOUR, "tuner.name=grid")
    serial = search(tiny, *grid)
    for workers in (2, 4):
        assert_same(search(tiny, *grid, f"run.workers={workers}"), serial)


def test_hyperband_completes_every_bracket_side_by_side(tiny: MakeConfig) -> None:
    config = ("tuner.name=hyperband", "tuner.max_trials=auto", "training.epochs=4")
    # So many that a new bracket begins while the one before has promotions to come.
    outcome = search(tiny, *config, "run.workers=4")
    trials = trials_of(outcome)
    assert outcome.end.reason == "every bracket is complete"
    assert set(trials["status"]) == {"COMPLETED"}
    counts = trials.groupby(["bracket", "rung"]).size().to_dict()
    expected: dict[tuple[int, int], int] = {}
    for rung in hyperband_rungs(4, 3):
        number = sum(key[0] == rung.bracket for key in expected)
        expected[rung.bracket, number] = rung.trials
    assert counts == expected
    by_id = trials.set_index("trial_id")
    for _, row in trials[trials["parent"].notna()].iterrows():
        assert row["bracket"] == by_id.loc[row["parent"], "bracket"]
        assert row["rung"] == by_id.loc[row["parent"], "rung"] + 1


def test_a_killed_worker_costs_an_attempt_and_leaves_no_trace(
    tiny: MakeConfig, serial: SearchOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HYPERMODELS, "killed", "tests.execution.deadly:KilledOnce")
    outcome = search(tiny, *FOUR, "hypermodel.name=killed", *PROCESSES)
    assert_same(outcome, serial)
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
    outcome = search(tiny, *config, "tuner.name=grid", *GRID_OF_UNITS, *PROCESSES)
    trials = trials_of(outcome).set_index("units")
    assert dict(trials["status"]) == {4: "FAILED", 8: "COMPLETED", 16: "FAILED"}
    assert trials.loc[4, "reason"] == "SystemExit: too narrow"
    assert trials.loc[16, "reason"] == "its worker process ended twice, last with exit status 9"
    assert outcome.winner is not None


GRID_OF_UNITS = (
    *("space.activation=relu", "space.normalization=none", "space.dropout=0.0"),
    *("space.optimizer=adam", "space.learning_rate=0.01", "space.batch_size=32"),
    *("space.schedule=constant", "space.regularizer=none"),
)


@pytest.mark.parametrize(
    ("exit_code", "reason"),
    [
        (
            -9,
            "its worker process was killed twice, last by SIGKILL, perhaps out of memory, "
            "with batch size 1,024 and 2,345,678 parameters",
        ),
        (-11, "its worker process was killed twice, last by SIGSEGV"),
        (3, "its worker process ended twice, last with exit status 3"),
    ],
)
def test_the_reason_names_signal_or_exit_status(exit_code: int, reason: str) -> None:
    last = TrialProgress(0, "0000", 1, 1, 0, 50, batch_size=1024, parameters=2_345_678)
    assert process_executor._reason(exit_code, last) == reason


def test_workers_are_replaced_and_nobody_notices(
    tiny: MakeConfig, serial: SearchOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_executor, "TRIALS_PER_WORKER", 2)
    outcome = search(tiny, *FOUR, "run.engine=process")
    assert_same(outcome, serial)
    files = outcome.run.tensorboard.rglob("*.trial*")
    processes = {path.name.split(".")[-3] for path in files}  # …<process>.<number>.trial<id>
    assert len(processes) == 2


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
    config = tiny("tuner.max_trials=2", "tuner.executions_per_trial=2", f"run.engine={engine}")
    outcome = run(config, listeners=[watcher])
    begun = [told for told in watcher.told if told.epoch == 0]
    assert [(told.trial_id, told.fit, told.fits, told.epochs) for told in begun] == [
        (f"000{trial}", fit, 2, 3) for trial in range(2) for fit in (1, 2)
    ]
    assert {told.worker for told in watcher.told} == {0}
    if engine == "serial":  # the workers' processes keep to five a second
        rows = [row for record in outcome.progress.records for row in record.result.history]
        epochs = [told for told in watcher.told if told.epoch > 0]
        assert [(told.epoch, told.learning_rate, told.value) for told in epochs] == [
            (row["epoch"], row["learning_rate"], row["val_accuracy"]) for row in rows
        ]


def test_a_running_trial_ends_with_what_it_has_reached_when_the_search_asks(
    tmp_path: Path,
) -> None:
    reason: list[str] = []
    executor, spec = executor_of(tmp_path, workers=1, ending=lambda: "".join(reason))
    try:
        endless = executor.submit(replace(spec, trial_id="0007", epochs=10**6))
        wait_until(lambda: executor._workers[0].last is not None)
        reason.append("30 minutes are over (limits.minutes)")
        result = endless.result(timeout=60)
        reason.clear()
        after = executor.submit(replace(spec, trial_id="0008", epochs=2)).result(timeout=60)
    finally:
        executor.shutdown()
    assert (result.status, result.stopped_by) == ("COMPLETED", "ended")
    assert result.trained == result.epochs == result.fits[0].epochs == len(result.history)
    place = f"at epoch {result.epochs} of 1000000"
    assert result.reason == f"ended {place}: 30 minutes are over (limits.minutes)"
    assert result.score == max(row["val_accuracy"] for row in result.history)
    assert (after.cut, after.epochs) == (None, 2)  # the request was not for this one


def test_a_worker_prefers_trials_whose_graph_it_has_traced(tmp_path: Path) -> None:
    executor, spec = executor_of(tmp_path, workers=2)
    try:
        wait_until(lambda: len(executor._idle) == 2)
        first = executor.submit(trial_of(spec, "first", "a")).result(timeout=60).worker
        second = {"0": "1", "1": "0"}[first]
        workers = {"a": first, "b": second}
        # Both are free whenever trials are submitted; the first b finds the first worker busy.
        for number, structures in enumerate(["ab", "ba", "ab", "ba"]):
            wait_until(lambda: len(executor._idle) == 2)
            futures = [executor.submit(trial_of(spec, f"{s}{number}", s)) for s in structures]
            found = [future.result(timeout=60).worker for future in futures]
            assert found == [workers[structure] for structure in structures]
        # A worker with nothing else to do helps the one that has the graph.
        wait_until(lambda: len(executor._idle) == 2)
        more = [executor.submit(trial_of(spec, f"more{n}", "b")) for n in range(12)]
        assert {future.result(timeout=60).worker for future in more} == {"0", "1"}
        assert all("b" in worker.traced for worker in executor._workers)
    finally:
        executor.shutdown()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def trial_of(spec: TrialSpec, trial_id: str, structure: str) -> TrialSpec:
    """A short trial that is said to have this structure."""
    return replace(spec, trial_id=trial_id, epochs=1, structure=structure)


class Counting:
    """Notes how many trials it has been given that have not ended."""

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
            for first, done in self.waiting:
                done.set_result(self.serial.submit(first).result())
            self.waiting.clear()
        return future

    def shutdown(self) -> None:
        pass


@pytest.mark.parametrize(
    ("tuner", "enough"),
    [
        ("random", 5),
        pytest.param("grid", 5, marks=pytest.mark.slow),
        ("bayesian", 2),
    ],
)
def test_only_tuners_that_do_not_learn_are_asked_in_advance(
    tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch, tuner: str, enough: int
) -> None:
    monkeypatch.setitem(EXECUTORS, "process", f"{__name__}:Counting")
    monkeypatch.setattr(Counting, "enough", enough)
    monkeypatch.setattr(Counting, "most", 0)
    search(tiny, f"tuner.name={tuner}", f"tuner.max_trials={2 * enough}", *PROCESSES)
    assert Counting.most == enough


class LastFirst:
    """Of two trials, ends the later one first; the other's folder must outlive that."""

    slots, look_ahead = 2, 0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.serial = SerialExecutor(*arguments, **named)
        self.run = arguments[0].run
        self.waiting: tuple[TrialSpec, Future[TrialResult]] | None = None

    def submit(self, spec: TrialSpec) -> "Future[TrialResult]":
        if self.waiting is None:
            self.waiting = (spec, Future())
            self.run.trial(spec.trial_id).mkdir(parents=True)
            return self.waiting[1]
        first, future = self.waiting
        assert self.run.trial(first.trial_id).is_dir()
        if spec.trial_id == "0003":
            future.set_result(self.serial.submit(first).result())
        return self.serial.submit(spec)

    def shutdown(self) -> None:
        pass


def test_trials_may_end_in_any_order(
    tiny: MakeConfig, serial: SearchOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXECUTORS, "process", f"{__name__}:LastFirst")
    outcome = search(tiny, *FOUR, "run.keep_top=1", *PROCESSES)
    ended = [record.spec.trial_id for record in outcome.progress.records]
    assert ended == ["0001", "0002", "0000", "0003"]
    assert_same(outcome, serial)
    assert len(list(outcome.run.trials.iterdir())) == 1


def executor_of(
    folder: Path,
    workers: int,
    on_progress: Callable[[TrialProgress], None] = lambda _: None,
    ending: Callable[[], str] = nothing_ends,
) -> tuple[ProcessExecutor, TrialSpec]:
    """An executor on iris, and a trial that takes minutes."""
    config = load_config("quick", [*TINY, "space.early_stopping_patience=0"])
    prepared = prepare(config)
    hp = prepared.oracle.create_trial("slot0").hyperparameters
    plan = TrainingPlan(1_000_000, prepared.objective.name, prepared.objective.direction)
    context = RunContext(7, "mlp", prepared.data, plan, RunDirectory(folder))
    spec = TrialSpec("0000", "0000", None, hp.get_config(), 0, 1_000_000)
    return ProcessExecutor(context, workers, on_progress, lambda: False, ending), spec


def test_shutdown_ends_running_trials_at_once_and_may_be_called_again(tmp_path: Path) -> None:
    executor, spec = executor_of(tmp_path, workers=2)
    folder = executor._folder.path
    futures = [
        executor.submit(replace(spec, trial_id=f"000{n}", root_id=f"000{n}")) for n in range(3)
    ]
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("*.trial*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert folder.is_dir()
    start = time.monotonic()
    executor.shutdown()
    assert time.monotonic() - start < 2.5
    assert not wait(futures, timeout=1).not_done
    assert all(future.cancelled() for future in futures)
    assert not any(thread.is_alive() for thread in executor._threads)
    assert not folder.exists()
    executor.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(spec)


@pytest.mark.parametrize("error", [ZeroDivisionError, OSError])
def test_an_error_of_the_supervision_reaches_the_loop(
    tmp_path: Path, error: type[Exception]
) -> None:
    def broken(_: TrialProgress) -> None:
        raise error

    executor, spec = executor_of(tmp_path, workers=1, on_progress=broken)
    try:
        with pytest.raises(error):
            executor.submit(spec).result(timeout=60)
    finally:
        executor.shutdown()


def test_when_the_fork_server_is_killed_another_takes_over(tmp_path: Path) -> None:
    executor, spec = executor_of(tmp_path, workers=1)
    short = replace(spec, epochs=1)
    try:
        assert executor.submit(short).result(timeout=60).status == "COMPLETED"
        server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
        os.kill(server, signal.SIGKILL)
        for _ in range(20):  # the worker may yet be quick enough to answer
            assert executor.submit(short).result(timeout=60).status == "COMPLETED"
            if forkserver._forkserver._forkserver_pid != server:  # type: ignore[attr-defined]
                break
        else:
            pytest.fail("no other fork server after 20 trials")
    finally:
        executor.shutdown()


def test_workers_map_the_data_instead_of_being_sent_a_copy(tmp_path: Path) -> None:
    prepared = prepare(load_config("quick"))  # digits: half a megabyte
    data = map_data(prepared.data, tmp_path)
    context = RunContext(0, "mlp", data, TrainingPlan(1, "val_loss", "min"), RunDirectory(tmp_path))
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


def begin(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """An endless search by two workers in a session of its own."""
    settings = (*TINY, f"run.directory={folder}", "run.name=cut", "tuner.max_trials=5000")
    return subprocess.Popen(
        [*(sys.executable, "-m", "src.tune", "--config", "quick"), *settings, *arguments],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 300
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")


@needs_proc
def test_nothing_outlives_a_search_that_is_killed(tmp_path: Path) -> None:
    with begin(tmp_path, "--workers", "2") as process:
        wait_for(tmp_path / "stopped_by" / "trials.csv")
        assert sum("forkserver" in command for command in session(process.pid).values()) >= 3
        assert list(tmp_path.rglob("x.npy"))
        process.kill()
        process.wait()
        seconds_until_empty(process.pid, at_most=2)
        assert not list(tmp_path.rglob("x.npy"))


@needs_proc
def test_nothing_outlives_a_search_that_is_killed_as_it_starts(tmp_path: Path) -> None:
    with begin(tmp_path, "--workers", "2") as process:
        deadline = time.monotonic() + 60
        while not any("forkserver" in command for command in session(process.pid).values()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        process.wait()
        seconds_until_empty(process.pid, at_most=4)  # one long import cannot be interrupted


@needs_proc
def test_ctrl_c_ends_all_processes_and_keeps_everything(tmp_path: Path) -> None:
    with begin(tmp_path, "--workers", "2") as process:
        wait_for(tmp_path / "stopped_by" / "trials.csv")
        start = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        output, errors = process.communicate(timeout=60)
        seconds = time.monotonic() - start
        seconds_until_empty(process.pid, at_most=1)
    assert process.returncode == 130, errors
    assert errors == ""
    assert seconds < 4  # two, and some for a busy machine
    assert "stopped by Ctrl-C" in output
    trials = pd.read_csv(tmp_path / "stopped_by" / "trials.csv", dtype=str)
    assert len(trials) > 0
    assert set(trials["status"]) == {"COMPLETED"}  # those that were cut off are not rows
    assert not list(tmp_path.glob("search-data-*"))


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
