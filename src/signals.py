"""Signals: before a search they end it at once; then the first asks to stop, the second ends it."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class TrialInterruptedError(Exception):
    """A trial was given up because the search stops; it has no result."""


class Interruption:
    """Within its `with` block, SIGINT, SIGTERM and SIGHUP raise `KeyboardInterrupt`, and surely.

    Raised inside an extension module, or in code that catches all exceptions, it may be swallowed
    or come out as any other; the end of the block then raises it anew.
    """

    def __init__(self) -> None:
        self._came = False
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._handlers = _handle_signals(self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _set_handlers(self._handlers)
        if self._came and not isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt from error

    def _handle(self, number: int, frame: FrameType | None) -> NoReturn:
        self._came = True
        raise KeyboardInterrupt


class StopRequest:
    """Within its `with` block, SIGINT, SIGTERM and SIGHUP ask to stop instead of raising.

    A second signal raises `KeyboardInterrupt`. Outside the main thread, where Python has no
    signals, nothing is caught.

    Args:
        on_request: called when the first signal comes, in the signal's handler: be quick.

    Attributes:
        signal_name: what a user calls the first signal, `Ctrl-C` or `SIGTERM`; empty before.
    """

    def __init__(self, on_request: Callable[[], None] | None = None) -> None:
        self.signal_name = ""
        self._on_request = on_request
        self._handlers: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether to stop."""
        return bool(self.signal_name)

    def __enter__(self) -> Self:
        self._handlers = _handle_signals(self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _set_handlers(self._handlers)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        name = signal.Signals(number).name
        self.signal_name = "Ctrl-C" if name == "SIGINT" else name
        if self._on_request is not None:
            self._on_request()


def _handle_signals(handle: Callable[[int, FrameType | None], Any]) -> dict[int, Any]:
    """Sets the handler of all signals that are not ignored, and returns those there were."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    numbers = [getattr(signal, name) for name in SIGNALS]
    heard = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]  # `nohup`
    return {number: signal.signal(number, handle) for number in heard}


def _set_handlers(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
