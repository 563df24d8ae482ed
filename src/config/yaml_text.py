"""Reads and writes YAML: PyYAML's safe loader made stricter, and a dumper whose text it reads back.

Aliases are refused, because a small text can expand to gigabytes, and so is a key given twice.
Dates and numbers in base 8 or 60 stay texts. `1e-3` is a number, as in YAML 1.2.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from src.errors import UserError
from src.text import shown

Keys = tuple[str, ...]
"""A path of keys through nested mappings."""

_LARGEST = 1_000_000  # bytes; a larger file is a mistake
_TAG = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)\Z")
_FLOAT = re.compile(
    r"[-+]?(?:(?:[0-9][0-9_]*\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+"
    r"|\.(?:inf|Inf|INF))\Z|\.(?:nan|NaN|NAN)\Z"
)


class YamlError(Exception):
    """Text that is not the YAML that is read here; the message says where."""


class _Loader(yaml.SafeLoader):
    at: Keys = ()
    texts: Sequence[Keys] = ()
    yaml_implicit_resolvers = {
        first: [item for item in items if item[0] in (_TAG + "null", _TAG + "bool")]
        for first, items in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        _keep_texts(node, self.at, self.texts)
        return node

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise _refused("aliases (*) are not used here; write the value", event)
        node = super().compose_node(parent, index)
        if isinstance(node, yaml.ScalarNode) and re.search("[\0\ud800-\udfff]", node.value):
            raise _refused("a text holds a character that no file can", node)
        return node


def _keep_texts(node: yaml.Node | None, at: Keys, texts: Sequence[Keys]) -> None:
    """Makes texts of what lies under some keys, but for a null instead of it; checks all keys."""
    inside = any(at[: len(keys)] == keys for keys in texts)
    if isinstance(node, yaml.ScalarNode):
        if inside and (at not in texts or node.tag != _TAG + "null"):
            node.tag = _TAG + "str"
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _keep_texts(item, (*at, ""), texts)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                _keep_texts(key, (*at, ""), texts)
                _keep_texts(value, (*at, key.value), texts)
        _check_keys(node)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_list(dumper: yaml.SafeDumper, values: Any) -> yaml.Node:
    return dumper.represent_sequence(_TAG + "seq", values, flow_style=True)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    # Escapes in double quotes bring every character back; other styles fold "\x85" into a space.
    return dumper.represent_scalar(_TAG + "str", text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(tuple, _represent_list)
for _class in (_Loader, _Dumper):  # the dumper then quotes a text that looks like such a number
    _class.add_implicit_resolver(_TAG + "int", _INTEGER, list("-+0123456789"))
    _class.add_implicit_resolver(_TAG + "float", _FLOAT, list("-+0123456789."))


def read_yaml(text: str, at: Keys = (), texts: Sequence[Keys] = ()) -> Any:
    """Returns what `text` holds; raises `YamlError`, where possible with line and column.

    `at` is where it lies in a larger mapping. What lies under `texts` are texts as they stand, such
    as `no` and `1.10`; null is null there too.
    """
    try:
        loader = _Loader(text)
        loader.at, loader.texts = at, texts
        return loader.get_single_data()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
        raise YamlError(place + problem) from error
    except (ArithmeticError, AttributeError, LookupError, ValueError, RecursionError) as error:
        # PyYAML lets Python's own errors through, as for escapes like "\Uffffffff" or `!!bool x`.
        problem = (
            "a tag that does not fit its value, too many digits or levels, or an escape for no"
        )
        raise YamlError(f"{problem} character") from error


def read_yaml_file(
    path: Path, default_name: str, key: str, hint: str, texts: Sequence[Keys] = ()
) -> Any:
    """Returns what a YAML file holds; of a folder, what the file `default_name` in it holds.

    Raises `UserError` if it cannot be read, naming `key` and the file; `hint` ends the message.
    """
    try:
        path = path / default_name if path.is_dir() else path
        if path.exists() and not path.is_file():  # reading a pipe would wait
            raise UserError(f"{key}: {path}: is not a file")
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise UserError(f"{key}: {path}: is larger than {_LARGEST:,} bytes")
        return read_yaml(content.decode("utf-8-sig"), texts=texts)
    except UnicodeDecodeError as error:
        raise UserError(f"{key}: {path}: is not UTF-8 text") from error
    except YamlError as error:
        raise UserError(f"{key}: {path}: {error}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{key}: {shown(str(path))} cannot be read: {reason}.{hint}") from error


def write_yaml(value: dict[str, Any]) -> str:
    """Returns `value` as YAML in its own order, such that `read_yaml` gives it back exactly."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _check_keys(node: yaml.MappingNode) -> None:
    seen = set()
    for key, _ in node.value:
        if key.tag != _TAG + "str":
            raise _refused("a key that is not a text", key)
        if key.value in seen:
            raise _refused(f"the key '{key.value}' is there twice", key)
        seen.add(key.value)


def _refused(problem: str, where: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=where.start_mark)
