"""Writes a configuration as YAML that loads again, and tells how it differs from the default."""

import shlex
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from src.config.fields import OPEN, flattened, full_replaced
from src.config.loading import default_config
from src.config.schema import Config
from src.config.yaml_text import write_yaml


def dump_config(
    config: Config, recorded: Mapping[str, Any], path: str | PurePath = "config.yaml"
) -> str:
    """Returns `config` as YAML from which `load_config` makes an equal one.

    `recorded` has facts about the run, such as versions, which loading ignores. `path` is where the
    text will lie, for the command in its first line.
    """
    command = f"python -m src.tune --config {shlex.quote(str(path))}"
    if config.run.name != "auto":
        command += " run.name=auto"  # the run that this file describes has taken the name
    command = "".join(character if character.isprintable() else "?" for character in command)
    values = config.model_dump()
    values["space"] = _whole_space(config)
    points = values["tuner"]["points_to_evaluate"]
    values["tuner"]["points_to_evaluate"] = [full_replaced(point, 0, "full") for point in points]
    inherited = [name for name in values["space"] if name not in config.user_space]
    values["recorded"] = {**recorded, "inherited_space": inherited}
    return f"# {command}\n# Repeats this run. Nothing under `recorded` is read.\n" + (
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
    settings: dict[str, Any] = flattened({**config.model_dump(), "space": {}})
    return settings | {f"space.{name}": value for name, value in _whole_space(config).items()}


def _whole_space(config: Config) -> dict[str, Any]:
    """The space with `open` for whatever it would otherwise inherit when it is loaded again."""
    names = dict.fromkeys([*default_config().space, *config.space, *sorted(config.user_space)])
    return {**dict.fromkeys(names, OPEN), **full_replaced(dict(config.space), 0, "full")}
