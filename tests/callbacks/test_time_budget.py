"""Training ends when its time has run out; the clock here is one that a test turns."""

import pytest

from callbacks import TimeBudget
from tests.callbacks.helpers import plain_model, simulate


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time; each look at the clock takes 10 seconds."""
    now = [1000.0]

    def tick() -> float:
        now[0] += 10.0
        return now[0]

    monkeypatch.setattr("callbacks.time_budget.time.perf_counter", tick)
    return now


@pytest.mark.parametrize(("seconds", "epochs"), [(5.0, 1), (25.0, 3), (1e9, 6)])
def test_ends_after_the_epoch_in_which_the_time_runs_out(
    clock: list[float], seconds: float, epochs: int
) -> None:
    budget = TimeBudget(seconds)
    for _ in range(2):  # each fit has all of it
        before = clock[0]
        history = simulate(plain_model(), [budget], 6)
        assert len(history.history["loss"]) == epochs
        assert budget.stopped_epoch == (epochs - 1 if epochs < 6 else None)
        assert clock[0] == before + 10.0 * (epochs + 1)  # a look at the start, and one an epoch


def test_the_time_may_have_begun_before_the_training(clock: list[float]) -> None:
    budget = TimeBudget(25.0, started=clock[0] - 10.0)
    assert len(simulate(plain_model(), [budget], 6).history["loss"]) == 2


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_no_time_at_all_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match=f"seconds must be above 0, but got {seconds}"):
        TimeBudget(seconds)
