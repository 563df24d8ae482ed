"""Where every file of a run lies. No other module puts a run's paths together."""

import errno
import itertools
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from src.errors import DiskError, UserError, nearest
from src.files import RUN_NAME_RULE, disk_errors, is_run_name

RUNS = "logs"  # the folder of all runs if none is named
OLD_STATE = "search.json"  # of runs that an earlier version of the project made
_STATE_SUFFIX = ".state.npz"
_STATE_FILES = ("config.yaml", "search.sqlite3", OLD_STATE)


def event_suffix(trial_id: str) -> str:
    """Ends the names of a trial's event files: a promotion writes into its root's folder."""
    return f".trial{trial_id}"


def is_training_state(path: Path) -> bool:
    """Whether a file in a trial's folder is a training state; else it holds weights."""
    return path.name.endswith(_STATE_SUFFIX)


class _Below:
    """An attribute: the path of a file or folder below the owner's `path`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, owner: Any, kind: type | None = None) -> Path:
        path: Path = owner.path
        return path / self._name


@dataclass(frozen=True)
class ExportDirectory:
    """A folder with an exported model."""

    path: Path
    model = _Below("model.keras")
    columns = _Below("columns.yaml")  # the columns that the model takes; only of a table
    hyperparameters = _Below("hyperparameters.yaml")
    metrics = _Below("metrics.json")  # on validation and test rows
    predictions = _Below("predictions.csv")  # for validation and test rows; only of a search


@dataclass(frozen=True)
class Retrained:
    """The folder of one call of `src.retrain`: `<run>/retrained/<trial>`, perhaps numbered."""

    path: Path
    summary = _Below("summary.json")  # the test metrics of all models, their mean and deviation

    @property
    def ensemble(self) -> ExportDirectory:
        """The average of all models."""
        return ExportDirectory(self.path / "ensemble")

    def seed(self, number: int) -> ExportDirectory:
        """The model of one seed, from 1."""
        return ExportDirectory(self.path / f"seed{number}")

    @property
    def seeds(self) -> list[ExportDirectory]:
        """The models of all seeds that exist, in order."""
        numbers = sorted(int(path.name[4:]) for path in self.path.glob("seed[1-9]*"))
        return [self.seed(number) for number in numbers]


@dataclass(frozen=True)
class RunDirectory:
    """A run's folder, `<run.directory>/<run>`."""

    path: Path
    config = _Below("config.yaml")  # everything that repeats the run
    database = _Below("search.sqlite3")  # the state of the search
    lock = _Below("search.lock")  # locked while a search writes into the run
    log = _Below("search.log")
    trials_table = _Below("trials.csv")
    fits_table = _Below("fits.csv")  # only if trials have several fits
    history_table = _Below("history.csv")
    trials = _Below("trials")  # weights and training states
    tensorboard = _Below("tensorboard")
    best = _Below("best")  # the exported winner
    rows = _Below(".rows")  # what worker processes map, while a search runs
    export = _Below(".export")  # where the winner's folder is made before it takes its place
    model = _Below("best/model.keras")
    columns = _Below("best/columns.yaml")
    hyperparameters = _Below("best/hyperparameters.yaml")
    metrics = _Below("best/metrics.json")
    predictions = _Below("best/predictions.csv")
    retrained = _Below("retrained")  # models that were trained after the search
    report = _Below("report.html")
    comparison = _Below("comparison.html")  # of several runs, of which this is the first

    @classmethod
    def create(cls, directory: str, name: str, tuner: str) -> "RunDirectory":
        """Makes the folder of a new run; never uses a folder that exists.

        Args:
            directory: the folder of all runs; made if missing.
            name: of the run; `auto` for date, time and `tuner`.
            tuner: the tuner's name.

        Raises:
            UserError: if `name` is taken or not valid, or the folder cannot be made.
            DiskError: if the disk is full or broken.
        """
        automatic = name == "auto"
        stem = f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{tuner}" if automatic else name
        if not is_run_name(stem):
            raise UserError(f"run.name: '{stem}' is not valid; {RUN_NAME_RULE}")
        try:
            Path(directory).mkdir(parents=True, exist_ok=True)
            return cls(_new_folder(Path(directory), stem, numbered=automatic))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise DiskError(f"{error.filename or directory}: {error.strerror}") from error
            raise UserError(
                f"run.directory: '{directory}' cannot hold a run: {error.strerror}: "
                f"{error.filename}"
            ) from error

    @classmethod
    def find(cls, directory: str, run: str | None) -> "RunDirectory":
        """Returns a run that exists.

        Args:
            directory: the folder of all runs.
            run: a run's folder, or its name below `directory`; None for the run whose search was
                active last.

        Raises:
            UserError: if there is no such run.
            DiskError: if the folder of all runs cannot be read.
        """
        below = Path(directory)
        with disk_errors(below):
            runs = [path for path in below.iterdir() if _is_run(path)] if below.is_dir() else []
        if run is None:
            if not runs:
                raise UserError(f"'{directory}' holds no run yet; python -m src.tune makes one")
            return cls(max(runs, key=lambda path: (_last_active(path), path.name)))
        for path in (Path(run), below / run) if is_run_name(run) else (Path(run),):
            if _is_run(path):
                return cls(path)
        names = sorted(path.name for path in runs)
        listed = f" Runs in '{directory}': {', '.join(names[-5:])}" if names else ""
        raise UserError(
            f"'{run}' is not a run's folder, nor the name of one in '{directory}'."
            f"{nearest(run, names)}{listed}"
        )

    @property
    def is_there(self) -> bool:
        """Whether the folder is a run's."""
        return _is_run(self.path)

    @property
    def has_begun(self) -> bool:
        """Whether a search has left more here than its configuration."""
        left = (self.database, self.path / OLD_STATE, self.trials_table, self.trials)
        return any(path.exists() for path in (*left, self.tensorboard, self.best))

    @property
    def name(self) -> str:
        """The run's name: the folder's."""
        return self.path.name

    @property
    def exported(self) -> ExportDirectory:
        """The folder `best`."""
        return ExportDirectory(self.best)

    def trial(self, trial_id: str) -> Path:
        """The folder of one trial's weights and training state."""
        return self.trials / trial_id

    def weights(self, trial_id: str, execution: int, fold: int) -> Path:
        """The weights of the best epoch of one fit; see src/store/training_state.py."""
        return self.trial(trial_id) / f"execution{execution}-fold{fold}.weights.npz"

    def training_state(self, trial_id: str, execution: int) -> Path:
        """What a promotion continues from."""
        return self.trial(trial_id) / f"execution{execution}{_STATE_SUFFIX}"

    def running_state(self, trial_id: str) -> Path:
        """What a killed trial goes on from; there only while the trial runs."""
        return self.trial(trial_id) / f"running{_STATE_SUFFIX}"

    def events(self, trial_id: str, root_id: str) -> list[Path]:
        """The event files that running a trial has written so far."""
        return list((self.tensorboard / root_id).rglob(f"*{event_suffix(trial_id)}"))

    def new_retrained(self, trial_id: str, staged: Path) -> Retrained:
        """Renames `staged`, a folder below `retrained`, to a new folder there.

        Raises:
            DiskError: if it cannot be renamed.
        """
        with disk_errors(self.retrained):
            path = _new_folder(self.retrained, trial_id, numbered=True)
            staged.rename(path)  # over an empty folder
            return Retrained(path)


def _new_folder(directory: Path, stem: str, *, numbered: bool) -> Path:
    """Makes and returns `directory/stem`, or, if `numbered`, the first free of `stem-2`, …"""
    for number in itertools.count(1):
        path = directory / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir()
        except FileExistsError as error:
            if not numbered:
                raise UserError(
                    f"run.name: '{stem}' is taken: {path} exists, and no run is overwritten; "
                    "give another name, or 'auto'"
                ) from error
        else:
            break
    return path


def _is_run(path: Path) -> bool:
    return any((path / name).is_file() for name in _STATE_FILES)


def _last_active(path: Path) -> float:
    files = (path / name for name in _STATE_FILES)
    return max(file.stat().st_mtime for file in files if file.is_file())
