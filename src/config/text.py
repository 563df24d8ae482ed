"""How keys and values look in messages."""

import json
from collections.abc import Sequence
from typing import Any

_LONGEST = 80  # characters of a value in a message


def shown(value: Any) -> str:
    """Returns `value` about as YAML writes it on one line, texts in quotes, shortened if long."""
    text = _flow(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def dotted(path: Sequence[str]) -> str:
    """Returns a key's path with dots, on one line, shortened if long."""
    text = ".".join(path)
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return repr(value)
