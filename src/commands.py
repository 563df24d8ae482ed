"""Commands that messages tell the user to run next."""

import shlex
import sys
from pathlib import Path


def python_command() -> str:
    """How this Python is called from here."""
    local = Path(".venv/bin/python")
    return str(local) if Path(sys.prefix) == local.absolute().parent.parent else "python"


def resume_command(run: Path) -> str:
    """The command that goes on with the search in a run's folder."""
    return f"{python_command()} -m src.tune --resume {shlex.quote(str(run))}"


def report_command(run: Path) -> str:
    """The command that reports on the run in a folder."""
    return f"{python_command()} -m src.report {shlex.quote(str(run))}"
