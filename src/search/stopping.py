"""Signals that ask a search to stop: the first one decently, the second at once."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class TrialInterruptedError(Exception):
    """A trial was given up because the search stops; it has no result."""


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
        if threading.current_thread() is threading.main_thread():
            for name in SIGNALS:
                number = getattr(signal, name)
                if signal.getsignal(number) != signal.SIG_IGN:  # as after `nohup`
                    self._handlers[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        name = signal.Signals(number).name
        self.signal_name = "Ctrl-C" if name == "SIGINT" else name
        if self._on_request is not None:
            self._on_request()
