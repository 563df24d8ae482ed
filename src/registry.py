"""Registries are plain dicts from a name to `"module:attribute"`, imported only when used.

`--help` and the validation of names can therefore list what there is without importing TensorFlow.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from src.errors import UserError, nearest


def check_name(registry: Mapping[str, str], name: str, key: str) -> None:
    """Raises `UserError` naming the configuration `key` if `name` is not in the registry."""
    if name not in registry:
        known = ", ".join(sorted(registry))
        raise UserError(f"{key}: '{name}' is not known.{nearest(name, registry)} Known: {known}")


def load(registry: Mapping[str, str], name: str, key: str) -> Any:
    """Imports and returns what `registry` holds under `name`.

    Raises:
        UserError: if the name is unknown (naming `key` and the nearest name), or its entry does
            not lead to a module and an attribute.
    """
    check_name(registry, name, key)
    module_name, _, attribute = registry[name].partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module is there, but something that it imports is not
        raise UserError(
            f"{key}: the registry entry '{registry[name]}' for '{name}' names a module that does "
            f"not exist: {module_name}"
        ) from error
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        raise UserError(
            f"{key}: the registry entry '{registry[name]}' for '{name}' names '{attribute}', "
            f"which {module_name} does not have"
        ) from error
