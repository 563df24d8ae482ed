"""Loads a configuration: the default preset, a preset or file over it, overrides over both.

Sections merge key by key. A value under a key, `space.<name>` included, replaces the inherited
value; only an override with a longer path, `space.units.max=512`, changes one key of a range.
"""

import copy
import functools
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from src.config.fields import OPEN, is_url
from src.config.messages import plain_messages
from src.config.presets import preset_names, preset_path
from src.config.schema import Config
from src.config.yaml_text import YamlError, read_yaml, read_yaml_file
from src.errors import UserError, nearest
from src.text import shown

TEXTS = tuple(
    ("data", name) for name in ("target", "group", "drop", "columns", "missing")
)  # fmt: skip
"""Settings whose values are texts of a file as they stand: a column may be called `no` or `1`."""

_EXAMPLE = "write for example tuner.max_trials=5 or 'space.units={min: 16, max: 512}'"


def load_config(source: str | Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """Returns the validated configuration.

    `source` is a preset's name, or a YAML file or run's folder, over the `default` preset. An
    override is `dotted.path=value` with a YAML value; a later one wins over an earlier. Raises
    `UserError` with a line a mistake, naming the key, the value and what is valid.
    """
    layers = copy.deepcopy(_default_layers())
    if isinstance(source, str) and source in preset_names():
        layers.add_file(preset_path(source), built_in=True)
    elif source is not None:
        layers.add_file(Path(source), built_in=False)
    for override in overrides:
        layers.add_override(override)
    layers.read_points()
    return layers.validated()


@functools.cache
def default_config() -> Config:
    """Returns the `default` preset alone."""
    return _default_layers().validated()


@functools.cache
def _default_layers() -> "_Layers":
    layers = _Layers()
    layers.add_file(preset_path("default"), built_in=True)
    return layers


@dataclass
class _Layers:
    """The configuration so far."""

    values: dict[str, Any] = field(default_factory=dict)  # an opened hyperparameter is `open`
    user_space: set[str] = field(default_factory=set)  # names of `space` that a user set or opened
    url_file: Path | None = None  # the file that `data.database` comes from, if it is a URL

    def add_file(self, path: Path, *, built_in: bool) -> None:
        """Merges a YAML file over what there is."""
        known = preset_names()
        hint = f"{nearest(path.stem, known)} Presets: {', '.join(known)}"
        values = read_yaml_file(path, "config.yaml", "--config", hint, TEXTS)
        if not isinstance(values, dict):
            raise UserError(
                f"--config: {path}: {shown(values)} is not a configuration. Valid: a mapping of "
                "keys, such as seed: 1 or tuner: {max_trials: 5}"
            )
        recorded = values.pop("recorded", None)
        self._merge(self.values, values, ())
        data = values.get("data")
        if isinstance(data, dict) and is_url(data.get("database")):
            self.url_file = path
        space = values.get("space")
        if isinstance(space, dict) and not built_in:
            # A run's config.yaml writes the inherited names too; they stay inherited.
            inherited = recorded.get("inherited_space") if isinstance(recorded, dict) else None
            inherited = inherited if isinstance(inherited, list) else []
            self.user_space |= {name for name in space if name not in inherited}

    def add_override(self, text: str) -> None:
        """Merges one `dotted.path=value`."""
        key, equals, written = text.partition("=")
        path = tuple(segment.strip() for segment in key.split("."))
        if not equals or not all(path) or not key.isprintable():
            raise UserError(f"override {shown(text)}: is not of the form key=value; {_EXAMPLE}")
        try:
            value = read_yaml(written, path, TEXTS)
        except YamlError as error:
            raise UserError(
                f"override {shown(text)}: the value after '=' is not YAML: {error}; {_EXAMPLE}"
            ) from error
        whole = value if path == ("data",) and isinstance(value, dict) else {}
        if path == ("data", "database") or "database" in whole:
            self.url_file = None
        holder = self.values
        for name in path[:-1]:
            if not isinstance(holder.get(name), dict):
                holder[name] = {}
            holder = holder[name]
        if value is None:
            holder[path[-1]] = None
        self._merge(holder, {path[-1]: value}, path[:-1])
        if path[0] == "space":
            self.user_space.update(path[1:2] or (value if isinstance(value, dict) else ()))

    def read_points(self) -> None:
        """Replaces the path of a file in `tuner.points_to_evaluate` by what the file holds.

        So the run's config.yaml repeats the run, whatever becomes of the file.
        """
        tuner, key = self.values.get("tuner"), "points_to_evaluate"
        if isinstance(tuner, dict) and isinstance(tuner.get(key), str):
            hint = " Valid: a YAML file such as RUN/best/hyperparameters.yaml, or a list of points"
            path = Path(tuner[key])
            tuner[key] = read_yaml_file(path, "best/hyperparameters.yaml", f"tuner.{key}", hint)

    def validated(self) -> Config:
        """Returns the configuration; raises `UserError` with a line a mistake."""
        if self.url_file is not None:
            url = self.values["data"]["database"]
            raise UserError(
                f"data.database: the URL in {self.url_file} is not used, because somebody "
                "else's file could send your secrets away. If you trust it, repeat it: "
                + shlex.quote(f"data.database={url}")
            )
        values = {"user_space": frozenset(self.user_space), **self.values}
        if isinstance(space := values.get("space"), dict):
            values["space"] = {name: value for name, value in space.items() if value != OPEN}
        try:
            return Config.model_validate(values)
        except ValidationError as error:
            raise UserError("\n".join(plain_messages(error))) from error

    def _merge(self, base: dict[str, Any], over: dict[str, Any], path: tuple[str, ...]) -> None:
        for key, value in over.items():
            if (*path, key) == ("space",) and value == OPEN:
                base[key] = {}
                self.user_space.clear()
            elif not isinstance(base.get(key), dict) or path == ("space",):
                base[key] = value
            elif isinstance(value, dict):
                self._merge(base[key], value, (*path, key))
            elif value is not None:  # a section in a file may consist of comments alone
                base[key] = value
