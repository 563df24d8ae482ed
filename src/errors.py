"""The one exception for what a user can cause and mend; commands print it and exit with 2."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in the configuration, the data or the command line.

    The message names the key or file, the value, and what would be valid; it is shown as it is,
    without a traceback.
    """


def nearest(name: str, valid: Iterable[str]) -> str:
    """Returns ` Did you mean '…'?` for the closest of `valid`, or an empty string."""
    matches = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.6)
    return f" Did you mean '{matches[0]}'?" if matches else ""
