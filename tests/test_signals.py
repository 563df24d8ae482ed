"""Signals: the first asks a search to stop, the second insists; none is lost or overruled."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
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


def test_signals_that_nohup_ignores_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.requested
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_no_handler_is_set() -> None:
    with ThreadPoolExecutor() as pool:
        assert pool.submit(StopRequest().__enter__).result().requested is False
