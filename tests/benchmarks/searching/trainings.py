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
import pandas as pd
from numpy.typing import NDArray

from src.store.run_directory import RunDirectory

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
    state = json.loads(run.snapshot.read_bytes())["state"]
    oracle = state["oracle"]["hyperparameters"]
    space = kt.HyperParameters.from_config({"space": oracle["space"], "values": {}})
    trials = {trial["trial_id"]: trial for trial in state["trials"]}
    objective = state["head"]["identity"]["objective"]["name"]
    history = pd.read_csv(run.history_table, dtype={"trial_id": str})
    table = pd.read_csv(run.trials_table, dtype={"trial_id": str})
    completed = table[table["status"] == "COMPLETED"]
    seconds_of = dict(zip(completed["trial_id"], completed["seconds"], strict=True))
    longest = int(history["epoch"].max())
    values, scores, losses, seconds = [], [], [], []
    for trial_id, epochs in history.groupby("trial_id", sort=True):
        if trial_id not in seconds_of or len(epochs) != longest:
            continue
        values.append(trials[str(trial_id)]["hyperparameters"]["values"])
        scores.append(epochs[objective].to_numpy())
        losses.append(epochs["val_loss"].to_numpy())
        seconds.append(float(seconds_of[str(trial_id)]) / longest)
    return Trainings(objective, space, values, _floats(scores), _floats(losses), _floats(seconds))


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
