"""What the commands have in common: exit statuses, and commands that they tell the user to run."""

import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from src.errors import DiskError, UserError

DONE, FAILED, USER_ERROR, INTERRUPTED = 0, 1, 2, 130
PACKAGES = frozenset(
    (
        *("keras", "keras_tuner", "numpy", "pandas", "pydantic", "rich", "scipy", "sklearn"),
        *("tensorboard", "tensorflow", "yaml"),
    )
)


def exit_status(command: Callable[[], int], stopped: str) -> int:
    """Runs a command and returns its exit status; what goes wrong is one message to stderr.

    0: done. 1: it failed, as on a full disk. 2: a mistake in the configuration, the data or the
    command line. 130: stopped by Ctrl-C, SIGTERM or SIGHUP.

    Args:
        command: does all of it and returns a status.
        stopped: what to say where a signal ends it.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as after `nohup`
            signal.signal(number, _interrupt)
    try:
        return command()
    except (UserError, DiskError) as error:
        print(f"error: {error}", file=sys.stderr)
        return USER_ERROR if isinstance(error, UserError) else FAILED
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        return INTERRUPTED
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in PACKAGES:
            raise
        print(
            f"error: the package {error.name} is not installed; use `make tune`, or "
            "`pip install -r requirements.txt` in the environment of this Python",
            file=sys.stderr,
        )
        return USER_ERROR


def short_number(value: float | None) -> str:
    """Five digits, and never an exponent for a large number, such as an error in dollars."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.5g}"


def python_command() -> str:
    """How this Python is called from here."""
    local = Path(".venv/bin/python")
    return str(local) if Path(sys.prefix) == local.absolute().parent.parent else "python"


def resume_command(run: Path) -> str:
    """The command that goes on with the search in a run's folder."""
    return f"{python_command()} -m src.tune --resume {shlex.quote(str(run))}"


def go_on_command(run: Path, setting: str, value: float) -> tuple[str, str]:
    """What goes on with a search that a setting has ended: its purpose, and a command.

    Args:
        run: the run's folder.
        setting: such as `limits.minutes`, or `tuner.max_trials`.
        value: its value, which is doubled; a target is given up.
    """
    if setting == "limits.target":
        return "go on with this search, as far as it goes", f"{resume_command(run)} {setting}=null"
    more = int(2 * value) if float(2 * value).is_integer() else 2 * value
    return "go on with this search, twice as long", f"{resume_command(run)} {setting}={more}"


def retrain_command(run: Path, trial_id: str | None = None) -> str:
    """The command that trains a trial of a run anew, by default the best one."""
    trial = "" if trial_id is None else f" --trial {trial_id}"
    return f"{python_command()} -m src.retrain {shlex.quote(str(run))}{trial}"


def predict_command(folder: Path, file: str = "FILE") -> str:
    """The command that predicts with the model in a run's folder, or in one of its own."""
    return f"{python_command()} -m src.predict {shlex.quote(str(folder))} {file}"


def report_command(run: Path) -> str:
    """The command that reports on the run in a folder."""
    return f"{python_command()} -m src.report {shlex.quote(str(run))}"


def _interrupt(signal_number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    raise KeyboardInterrupt
