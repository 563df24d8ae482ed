"""The state of a running trial on the disk, so that one whose process is killed goes on from there.

The file is a training state that also holds what the trial did before: the fits that are done and
the epochs so far. One that is damaged, or that belongs to another trial, counts for nothing: the
trial then starts anew, and comes to the same result.
"""

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import keras

from callbacks import BestEpoch
from src.errors import DiskError
from src.execution.epoch_recorder import EpochRecorder
from src.records import FitResult, TrialSpec
from src.store import training_state
from src.store.run_directory import RunDirectory
from src.store.training_state import SavedTraining


@dataclass(frozen=True)
class Checkpoint:
    """A trial as it stood at the end of an epoch.

    Attributes:
        training: the fit that ran.
        fits: those that were done, in order.
        rows: the epochs of all of them.
        seconds: how long the trial had taken.
    """

    training: SavedTraining
    fits: tuple[FitResult, ...]
    rows: tuple[dict[str, float], ...]
    seconds: float


def read_checkpoint(run: RunDirectory, spec: TrialSpec, seed: int) -> Checkpoint | None:
    """Returns the last saved state of a trial; None without one that can be relied on.

    Args:
        run: the run's folder.
        spec: the trial as it is to run now.
        seed: the user's.
    """
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
    """Saves the state of a trial after every so many epochs or seconds.

    It comes after the callbacks whose state it saves. Where the training ends with the epoch
    nothing is saved: what follows takes no time worth it.

    Args:
        run: the run's folder.
        spec: the trial.
        seed: the user's.
        interval: epochs or else seconds between two saves.
        controls: the fit's callbacks, by name.
        best: the best epoch of the fit.
        recorder: has the epochs of the trial.
        fits: those that are done.
    """

    def __init__(
        self,
        run: RunDirectory,
        spec: TrialSpec,
        seed: int,
        interval: tuple[int | None, float | None],
        *,
        controls: Mapping[str, Any],
        best: BestEpoch,
        recorder: EpochRecorder,
        fits: Sequence[FitResult],
    ) -> None:
        super().__init__()
        self.path = run.running_state(spec.trial_id)
        self.spec = spec
        self.epochs, self.seconds = interval
        self.controls = controls
        self.best = best
        self.recorder = recorder
        self._trial = {"key": _key(spec, seed), "fits": [dataclasses.asdict(fit) for fit in fits]}
        self._saved = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Saves, where it is time.

        Raises:
            DiskError: if the file cannot be written; the one before is as it was.
        """
        if self.model.stop_training or epoch + 1 >= self.spec.epochs or not self._is_time(epoch):
            return
        seconds = time.perf_counter() - self.recorder.started
        training_state.save(
            self.path,
            self.model,
            self.controls,
            self.best,
            epochs=epoch + 1,
            stopped=False,
            trial=self._trial | {"rows": self.recorder.rows, "seconds": seconds},
        )
        self._saved = time.monotonic()

    def _is_time(self, epoch: int) -> bool:
        if self.epochs is not None:
            return (epoch + 1) % self.epochs == 0
        return self.seconds is not None and time.monotonic() - self._saved >= self.seconds


def _key(spec: TrialSpec, seed: int) -> str:
    """Equal for what trains exactly the same, however soon it may be cut short.

    With several workers more trials may have ended than when the trial began, and raise its bars.
    """
    same = dataclasses.replace(spec, structure=None, thresholds=(), epoch_budget=None)
    what = dataclasses.asdict(same)
    return sha256(json.dumps([seed, what], sort_keys=True).encode()).hexdigest()
