"""A sentence of the report."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing that a run shows.

    Attributes:
        kind: `good` news, a `note`, or a `warning` to act upon.
        text: one or two sentences; what stands between backticks is shown as code.
    """

    kind: Literal["good", "note", "warning"]
    text: str


def listed(names: list[str], most: int = 5) -> str:
    """Names in backticks, `a, b and c`."""
    quoted = [f"`{name}`" for name in names[:most]]
    if len(names) > most:
        return f"{', '.join(quoted)} and {len(names) - most} more"
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)
