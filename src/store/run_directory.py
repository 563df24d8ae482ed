"""Where every file of a run lies. Nothing else in the project puts a run's paths together."""

import errno
import itertools
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from src.errors import DiskError, UserError, nearest
from src.files import disk_errors

RUNS = "logs"  # the folder of all runs where none is named
_STATE_SUFFIX = ".state.npz"
_STATE_FILES = ("config.yaml", "search.json", "search.previous.json")
RUN_NAME_RULE = (
    "at most 100 of the characters A-Z a-z 0-9 . _ - that begin with a letter or digit and have "
    "no two dots in a row"
)


def event_suffix(trial_id: str) -> str:
    """Ends the names of a trial's event files: a promotion writes into its root's folder."""
    return f".trial{trial_id}"


def is_training_state(path: Path) -> bool:
    """Whether a file in a trial's folder is a training state; else it holds weights."""
    return path.name.endswith(_STATE_SUFFIX)


def is_run_name(name: str) -> bool:
    """Whether a folder of this name is safe everywhere and stays inside the folder of all runs."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) is not None and ".." not in name


@dataclass(frozen=True)
class ExportDirectory:
    """A folder with an exported model, and what is to be known of it.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def model(self) -> Path:
        """The model."""
        return self.path / "model.keras"

    @property
    def columns(self) -> Path:
        """What the columns are that it takes; only of a table."""
        return self.path / "columns.yaml"

    @property
    def hyperparameters(self) -> Path:
        """Those that it was trained with."""
        return self.path / "hyperparameters.yaml"

    @property
    def metrics(self) -> Path:
        """Its validation and test metrics."""
        return self.path / "metrics.json"

    @property
    def predictions(self) -> Path:
        """Its predictions on the validation and test rows; only of a search's winner."""
        return self.path / "predictions.csv"


@dataclass(frozen=True)
class Retrained:
    """What one call of `src.retrain` leaves: a folder for each model.

    Attributes:
        path: the folder, `<run>/retrained/<trial>`, or with a number behind it.
    """

    path: Path

    @property
    def summary(self) -> Path:
        """The test metrics of all models, their mean and standard deviation."""
        return self.path / "summary.json"

    @property
    def ensemble(self) -> ExportDirectory:
        """The average of all models."""
        return ExportDirectory(self.path / "ensemble")

    def seed(self, number: int) -> ExportDirectory:
        """The model of one seed, from 1."""
        return ExportDirectory(self.path / f"seed{number}")

    @property
    def seeds(self) -> list[ExportDirectory]:
        """The models of all seeds that are there, in order."""
        numbers = sorted(int(path.name[4:]) for path in self.path.glob("seed[1-9]*"))
        return [self.seed(number) for number in numbers]


@dataclass(frozen=True)
class RunDirectory:
    """A run's folder.

    Attributes:
        path: the folder, `<run.directory>/<run>`.
    """

    path: Path

    @classmethod
    def create(cls, directory: str, name: str, tuner: str) -> "RunDirectory":
        """Makes the folder of a new run; never uses one that is there already.

        Args:
            directory: the folder of all runs; made if missing.
            name: the run's name; `auto` for date, time and `tuner`.
            tuner: the tuner's name.

        Raises:
            UserError: if `name` is taken or unfit, or the folder cannot be made.
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
        """Returns a run that is there.

        Args:
            directory: the folder of all runs.
            run: a run's folder, or its name below `directory`; None for the latest, the one whose
                search was last active.

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
    def name(self) -> str:
        """The run's name: the folder's."""
        return self.path.name

    @property
    def config(self) -> Path:
        """Everything needed to repeat the run."""
        return self.path / "config.yaml"

    @property
    def snapshot(self) -> Path:
        """The state of the search."""
        return self.path / "search.json"

    @property
    def previous_snapshot(self) -> Path:
        """The state before its last change."""
        return self.path / "search.previous.json"

    @property
    def has_begun(self) -> bool:
        """Whether a search has left more here than its configuration."""
        files = (self.snapshot, self.previous_snapshot, self.trials_table, self.history_table)
        return any(path.exists() for path in (*files, self.trials, self.tensorboard, self.best))

    @property
    def lock(self) -> Path:
        """Locked, and there, while a search writes into the run."""
        return self.path / "search.lock"

    @property
    def trials_table(self) -> Path:
        """One row per trial."""
        return self.path / "trials.csv"

    @property
    def fits_table(self) -> Path:
        """One row per fit, where trials have several."""
        return self.path / "fits.csv"

    @property
    def history_table(self) -> Path:
        """One row per epoch of each fit."""
        return self.path / "history.csv"

    @property
    def trials(self) -> Path:
        """The folder of all trials' weights."""
        return self.path / "trials"

    def trial(self, trial_id: str) -> Path:
        """The folder of one trial's weights and training state."""
        return self.trials / trial_id

    def weights(self, trial_id: str, execution: int, fold: int) -> Path:
        """The weights of the best epoch of one fit, as src/store/weights.py writes them."""
        return self.trial(trial_id) / f"execution{execution}-fold{fold}.weights.npz"

    def events(self, trial_id: str, root_id: str) -> list[Path]:
        """The event files that running a trial has written so far."""
        return list((self.tensorboard / root_id).rglob(f"*{event_suffix(trial_id)}"))

    def training_state(self, trial_id: str, execution: int) -> Path:
        """What a promotion continues from."""
        return self.trial(trial_id) / f"execution{execution}{_STATE_SUFFIX}"

    def running_state(self, trial_id: str) -> Path:
        """What a trial goes on from whose process is killed; there only while it runs."""
        return self.trial(trial_id) / f"running{_STATE_SUFFIX}"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's log folder."""
        return self.path / "tensorboard"

    @property
    def best(self) -> Path:
        """The folder of the winner."""
        return self.path / "best"

    @property
    def exported(self) -> ExportDirectory:
        """The same folder, which has what any exported model has."""
        return ExportDirectory(self.best)

    @property
    def export(self) -> Path:
        """Where the winner's folder is made before it takes its place."""
        return self.path / ".export"

    @property
    def model(self) -> Path:
        """The exported model."""
        return self.exported.model

    @property
    def columns(self) -> Path:
        """What the columns are that the exported model takes; only of a table."""
        return self.exported.columns

    @property
    def hyperparameters(self) -> Path:
        """The winner's hyperparameters."""
        return self.exported.hyperparameters

    @property
    def metrics(self) -> Path:
        """The winner's validation and test metrics."""
        return self.exported.metrics

    @property
    def predictions(self) -> Path:
        """The winner's predictions on the validation and test rows."""
        return self.exported.predictions

    @property
    def retrained(self) -> Path:
        """The folder of all models that were trained after the search."""
        return self.path / "retrained"

    def new_retrained(self, trial_id: str, staged: Path) -> Retrained:
        """Gives what a call of `src.retrain` has made its place, which nothing has had before.

        Args:
            trial_id: the trial.
            staged: a folder below `retrained`, which is renamed.

        Raises:
            DiskError: if it cannot be renamed.
        """
        with disk_errors(self.retrained):
            path = _new_folder(self.retrained, trial_id, numbered=True)
            staged.rename(path)  # over an empty folder
            return Retrained(path)

    @property
    def log(self) -> Path:
        """What the search told, a line an event."""
        return self.path / "search.log"

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.path / "report.html"

    @property
    def comparison(self) -> Path:
        """The report on several runs of which this is the first."""
        return self.path / "comparison.html"


def _new_folder(directory: Path, stem: str, *, numbered: bool) -> Path:
    """Makes and returns `directory/stem`, or, if `numbered`, the first of `stem-2`, … not taken."""
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
