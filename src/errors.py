"""Exceptions whose message is all that a user needs; commands print it without a traceback."""

import difflib
from collections.abc import Iterable

MOST_LISTED = 20


class UserError(Exception):
    """A mistake in the configuration, the data or the command line; exit status 2.

    The message names the key or file, the value, and what would be valid.
    """


class DiskError(Exception):
    """A file of a run could not be written or read; exit status 1.

    The message names the path and the system's reason.
    """


def nearest(name: str, valid: Iterable[str]) -> str:
    """Returns ` Did you mean '…'?` for the closest of `valid`, or an empty string."""
    matches = difflib.get_close_matches(name, list(valid), n=1)
    return f" Did you mean '{matches[0]}'?" if matches else ""


def listed(names: Iterable[str]) -> str:
    """Returns names separated by commas, the first twenty where there are more."""
    known = list(names)
    more = f", … {len(known) - MOST_LISTED} more" if len(known) > MOST_LISTED else ""
    return ", ".join(known[:MOST_LISTED]) + more
