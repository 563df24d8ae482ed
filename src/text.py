"""Values, keys, numbers and commands as messages show them."""

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_LONGEST = 80  # characters of a value or a key
_DEEPEST = 5  # levels of nesting


def shown(value: Any) -> str:
    """Returns `value` about as YAML writes it on one line, texts in quotes, shortened if long."""
    return shortened(_flow(value, 0))


def dotted(path: Sequence[str]) -> str:
    """Returns the path of a key with dots, on one line, shortened if long."""
    text = ".".join(path)
    return shortened(text if text.isprintable() else repr(text))


def short_number(value: float | None) -> str:
    """Five digits, and never an exponent for a large number, such as an error in dollars."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.5g}"


def python_command() -> str:
    """How this Python is called from here."""
    local = Path(".venv/bin/python")
    return str(local) if Path(sys.prefix) == local.absolute().parent.parent else "python"


def command(name: str, folder: Path) -> str:
    """The command `src.<name>` for a run, or for a folder with a model."""
    return f"{python_command()} -m src.{name} {shlex.quote(str(folder))}"


def resume_command(run: Path) -> str:
    """The command that goes on with the search in a run's folder."""
    return command("tune --resume", run)


def go_on_command(run: Path, setting: str, value: float) -> tuple[str, str]:
    """Purpose and command of what goes on with a search that a setting has ended.

    The setting, such as `limits.minutes`, gets twice its value; a target is given up.
    """
    if setting == "limits.target":
        return "go on with this search, as far as it goes", f"{resume_command(run)} {setting}=null"
    doubled = f"{setting}={2 * value:.15g}"
    return "go on with this search, twice as long", f"{resume_command(run)} {doubled}"


def shortened(text: str, longest: int = _LONGEST) -> str:
    """Returns the text with `…` in place of what is too much."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _flow(value: Any, depth: int) -> str:
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, dict):
        inner = (f"{key}: {_flow(item, depth + 1)}" for key, item in value.items())
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(item, depth + 1) for item in value) + "]"
    return json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
