"""Reads and writes YAML: PyYAML's safe loader made stricter, and a dumper that it reads back.

What can expand, hide or surprise is refused or read as plain text: anchors and aliases, tags, a key
given twice, dates, numbers in base 60 or 8. `1e-3` is a number, as in YAML 1.2.
"""

import re
from collections.abc import Iterable
from typing import Any

import yaml

from src.config.text import shown

MAX_DEPTH = 16
"""The deepest nesting of lists and mappings that is read, and the most segments of a key."""

_TAG = "tag:yaml.org,2002:"
_FLOAT = re.compile(
    r"""[-+]?(?:[0-9][0-9_]*\.[0-9]*(?:[eE][-+]?[0-9]+)?
       |\.[0-9]+(?:[eE][-+]?[0-9]+)?
       |[0-9]+[eE][-+]?[0-9]+
       |\.(?:inf|Inf|INF))\Z
       |\.(?:nan|NaN|NAN)\Z""",
    re.VERBOSE,
)
_PLAIN_TYPES: list[tuple[str, re.Pattern[str], Iterable[str]]] = [
    ("null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""]),
    (
        "bool",
        re.compile(
            r"(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)\Z"
        ),
        "yYnNtTfFoO",
    ),
    ("int", re.compile(r"[-+]?(?:0|[1-9][0-9_]*)\Z"), "-+0123456789"),
    ("float", _FLOAT, "-+0123456789."),
]

KeyPath = tuple[str, ...]


class _Loader(yaml.SafeLoader):
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _refused("anchors (&) and aliases (*) are not used here; write the value", event)
        if getattr(event, "tag", None):
            tag = event.tag.replace(_TAG, "!!")
            raise _refused(f"the tag {tag} is not used here; write the plain value", event)
        if self.depth > MAX_DEPTH:
            raise _refused(f"more than {MAX_DEPTH} levels of nesting", event)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
        elif isinstance(node, yaml.ScalarNode) and re.search("[\0\ud800-\udfff]", node.value):
            raise _refused("a text holds a character that no file can", node)
        return node


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

# The loader's own in place of the standard ones. The dumper has both, so that a text that any YAML
# reader takes for something else gets quotes.
_Loader.yaml_implicit_resolvers = {}
for _name, _pattern, _first in _PLAIN_TYPES:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_TAG + _name, _pattern, list(_first))


class YamlError(Exception):
    """Text that is not the YAML that is read here; the message says where."""


def read_yaml(text: str) -> tuple[Any, dict[KeyPath, int]]:
    """Returns what `text` holds and, for mappings, the line (from 1) of every key path.

    Raises:
        YamlError: with the line and column.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        value = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise YamlError(_place(error.problem_mark) + (error.problem or "not YAML")) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        raise YamlError(
            f"line {line}, column {column}: the character {error.character!r} is not allowed"
        ) from error
    except (ValueError, OverflowError) as error:
        # PyYAML lets Python's own errors through for endless digits and escapes like "\Uffffffff".
        raise YamlError(
            "a number in it has too many digits, or an escape stands for no character"
        ) from error
    return value, dict(_key_lines(node, ()))


def write_yaml(value: dict[str, Any]) -> str:
    """Returns `value` as YAML in its own order, such that `read_yaml` gives it back exactly."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _check_keys(node: yaml.MappingNode) -> None:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag != _TAG + "str":
            text = key.value if isinstance(key, yaml.ScalarNode) else "a list or mapping"
            raise _refused(f"the key {shown(text)} is not a name; names are texts", key)
        if key.value in seen:
            raise _refused(
                f"the key '{key.value}' is there twice; the first is on line {seen[key.value]}", key
            )
        seen[key.value] = key.start_mark.line + 1


def _key_lines(node: Any, path: KeyPath) -> list[tuple[KeyPath, int]]:
    if not isinstance(node, yaml.MappingNode):
        return []
    lines = []
    for key, value in node.value:
        inner = (*path, key.value)
        lines += [(inner, key.start_mark.line + 1), *_key_lines(value, inner)]
    return lines


def _refused(problem: str, where: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=where.start_mark)


def _place(mark: Any) -> str:
    return "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
