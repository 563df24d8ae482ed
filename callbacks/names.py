"""Finds things by name: what a registry's entry leads to, and the nearest name for a message."""

import difflib
import importlib
from collections.abc import Iterable, Mapping
from typing import Any


def load(registry: Mapping[str, str], name: str, kind: str) -> Any:
    """Imports and returns what `registry`, from names to `"module:attribute"`, holds under `name`.

    Raises:
        ValueError: if the name is unknown, or its entry does not lead to an attribute of a module;
            the message calls it a `kind`, as in "schedule".
    """
    if name not in registry:
        known = ", ".join(sorted(registry))
        raise ValueError(f"{kind} '{name}' is not known.{nearest(name, registry)} Known: {known}")
    module_name, _, attribute = registry[name].partition(":")
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise  # the module is there, but something that it imports is not
        missing = f"there is no module {error.name}"
    except AttributeError:
        missing = f"{module_name} has no '{attribute}'"
    raise ValueError(f"{kind} '{name}' is registered as '{registry[name]}', but {missing}")


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns ` Did you mean '…'?` for the closest of `known`, or an empty string."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{matches[0]}'?" if matches else ""
