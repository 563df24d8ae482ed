"""Exit statuses that the commands share."""

import sys
from collections.abc import Callable

from src.errors import DiskError, UserError
from src.signals import Interruption

DONE, FAILED, USER_ERROR, INTERRUPTED = 0, 1, 2, 130


def exit_status(command: Callable[[], int | None], stopped: str) -> int:
    """Runs a command and returns its exit status, for None 0; a failure is one message to stderr.

    0: done. 1: it failed, as on a full disk. 2: a mistake in the configuration, the data or the
    command line, or a missing package. 130: stopped by a signal, after which `stopped` is printed.
    """
    try:
        with Interruption():
            return command() or DONE
    except (UserError, DiskError) as error:
        print(f"error: {error}", file=sys.stderr)
        return USER_ERROR if isinstance(error, UserError) else FAILED
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        return INTERRUPTED
    except ModuleNotFoundError as error:
        package = (error.name or "src").partition(".")[0]
        if package in ("src", "hypermodels", "callbacks"):
            raise
        print(
            f"error: the package {package} is not installed; use `make tune`, or "
            "`pip install -r requirements.txt` in the environment of this Python",
            file=sys.stderr,
        )
        return USER_ERROR
