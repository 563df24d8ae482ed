"""The first signal asks, the second insists."""

import os
import signal

import pytest

from src.signals import StopRequest


@pytest.mark.parametrize(
    ("number", "name"),
    [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "SIGHUP")],
)
def test_the_first_signal_asks_and_the_second_raises(number: signal.Signals, name: str) -> None:
    told: list[str] = []
    before = signal.getsignal(number)
    with StopRequest(lambda: told.append(stop.signal_name)) as stop:
        assert not stop.requested
        os.kill(os.getpid(), number)
        assert stop.requested
        assert stop.signal_name == name
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert told == [name]
    assert signal.getsignal(number) is before


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.requested
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
