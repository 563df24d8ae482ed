"""Loads a configuration: the default preset, a preset or file over it, overrides over both."""

import copy
import functools
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from src.config.initial import with_initial
from src.config.layers import Layers
from src.config.messages import plain_messages
from src.config.names import check_names
from src.config.presets import preset_names, preset_path
from src.config.schema import Config
from src.errors import UserError, nearest

DEFAULT_PRESET = "default"


def load_config(source: str | Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """Returns the validated configuration.

    Args:
        source: a preset's name, or the path of a YAML file (which has a suffix or a separator, or
            is a `Path`); without one the `default` preset. Either builds on `default`.
        overrides: `dotted.path=value` with a YAML value each; a later one wins over an earlier.

    Raises:
        UserError: a line a mistake, naming the key, the value, what is valid and where it was set.
    """
    config = _validated(_layers(source, overrides))
    check_names(config)
    return with_initial(config)


@functools.cache
def default_config() -> Config:
    """Returns the `default` preset alone, its names unchecked."""
    return _validated(_layers(None, ()))


def _layers(source: str | Path | None, overrides: Sequence[str]) -> Layers:
    layers = copy.deepcopy(_default_layers())
    if isinstance(source, str) and not any(character in source for character in "./\\"):
        _check_preset(source)
        if source != DEFAULT_PRESET:
            layers.add_file(preset_path(source), built_in=True)
    elif source is not None:
        layers.add_file(Path(source), built_in=False)
    for override in overrides:
        layers.add_override(override)
    return layers


@functools.cache
def _default_layers() -> Layers:
    layers = Layers()
    layers.add_file(preset_path(DEFAULT_PRESET), built_in=True)
    return layers


def _check_preset(name: str) -> None:
    known = preset_names()
    if name in known:
        return
    if any(entry.name == name for entry in Path().iterdir()):
        raise UserError(
            f"--config: '{name}' is not a preset; for the file write ./{name}. "
            f"Presets: {', '.join(known)}"
        )
    raise UserError(
        f"--config: '{name}' is not a preset.{nearest(name, known)} Presets: {', '.join(known)}; "
        "or give the path of a YAML file"
    )


def _validated(layers: Layers) -> Config:
    try:
        config = Config.model_validate(layers.values)
    except ValidationError as error:
        raise UserError("\n".join(plain_messages(error, layers))) from error
    return config.model_copy(
        update={
            "inherited_space": frozenset(config.space.keys() - layers.user_space),
            "opened_space": frozenset(layers.opened_space),
        }
    )
