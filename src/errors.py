"""Exceptions whose message is all that a user needs; commands print it without a traceback."""

import difflib
from collections.abc import Iterable

MOST_LISTED = 20


class UserError(Exception):
    """A mistake in the configuration, the data or the command line.

    The message names the key or file, the value, and what would be valid. Exit status 2.
    """


class DiskError(Exception):
    """A file of a run could not be written or read: full disk, missing folder, no permission.

    The message names the path and the system's reason. Exit status 1.
    """


def nearest(name: str, valid: Iterable[str]) -> str:
    """Returns ` Did you mean '…'?` for the closest of `valid`, or an empty string."""
    matches = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.6)
    return f" Did you mean '{matches[0]}'?" if matches else ""


def listed(names: Iterable[str]) -> str:
    """Returns names separated by commas, the first twenty where there are more."""
    shown_names = list(names)
    more = f", … {len(shown_names) - MOST_LISTED} more" if len(shown_names) > MOST_LISTED else ""
    return ", ".join(shown_names[:MOST_LISTED]) + more
