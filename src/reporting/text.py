"""Numbers and durations as tables and plots show them."""

import math
from typing import Any

STOPPED = {"pruner": "pruned", "limit": "ended early"}
"""What is said of a trial by its `stopped_by`."""


def number(value: float | None, digits: int = 4) -> str:
    """A number in so many significant digits; `–` for none, no exponent for a large one."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value and not 1e-4 <= abs(value) < 1e15:
        return f"{value:.{digits}g}"
    text = f"{value:.{digits}g}"
    return f"{value:,.0f}" if "e+" in text or abs(value) >= 10_000 else text


def plain_number(value: float) -> str:
    """A number to be typed in a command: three significant digits, and no `+` in an exponent."""
    rounded = float(f"{value:.3g}")
    return str(int(rounded)) if rounded == int(rounded) and abs(rounded) < 1e15 else f"{rounded:g}"


def duration(seconds: float) -> str:
    """Seconds in words of at most two units."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest:02d} min"
    return f"{hours // 24} days {hours % 24} h"


def count(quantity: int, noun: str, plural: str | None = None) -> str:
    """`1 trial`, `3 trials`."""
    word = noun if quantity == 1 else plural or f"{noun}s"
    return f"{quantity:,} {word}"


def setting(value: Any) -> str:
    """A value of the configuration, as it would be written there."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ", ".join(f"{name}: {setting(part)}" for name, part in value.items()) or "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(setting, value))}]"
    return str(value)


def printable(text: str) -> str:
    """The text without control characters, which could steer a terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)


def shortened(text: str, length: int) -> str:
    """The text, cut with an ellipsis where it is longer."""
    return text if len(text) <= length else text[: length - 1] + "…"
