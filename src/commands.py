"""Exit statuses that the commands share."""

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from src.errors import DiskError, UserError

DONE, FAILED, USER_ERROR, INTERRUPTED = 0, 1, 2, 130
PACKAGES = frozenset(
    (
        *("keras", "keras_tuner", "numpy", "pandas", "pydantic", "rich", "scipy", "sklearn"),
        *("tensorboard", "tensorflow", "yaml"),
    )
)


def exit_status(command: Callable[[], int], stopped: str) -> int:
    """Runs a command and returns its exit status; what goes wrong is one message to stderr.

    0: done. 1: it failed, as on a full disk. 2: a mistake in the configuration, the data or the
    command line. 130: stopped by Ctrl-C, SIGTERM or SIGHUP.

    Args:
        command: does all of it and returns a status.
        stopped: what to say where a signal ends it.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as after `nohup`
            signal.signal(number, _interrupt)
    try:
        return command()
    except (UserError, DiskError) as error:
        print(f"error: {error}", file=sys.stderr)
        return USER_ERROR if isinstance(error, UserError) else FAILED
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        return INTERRUPTED
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in PACKAGES:
            raise
        print(
            f"error: the package {error.name} is not installed; use `make tune`, or "
            "`pip install -r requirements.txt` in the environment of this Python",
            file=sys.stderr,
        )
        return USER_ERROR


def _interrupt(signal_number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    raise KeyboardInterrupt
