"""Finds the line of a user's code that led to an error."""

import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_LIBRARIES = tuple(
    sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


def own_line(error: BaseException, *classes: type) -> str:
    """Returns `file:line: code` of the innermost line in a user's code, or else the first class.

    The user's are the files of `classes`, and all files outside the project and its libraries.
    """
    own = [getattr(sys.modules[cls.__module__], "__file__", None) for cls in classes]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        inside = Path(frame.filename).is_relative_to(_ROOT)
        if frame.filename in own or not (inside or frame.filename.startswith(_LIBRARIES)):
            return f"{frame.filename}:{frame.lineno}: {frame.line}"
    return f"{own[0]}: class {classes[0].__name__}"


class OracleError(Exception):
    """An oracle raised; its state may be half changed."""


@contextmanager
def asking_oracle(oracle: object, name: str) -> Iterator[None]:
    """Turns what the oracle of this `tuner.name` raises into an error with the user's own line."""
    try:
        yield
    except Exception as error:
        line = own_line(error, type(oracle))
        problem = f"{type(error).__name__}: {error}"
        raise OracleError(f"tuner.name={name} raised {problem} ({line})") from error
