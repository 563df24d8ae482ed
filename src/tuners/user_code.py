"""Finds the line of a user's own that led to an error."""

import inspect
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
    """Returns `file:line: code` of the innermost line that is neither a library's nor the loop's.

    Args:
        error: has been raised.
        classes: those that a user may have written, such as the HyperModel; their files, and all
            that lie outside the project, are the user's. Where none of them is in the traceback,
            the first class's definition is pointed to.
    """
    own = {_file(base) for cls in classes for base in cls.__mro__[: _own_bases(cls)]} - {None}
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        inside = Path(frame.filename).is_relative_to(_ROOT)
        if frame.filename in own or not (inside or frame.filename.startswith(_LIBRARIES)):
            return f"{frame.filename}:{frame.lineno}: {frame.line}"
    if not classes:
        return ""
    line = inspect.getsourcelines(classes[0])[1]
    return f"{_file(classes[0])}:{line}: class {classes[0].__name__}"


def _own_bases(cls: type) -> int:
    """How many classes at the beginning of the method resolution order are not abstract."""
    bases = list(cls.__mro__)
    return next((i for i, base in enumerate(bases) if inspect.isabstract(base)), 1)


def _file(cls: type) -> str | None:
    try:
        return inspect.getsourcefile(cls)
    except TypeError:  # of a class made in C or typed into a prompt
        return None


class OracleError(Exception):
    """An oracle raised; its state may be half changed."""


@contextmanager
def asking_oracle(oracle: object, name: str) -> Iterator[None]:
    """Turns what an oracle of any user's may raise into an `OracleError` with its line.

    Args:
        oracle: that is asked.
        name: `tuner.name`.
    """
    try:
        yield
    except Exception as error:
        raise OracleError(
            f"tuner.name={name} raised {type(error).__name__}: {error} "
            f"({own_line(error, type(oracle))})"
        ) from error
