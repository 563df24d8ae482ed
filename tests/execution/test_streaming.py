"""`training.batches=stream`: the same search as with the rows in memory, without holding them."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest

from src.search import run
from src.search.workflow import SearchOutcome
from tests.conftest import MakeConfig, report_listeners
from tests.execution.test_trial_runner import rows, run_rungs

VOLATILE = ["seconds", "started", "ended", "worker"]
PINS = ["space.normalization=none", "space.optimizer=adam", "space.dropout=0.2"]
STREAM = "training.batches=stream"

MEASURE = """
    import sys
    import threading
    from pathlib import Path

    import numpy as np

    from src.startup import start_tensorflow

    start_tensorflow()

    import keras_tuner as kt
    from callbacks import TrainingPlan
    from hypermodels.mlp import MLP
    from src.data.loading import Data
    from src.store.run_directory import RunDirectory
    from src.records import TrialSpec
    from src.execution.context import RunContext
    from src.execution.trial_runner import TrialRunner

    TRAINING, VALIDATION, FEATURES = 75_000, 2000, 1000
    folder = Path(sys.argv[1])


    def data(rows):
        path = folder / f"{rows}.npy"
        x = np.lib.format.open_memmap(path, mode="w+", dtype="float32", shape=(rows, FEATURES))
        x[::3, 0] = 1  # the file is sparse: its zeros take no time to write
        train = np.arange(rows - VALIDATION)
        return Data(
            name="wide",
            task="binary",
            task_inferred=False,
            class_names=("no", "yes"),
            feature_names=tuple(map(str, range(FEATURES))),
            x=np.load(path, mmap_mode="r"),
            y=(np.arange(rows) % 3 == 0).astype("int32"),
            train=train,
            validation=np.arange(len(train), rows),
            test=np.empty(0, int),
            scaling="standard",
            image_maximum=None,
            seed=0,
        )


    def private_megabytes():
        # mapped pages do not count: the system takes them back when it needs them
        status = Path("/proc/self/status").read_text().split()
        return int(status[status.index("RssAnon:") + 1]) / 1024


    def trial(stream, rows):
        hp = kt.HyperParameters()
        MLP(None).declare_network(hp)
        hp.values |= {"units": 16, "layers": 1, "batch_size": 500, "optimizer": "sgd"}
        plan = TrainingPlan(2, "val_accuracy", "max")
        directory = RunDirectory(folder / f"{stream}{rows}")
        runner = TrialRunner(RunContext(0, "mlp", data(rows), plan, directory, stream=stream))
        spec = TrialSpec("0000", "0000", None, hp.get_config(), initial_epoch=0, epochs=2)
        peak = before = private_megabytes()
        ended = threading.Event()

        def sample():
            nonlocal peak
            while not ended.wait(0.002):
                peak = max(peak, private_megabytes())

        thread = threading.Thread(target=sample)
        thread.start()
        result = runner.run(spec)
        ended.set()
        thread.join()
        assert result.status == "COMPLETED", result.reason
        return peak - before, [row["loss"] for row in result.history]


    trial(True, 4000)  # what TensorFlow and Python take for themselves
    streamed, losses = trial(True, TRAINING + VALIDATION)
    memory, same = trial(False, TRAINING + VALIDATION)
    assert losses == same and len(losses) == 2, (losses, same)
    print(streamed, memory)
"""


def tables(outcome: SearchOutcome) -> tuple[pd.DataFrame, pd.DataFrame]:
    kinds = {"trial_id": str, "parent": str}
    trials = pd.read_csv(outcome.run.trials_table, dtype=kinds).drop(columns=VOLATILE)
    return trials, pd.read_csv(outcome.run.history_table, dtype=kinds)


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        ["space.optimizer=[adam, nesterov, rmsprop]", "space.batch_size=[7, 32, full]"],
        ["tuner.executions_per_trial=2", "data.source=diabetes", "tuner.max_trials=2"],
        ["tuner.folds=2", "tuner.max_trials=2", "objective.name=val_auc", *PINS],
        [
            *("tuner.name=hyperband", "training.epochs=3", "tuner.max_trials=auto", *PINS),
            *("objective.name=val_f1", "data.class_weight=balanced"),
        ],
        [
            *("run.workers=2", "run.engine=process", "data.class_weight=balanced"),
            "objective.name=val_pr_auc",
        ],
    ],
    ids=["trials", "executions", "folds", "promotions", "processes"],
)
def test_a_whole_search_is_the_same(tiny: MakeConfig, overrides: list[str]) -> None:
    memory, streamed = (
        run(tiny(*overrides, *more), listeners=report_listeners()) for more in ([], [STREAM])
    )
    for expected, found in zip(tables(memory), tables(streamed), strict=True):
        assert len(expected) >= 2
        pd.testing.assert_frame_equal(found, expected, rtol=1e-5)
    assert memory.winner is not None
    assert streamed.winner is not None
    assert streamed.winner.test == pytest.approx(memory.winner.test)
    assert streamed.winner.validation == pytest.approx(memory.winner.validation)


def test_a_promotion_continues_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    pins = ("space.early_stopping_patience=0", "space.optimizer=adam", "space.dropout=0.3")
    schedule = ("space.schedule=cosine",)
    at_once = run_rungs(tmp_path / "at_once", [9], *pins, *schedule)
    in_rungs = run_rungs(tmp_path / "in_rungs", [1, 3, 9], *pins, *schedule, stream=True)
    assert [row["loss"] for row in rows(in_rungs)] == [row["loss"] for row in rows(at_once)]
    assert in_rungs[-1].fits[0].score == at_once[0].fits[0].score


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_streamed_rows_are_not_held(tmp_path: Path) -> None:
    """A trial on a file of 300 MB, which memory holds twice: as read, and scaled as tensors."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEASURE), str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    streamed, memory = map(float, done.stdout.split())
    assert memory > 500
    assert streamed < 100
