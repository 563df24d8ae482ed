"""Puts configurations on top of each other: presets, the user's file, overrides.

Sections merge key by key. What stands for a key, `space.<name>` included, replaces what was
inherited; only an override that goes further, `space.units.max=512`, changes one key of a range.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from src.config.presets import preset_names
from src.config.space import OPEN
from src.config.text import shown
from src.config.yaml_text import MAX_DEPTH, KeyPath, YamlError, read_yaml
from src.errors import UserError, nearest

_LARGEST = 1_000_000  # bytes; what is larger was not meant as a configuration
_RECORDED = "recorded"


@dataclass
class Layers:
    """The configuration so far, and where every part of it comes from.

    Attributes:
        values: nested mappings as in a file.
        places: for a key's path where it was set, for messages.
        user_space: the names of `space` that a user's file or an override set.
        opened_space: the names of `space` that a user's file or an override opened.
    """

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, str] = field(default_factory=dict)
    user_space: set[str] = field(default_factory=set)
    opened_space: set[str] = field(default_factory=set)

    def add_file(self, path: Path, built_in: bool) -> None:
        """Merges a YAML file over what there is.

        Raises:
            UserError: if it cannot be read or is no mapping of the YAML that is read here.
        """
        label = f"preset {path.stem}" if built_in else str(path)
        try:
            values, lines = read_yaml(_text(path))
        except YamlError as error:
            raise UserError(f"{label}: {error}") from error
        if not isinstance(values, dict):
            given = "nothing" if values is None else shown(values)
            raise UserError(
                f"{label}: {given} is not a configuration; a mapping of keys is, such as "
                "seed: 1 or tuner: {max_trials: 5}"
            )
        recorded = values.pop(_RECORDED, None) or {}
        if not isinstance(recorded, dict):
            raise UserError(
                f"{label}: recorded: {shown(recorded)} is not valid; a mapping, which is not read"
            )
        for key_path, line in lines.items():
            self.places[key_path] = f"{label}, line {line}"
        # A run's own file states what the run inherited too; it stays inherited.
        inherited = recorded.get("inherited_space")
        written_by_preset = _texts(inherited) if isinstance(inherited, list) else set()
        space = values.get("space")
        self._merge(self.values, values, ())
        if isinstance(space, dict) and not built_in:
            for name in space.keys() - written_by_preset:
                self._note_user(name, space[name])

    def add_override(self, text: str) -> None:
        """Merges one `dotted.path=value`.

        Raises:
            UserError: if it does not have that form, or its value is not YAML.
        """
        dotted, equals, written = text.partition("=")
        path = tuple(segment.strip() for segment in dotted.split("."))
        if not equals or not all(path):
            raise UserError(
                f"override {shown(text)}: not of the form key=value; write for example "
                "tuner.max_trials=5 or space.units.max=512"
            )
        if len(path) > MAX_DEPTH:
            raise UserError(
                f"override {shown(text)}: no key has {len(path)} segments; write for example "
                "tuner.max_trials=5"
            )
        try:
            value, lines = read_yaml(written)
        except YamlError as error:
            raise UserError(
                f"override {shown(text)}: the value after '=' is not YAML: {error}; write for "
                "example tuner.max_trials=5 or 'space.units={min: 16, max: 512}'"
            ) from error
        self._set(path, value)
        for key_path in [path[:length] for length in range(1, len(path) + 1)] + [
            (*path, *inner) for inner in lines
        ]:
            self.places[key_path] = f"override {shown(text)}"
        if path == ("space",) and isinstance(value, dict):
            for name, inner in value.items():
                self._note_user(name, inner)
        elif path[0] == "space" and len(path) > 1:
            self._note_user(path[1], value if len(path) == 2 else None)

    def place(self, path: KeyPath) -> str | None:
        """Where the value at `path`, or what holds it, was set."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return None

    def value(self, path: KeyPath) -> Any:
        """The value at `path`; None if there is none."""
        value: Any = self.values
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def _set(self, path: KeyPath, value: Any) -> None:
        holder = self.values
        for key in path[:-1]:
            if not isinstance(holder.get(key), dict):
                holder[key] = {}
            holder = holder[key]
        self._merge(holder, {path[-1]: value}, path[:-1], from_file=False)

    def _merge(
        self, base: dict[str, Any], over: dict[str, Any], path: KeyPath, from_file: bool = True
    ) -> None:
        in_space = path == ("space",)
        for key, value in over.items():
            inherited = base.get(key)
            if value == OPEN and not path and key == "space":
                base[key] = {}
                self.user_space.clear()
            elif value == OPEN and in_space:
                base.pop(key, None)
            elif not isinstance(inherited, dict) or in_space:
                base[key] = value
            elif isinstance(value, dict):
                self._merge(inherited, value, (*path, key), from_file)
            elif value is not None or not from_file:  # a section in a file may be all comments
                base[key] = value

    def _note_user(self, name: str, value: Any) -> None:
        if value == OPEN:
            self.user_space.discard(name)
            self.opened_space.add(name)
        else:
            self.user_space.add(name)
            self.opened_space.discard(name)


def _texts(values: Iterable[object]) -> set[str]:
    return {value for value in values if isinstance(value, str)}


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except FileNotFoundError as error:
        known = preset_names()
        raise UserError(
            f"--config: there is no file {shown(str(path))}.{nearest(path.stem, known)} "
            f"Presets: {', '.join(known)}"
        ) from error
    except IsADirectoryError as error:
        inner = path / "config.yaml"
        hint = f"; did you mean {inner}?" if inner.is_file() else "; give a YAML file"
        raise UserError(f"{path}: is a folder, not a configuration{hint}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UserError(f"{shown(str(path))}: cannot be read: {reason}") from error
    if len(content) > _LARGEST:
        raise UserError(f"{path}: is larger than {_LARGEST} bytes, too large for a configuration")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}: line {line}: is not UTF-8 text; save it as UTF-8") from error
