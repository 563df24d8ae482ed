"""Training ends when its time has run out; the clock here is one that a test turns."""

import itertools

import pytest

from callbacks import TimeBudget
from tests.callbacks.helpers import plain_model, simulate


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock takes 10 seconds, from 1000 on."""
    ticks = itertools.count(1000.0, 10.0)
    monkeypatch.setattr("callbacks.time_budget.time.perf_counter", lambda: next(ticks))


@pytest.mark.parametrize(("seconds", "epochs"), [(5.0, 1), (25.0, 3), (1e9, 6)])
def test_ends_after_the_epoch_in_which_the_time_runs_out(seconds: float, epochs: int) -> None:
    budget = TimeBudget(seconds)
    for _ in range(2):  # each fit has all of it
        assert len(simulate(plain_model(), [budget], 6).history["loss"]) == epochs
        assert budget.stopped_epoch == (epochs - 1 if epochs < 6 else None)


def test_the_time_may_have_begun_before_the_training() -> None:
    budget = TimeBudget(25.0, started=970.0)
    assert len(simulate(plain_model(), [budget], 6).history["loss"]) == 1


def test_no_time_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="seconds must be at least 0 and finite, but got nan"):
        TimeBudget(float("nan"))
