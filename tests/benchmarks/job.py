"""What every contender of the throughput benchmark is given, and what it gives back."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LAYERS = (1, 2)
UNITS = (32, 64, 96, 128)  # of every layer
DROPOUT = (0.0, 0.5)  # scikit-learn has none
LEARNING_RATE = (1e-4, 1e-2)  # on a log scale
BATCH_SIZE = 32


@dataclass(frozen=True)
class Job:
    """One search, the same for every contender.

    Attributes:
        arrays: npz file with `x`, `y`, `x_validation`, `y_validation`, scaled by this project.
        folder: an empty folder for whatever the contender writes.
        trials: number of trials.
        epochs: of every trial; none stops early.
        seed: of the search, and of the split in `arrays`.
    """

    arrays: str
    folder: str
    trials: int
    epochs: int
    seed: int

    def save(self, path: Path) -> None:
        """Writes the job as JSON."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: str) -> "Job":
        """Reads what `save` wrote."""
        return cls(**json.loads(Path(path).read_text()))

    def read_arrays(self) -> dict[str, NDArray[Any]]:
        """Returns float32 `(rows, features)` inputs and int32 `(rows,)` labels, by name."""
        with np.load(self.arrays) as arrays:
            return dict(arrays)


@dataclass(frozen=True)
class Outcome:
    """What a search did.

    Attributes:
        started: when the first trial began, seconds since 1970.
        ended: when the last trial ended.
        trial_epochs: epochs trained, of all trials.
        score: the best validation accuracy.
    """

    started: float
    ended: float
    trial_epochs: int
    score: float

    def to_json(self) -> str:
        """The outcome on one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Outcome":
        """Reads what `to_json` gave."""
        return cls(**json.loads(text))
