"""Tables of real trainings: what was trained, how each went epoch by epoch; small npz files.

They hold no rows of the data. `python -m tests.benchmarks.collect_trainings` makes them, and
`README.md` beside them says from what.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras_tuner as kt
import numpy as np
from numpy.typing import NDArray

from src.store.run_directory import RunDirectory
from tests.benchmarks import state

FOLDER = Path(__file__).parent / "tables"
DIRECTIONS = {"val_accuracy": "max"}


@dataclass(frozen=True)
class Trainings:
    """Trainings of one search space on one data set; all completed.

    Attributes:
        objective: the metric that scores them.
        space: its hyperparameters.
        values: of each training.
        scores: the objective after each epoch, `(trainings, epochs)`.
        losses: the validation loss after each epoch, of the same shape.
        seconds: an epoch's on average, `(trainings,)`; wall time, beside another training.
    """

    objective: str
    space: kt.HyperParameters
    values: list[dict[str, Any]]
    scores: NDArray[np.float32]
    losses: NDArray[np.float32]
    seconds: NDArray[np.float32]

    @property
    def direction(self) -> str:
        """Which way the objective is better."""
        return DIRECTIONS[self.objective]

    @property
    def best(self) -> NDArray[np.float32]:
        """The score of each training, its best epoch's."""
        best: NDArray[np.float32] = (
            self.scores.max(axis=1) if self.direction == "max" else self.scores.min(axis=1)
        )
        return best


def from_run(run: RunDirectory) -> Trainings:
    """Takes the completed trainings out of a run's folder, those that trained to the end."""
    objective = state.objective(run)
    space = kt.HyperParameters.from_config({"space": state.space(run), "values": {}})
    trained = state.trainings(run).values()
    longest = max(len(one.epochs) for one in trained)
    full = [one for one in trained if len(one.epochs) == longest]
    return Trainings(
        objective,
        space,
        [one.values for one in full],
        _floats([one.epochs[objective] for one in full]),
        _floats([one.epochs["val_loss"] for one in full]),
        _floats([one.seconds / longest for one in full]),
    )


def save(trainings: Trainings, path: Path) -> None:
    """Writes a table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    description = {
        "objective": trainings.objective,
        "space": trainings.space.get_config()["space"],
        "values": trainings.values,
    }
    np.savez_compressed(
        path,
        description=np.frombuffer(json.dumps(description).encode(), dtype=np.uint8),
        scores=trainings.scores,
        losses=trainings.losses,
        seconds=trainings.seconds,
    )


def load(name: str) -> Trainings:
    """Reads the table of a data set.

    Args:
        name: `letter` or `phoneme`.
    """
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as arrays:
        description = json.loads(arrays["description"].tobytes())
        space = kt.HyperParameters.from_config({"space": description["space"], "values": {}})
        return Trainings(
            description["objective"],
            space,
            description["values"],
            arrays["scores"],
            arrays["losses"],
            arrays["seconds"],
        )


def _floats(rows: Any) -> NDArray[np.float32]:
    return np.array(rows, dtype=np.float32)
