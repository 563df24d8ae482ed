"""What makes a search the same search: what a resumed run may change, and what it may not."""

import json
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

from src.config import Config, flat
from src.store.saved_search import SavedSearch

CHANGEABLE = (
    *("tuner.max_trials", "tuner.hyperband_iterations", "tuner.confirm.", "limits.", "run."),
    *("data.path", "data.test_path", "data.columns."),  # the rows themselves are compared
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


def head(config: Config, config_text: str, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the store says of the search as a whole.

    Args:
        config: its configuration.
        config_text: the text of the run's config.yaml.
        identity: rows, space, objective; plain data.
    """
    return {
        "config": _plain(flat(config)),
        "config_text": config_text,
        "identity": _plain(identity),
        "versions": versions(),
    }


def identity_problems(saved: SavedSearch, identity: Mapping[str, Any]) -> list[str]:
    """Returns a line for each of rows, space and objective that has changed."""
    then = saved.identity
    return [
        f"  {name}: {_difference(then.get(name), now)}"
        for name, now in _plain(identity).items()
        if then.get(name) != now
    ]


def changed_settings(saved: SavedSearch, config: Config) -> list[str]:
    """Returns a line for each changed setting that would make it another search."""
    then, now = saved.config, _plain(flat(config))
    return [
        f"  {key}: {_difference(then.get(key), now.get(key))}"
        for key in dict.fromkeys([*now, *then])
        if then.get(key) != now.get(key) and not _may_change(key)
    ]


def changed_versions(saved: SavedSearch) -> str:
    """Which versions have changed, in words; empty if none has."""
    now = versions().items()
    changed = [(name, new) for name, new in now if saved.versions.get(name) != new]
    return ", ".join(f"{name} {saved.versions.get(name)} → {new}" for name, new in changed)


def _may_change(key: str) -> bool:
    named = any(key == name or (name[-1] == "." and key.startswith(name)) for name in CHANGEABLE)
    return named and key not in FIXED


def _difference(then: Any, now: Any) -> str:
    """Both values; of mappings the entries that differ."""
    if isinstance(then, dict) and isinstance(now, dict):
        names = [name for name in dict.fromkeys([*now, *then]) if then.get(name) != now.get(name)]
        return "; ".join(f"{name} {_difference(then.get(name), now.get(name))}" for name in names)
    return f"{_shown(now)}, but was {_shown(then)}"


def _shown(value: Any) -> str:
    return "not there" if value is None else json.dumps(value)


def _plain(value: Any) -> Any:
    """The value as it comes back from JSON."""
    return json.loads(json.dumps(value))
