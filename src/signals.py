"""Signals: `Interruption` ends a block at once; `StopRequest` lets the block end itself."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class TrialInterruptedError(Exception):
    """A trial was given up because the search stops; it has no result."""


class _SignalBlock:
    """Handles `SIGNALS` within a `with` block, but for those that `nohup` ignores.

    Outside the main thread, where Python has no signals, nothing is handled.
    """

    def __enter__(self) -> Self:
        self._before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            heard = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._handle) for number in heard}
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        raise NotImplementedError


class Interruption(_SignalBlock):
    """Within its `with` block, a signal raises `KeyboardInterrupt`, and surely.

    TensorFlow, and code that catches all exceptions, may swallow the exception or turn it into
    another; the end of the block then raises it anew.
    """

    _came = False

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        super().__exit__(kind, error, traceback)
        if self._came and not isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt from error

    def _handle(self, number: int, frame: FrameType | None) -> NoReturn:
        self._came = True
        raise KeyboardInterrupt


class StopRequest(_SignalBlock):
    """Within its `with` block, the first signal asks to stop; a second raises `KeyboardInterrupt`.

    The first signal calls `on_request`, which must be quick, and is known as `signal_name`.
    """

    def __init__(self, on_request: Callable[[], None] = lambda: None) -> None:
        self.signal_name = ""
        self._on_request = on_request

    @property
    def requested(self) -> bool:
        """Whether to stop."""
        return bool(self.signal_name)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.signal_name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        self._on_request()
