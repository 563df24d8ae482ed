"""Signals: the first asks a search to stop, the second insists; `nohup` is respected."""

import os
import signal
import threading
from contextlib import suppress

import pytest

from src.signals import Interruption, StopRequest


@pytest.mark.parametrize(
    ("number", "name"),
    [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "SIGHUP")],
)
def test_the_first_signal_asks_and_the_second_raises(number: signal.Signals, name: str) -> None:
    named: list[str] = []
    before = signal.getsignal(number)
    with StopRequest(lambda: named.append(stop.signal_name)) as stop:
        assert not stop.requested
        os.kill(os.getpid(), number)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert named == [name]
    assert signal.getsignal(number) is before


def test_an_interruption_that_a_library_swallows_is_raised_at_the_end() -> None:
    with pytest.raises(KeyboardInterrupt), Interruption(), suppress(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)


def test_an_interruption_that_a_library_turns_into_another_error_stays_one() -> None:
    def call_library() -> None:
        with Interruption():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            except KeyboardInterrupt as error:
                raise ValueError("as TensorFlow does") from error

    with pytest.raises(KeyboardInterrupt):
        call_library()


def test_ignored_signals_and_other_threads_are_left_alone() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.requested
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    handlers: list[object] = []

    def enter() -> None:
        with StopRequest():
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGTERM)]
