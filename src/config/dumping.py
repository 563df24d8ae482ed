"""Writes a configuration as YAML that loads again, and tells how it differs from the default."""

import shlex
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from src.config.loading import default_config
from src.config.schema import Config
from src.config.space import OPEN, batch_numbers_to_words
from src.config.yaml_text import write_yaml


def dump_config(
    config: Config, recorded: Mapping[str, Any], path: str | PurePath = "config.yaml"
) -> str:
    """Returns `config` as YAML from which `load_config` makes an equal one.

    Args:
        config: what to write: every key, in the schema's order.
        recorded: plain facts about the run, such as versions and the inferred task; they are kept
            under `recorded`, where loading passes over them.
        path: where the text will lie, for the command in its first line.
    """
    command = f"python -m src.tune --config {shlex.quote(str(path))}"
    if config.run.name != "auto":
        command += " run.name=auto"  # the name is taken by the run that this file tells of
    command = "".join(character if character.isprintable() else "?" for character in command)
    values = config.model_dump()
    values["space"] = _whole_space(config)
    values["tuner"]["points_to_evaluate"] = [
        batch_numbers_to_words(c) for c in config.tuner.configurations
    ]
    inherited = [name for name in values["space"] if name not in _user_names(config)]
    values["recorded"] = {**recorded, "inherited_space": inherited}
    return f"# {command}\n# Everything that repeats this run; what is recorded sets nothing.\n" + (
        write_yaml(values)
    )


def differing(config: Config) -> dict[str, Any]:
    """Returns the dotted keys whose values differ from the `default` preset's, with their values.

    A hyperparameter that is open here and not there has the value `open`.
    """
    default = flat(default_config())
    return {key: value for key, value in flat(config).items() if default.get(key, OPEN) != value}


def flat(config: Config) -> dict[str, Any]:
    """Returns every setting under its dotted key; a hyperparameter is `space.<name>`."""
    values = {**config.model_dump(), "space": {}}
    return _flattened(values, "") | {
        f"space.{name}": value for name, value in _whole_space(config).items()
    }


def _user_names(config: Config) -> frozenset[str]:
    return frozenset(config.space.keys() - config.inherited_space) | config.opened_space


def _whole_space(config: Config) -> dict[str, Any]:
    """The space with `open` for whatever it would otherwise inherit when it is loaded again."""
    names = list(
        dict.fromkeys([*default_config().space, *config.space, *sorted(config.opened_space)])
    )
    space = batch_numbers_to_words(dict(config.space))
    return {name: space.get(name, OPEN) for name in names}


def _flattened(values: dict[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flattened(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
