"""The search loop: an oracle proposes trials, an executor runs them, the store keeps the state.

    from src.search import run

runs a search from a notebook or a script.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from src.search.workflow import run as run

__all__ = ["run"]


def __getattr__(name: str) -> Any:
    if name == "run":  # imported when used, so that importing the package needs no TensorFlow
        from src.startup import import_tensorflow

        import_tensorflow()  # without its noise
        from src.search.workflow import run

        return run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
