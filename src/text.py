"""Numbers and commands as messages show them."""

import shlex
import sys
from pathlib import Path


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
    return _command("tune --resume", run)


def go_on_command(run: Path, setting: str, value: float) -> tuple[str, str]:
    """What goes on with a search that a setting has ended: its purpose, and a command.

    Args:
        run: the run's folder.
        setting: such as `limits.minutes`, or `tuner.max_trials`.
        value: its value, which is doubled; a target is given up.
    """
    if setting == "limits.target":
        return "go on with this search, as far as it goes", f"{resume_command(run)} {setting}=null"
    doubled = f"{setting}={2 * value:.15g}"
    return "go on with this search, twice as long", f"{resume_command(run)} {doubled}"


def retrain_command(run: Path, trial_id: str | None = None) -> str:
    """The command that trains a trial of a run anew, by default the best one."""
    return _command("retrain", run) + ("" if trial_id is None else f" --trial {trial_id}")


def predict_command(folder: Path, file: str = "FILE") -> str:
    """The command that predicts with the model in a run's folder, or in one of its own."""
    return f"{_command('predict', folder)} {file}"


def report_command(run: Path) -> str:
    """The command that reports on the run in a folder."""
    return _command("report", run)


def _command(name: str, folder: Path) -> str:
    return f"{python_command()} -m src.{name} {shlex.quote(str(folder))}"
