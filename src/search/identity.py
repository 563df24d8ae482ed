"""What makes a search the same search: what a resumed run may change, and what it may not."""

import json
import platform
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from typing import Any

from src.config import Config
from src.config.dump import flat
from src.errors import UserError
from src.store.saved_search import SavedSearch

CHANGEABLE = (
    *("tuner.max_trials", "tuner.hyperband_iterations", "tuner.reevaluate.", "limits.", "run."),
    *(
        "data.path",
        "data.test_path",
        "data.database",
        "data.columns.",
    ),  # the rows themselves are compared
    "training.save_every",
)
"""Settings that a resumed search may change; those that end in a dot stand for a section."""

FIXED = ("run.threads",)
"""Settings of such a section that stay: the last digits of scores depend on the threads."""

PACKAGES = ("keras-tuner", "keras", "tensorflow", "numpy", "scikit-learn")


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that scores depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def search_state(config: Config, config_text: str, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the store says of the search as a whole; see `SavedSearch`."""
    return {
        "config": flat(config),
        "config_text": config_text,
        "identity": identity,
        "versions": versions(),
    }


def changed_versions(saved: SavedSearch) -> str:
    """Which versions have changed, in words; empty if none has."""
    now = versions().items()
    changed = [(name, new) for name, new in now if saved.versions.get(name) != new]
    return ", ".join(f"{name} {saved.versions.get(name)} → {new}" for name, new in changed)


def check_settings(saved: SavedSearch, config: Config) -> None:
    """Raises `UserError` if a changed setting would make it another search."""
    changed = [c for c in _changes(saved.config, flat(config)) if not _may_change(c[0])]
    if changed:
        allowed = ", ".join(f"{key}*" if key.endswith(".") else key for key in CHANGEABLE)
        raise UserError(
            f"{saved.run.path}: these settings would make it another search:\n{_lines(changed)}\n"
            f"Only {allowed} may change, but not {', '.join(FIXED)}; for anything else start a new "
            f"run{edited_hint(saved)}"
        )


def check_identity(saved: SavedSearch, identity: Mapping[str, Any]) -> None:
    """Raises `UserError` if rows, space or objective are not what they were."""
    if changed := _changes(saved.identity, identity):
        raise UserError(
            f"{saved.run.path}: this is not the search that it was:\n{_lines(changed)}\n"
            "Bring that back, or start a new run"
        )


def edited_hint(saved: SavedSearch) -> str:
    """What to do about a config.yaml that is not as the search wrote it; empty if it is."""
    with suppress(OSError, UnicodeDecodeError):
        if saved.run.config.read_text() == saved.config_text:
            return ""
    return (
        f"\n{saved.run.config} was edited, or damaged. If that was not meant, delete the file: "
        "resuming the run writes it again"
    )


def _may_change(key: str) -> bool:
    named = any(key == name or (name[-1] == "." and key.startswith(name)) for name in CHANGEABLE)
    return named and key not in FIXED


def _changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Key, old and new value of each entry that differs."""
    now = json.loads(json.dumps(now))  # as the old values came back from the store
    names = dict.fromkeys([*now, *then])
    pairs = [(name, then.get(name), now.get(name)) for name in names]
    return [(name, old, new) for name, old, new in pairs if old != new]


def _lines(changes: list[tuple[str, Any, Any]]) -> str:
    return "\n".join(f"  {name}: {_difference(old, new)}" for name, old, new in changes)


def _difference(then: Any, now: Any) -> str:
    """Both values; of mappings the entries that differ."""
    if isinstance(then, dict) and isinstance(now, dict):
        return "; ".join(f"{name} {_difference(*pair)}" for name, *pair in _changes(then, now))
    return f"{_shown(now)}, but was {_shown(then)}"


def _shown(value: Any) -> str:
    return "not there" if value is None else json.dumps(value)
