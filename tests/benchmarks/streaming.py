"""How much memory a trial takes that streams its rows, beside one that holds them.

    python -m tests.benchmarks.streaming

A trial of two epochs on a file of 300 MB, which `training.batches=memory` holds twice: as read, and
scaled as tensors. The losses of both must be the same. Needs Linux, for /proc.
"""

import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np

from src.startup import start_tensorflow

start_tensorflow()

import keras_tuner as kt  # noqa: E402

from callbacks import TrainingPlan  # noqa: E402
from hypermodels.mlp import MLP  # noqa: E402
from src.config.schema import Config, TrainingSettings  # noqa: E402
from src.data.loading import Data  # noqa: E402
from src.execution.executor import RunContext  # noqa: E402
from src.execution.trial_runner import TrialRunner  # noqa: E402
from src.records import TrialSpec  # noqa: E402
from src.store.run_directory import RunDirectory  # noqa: E402

TRAINING, VALIDATION, FEATURES = 75_000, 2000, 1000
MOST, LEAST = 100, 500  # megabytes that streamed rows may take, and that held rows take at least


def main() -> int:
    """Measures and prints; returns 1 if streamed rows are held, or train to other losses."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trial(folder, 4000, "stream")  # what TensorFlow and Python take for themselves
        streamed, losses = trial(folder, TRAINING + VALIDATION, "stream")
        held, same = trial(folder, TRAINING + VALIDATION, "memory")
    print(f"streamed {streamed:.0f} MB, held {held:.0f} MB, losses {losses} and {same}")
    return int(losses != same or streamed > MOST or held < LEAST)


def trial(folder: Path, rows: int, batches: Any) -> tuple[float, list[float]]:
    """Megabytes that a trial takes at its peak, and the loss of each epoch."""
    config = Config(seed=0, training=TrainingSettings(batches=batches))
    run = RunDirectory(folder / f"{batches}{rows}")
    context = RunContext(config, data(folder, rows), TrainingPlan(2, "val_accuracy", "max"), run)
    hp, split = kt.HyperParameters(), context.data
    MLP(split.arrays(split.train, split.validation, stream=True).problem).declare_network(hp)
    hp.values |= {"units": 16, "layers": 1, "batch_size": 500, "optimizer": "sgd"}
    spec = TrialSpec("0000", "0000", None, hp.get_config(), initial_epoch=0, epochs=2)
    peak = before = private_megabytes()
    ended = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not ended.wait(0.002):
            peak = max(peak, private_megabytes())

    thread = threading.Thread(target=sample)
    thread.start()
    result = TrialRunner(context).run(spec)
    ended.set()
    thread.join()
    if result.status != "COMPLETED":
        raise RuntimeError(result.reason)
    return peak - before, [row["loss"] for row in result.history]


def data(folder: Path, rows: int) -> Data:
    """A sparse file, whose zeros take no time to write."""
    path = folder / f"{rows}.npy"
    x = np.lib.format.open_memmap(path, mode="w+", dtype="float32", shape=(rows, FEATURES))
    x[::3, 0] = 1
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


def private_megabytes() -> float:
    """Memory without mapped pages, which the system takes back when it needs them."""
    status = Path("/proc/self/status").read_text().split()
    return int(status[status.index("RssAnon:") + 1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
