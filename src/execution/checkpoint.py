"""The state of a running trial on the disk, so that a trial whose process is killed goes on.

The file is a training state that also holds the fits that are done and the epochs so far. A file
that is damaged or belongs to another trial is ignored: the trial starts anew, with the same result.
"""

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import keras

from src.errors import DiskError
from src.execution.epoch_recorder import EpochRecorder
from src.records import FitResult, TrialSpec
from src.store import training_state
from src.store.run_directory import RunDirectory
from src.store.training_state import SavedTraining


@dataclass(frozen=True)
class Checkpoint:
    """A trial as it stood at the end of an epoch."""

    training: SavedTraining  # the fit that ran
    fits: tuple[FitResult, ...]  # the fits that were done, in order
    rows: tuple[dict[str, float], ...]  # the epochs of all fits
    seconds: float  # how long the trial had taken


def read_checkpoint(run: RunDirectory, spec: TrialSpec, seed: int) -> Checkpoint | None:
    """Returns the last saved state of a trial; None without a usable state."""
    path = run.running_state(spec.trial_id)
    if not path.exists():
        return None
    try:
        training = training_state.read(path)
        trial = training.state["trial"]
        if trial["key"] != _key(spec, seed):
            return None
        fits = tuple(FitResult(**fit) for fit in trial["fits"])
        found = Checkpoint(training, fits, tuple(trial["rows"]), float(trial["seconds"]))
        whole = all(run.weights(spec.trial_id, f.execution, f.fold).exists() for f in fits)
    except (DiskError, LookupError, TypeError, ValueError):
        return None
    return found if whole else None


class Saver(keras.callbacks.Callback):
    """Calls `save(model, epochs trained)` after every `interval` epochs but the last."""

    def __init__(
        self, interval: int, epochs: int, save: Callable[[keras.Model, int], None]
    ) -> None:
        super().__init__()
        self.interval, self.epochs, self.save = interval, epochs, save

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Saves if it is time."""
        trained = epoch + 1
        if not self.model.stop_training and trained < self.epochs and trained % self.interval == 0:
            self.save(self.model, trained)


def trial_state(
    spec: TrialSpec, seed: int, fits: Sequence[FitResult], recorder: EpochRecorder
) -> dict[str, Any]:
    """What a training state says of the trial: plain data, for `training_state.save`."""
    return {
        "key": _key(spec, seed),
        "fits": [dataclasses.asdict(fit) for fit in fits],
        "rows": recorder.rows,
        "seconds": time.perf_counter() - recorder.started,
    }


def _key(spec: TrialSpec, seed: int) -> str:
    """Equal for trials that train exactly the same, however early they may be ended.

    When the trial goes on, more trials may have ended and raised its pruning thresholds.
    """
    same = dataclasses.replace(spec, structure=None, thresholds=(), epoch_budget=None)
    what = dataclasses.asdict(same)
    return sha256(json.dumps([seed, what], sort_keys=True).encode()).hexdigest()
