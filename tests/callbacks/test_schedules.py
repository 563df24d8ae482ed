"""Schedules against Keras's own, and against closed forms where Keras has none."""

import math
from typing import Annotated, Any

import keras
import numpy as np
import pytest

from callbacks import WarmUp, schedules
from callbacks.schedules import get_schedule, parameters_of
from callbacks.tunable import Range
from tests.benchmarks.schedules import FILE, picture

EPOCHS = 100
own = keras.optimizers.schedules

# name, parameters, and Keras's schedule over EPOCHS steps with initial rate 1
AGAINST_KERAS: list[tuple[str, dict[str, Any], Any]] = [
    ("step", {"factor": 0.5, "every": 0.1}, own.ExponentialDecay(1.0, 10, 0.5, staircase=True)),
    ("exponential", {"rate": 3.0}, own.ExponentialDecay(1.0, EPOCHS, math.exp(-3.0))),
    ("inverse_time", {"rate": 4.0}, own.InverseTimeDecay(1.0, EPOCHS, 4.0)),
    ("linear", {"final": 0.05}, own.PolynomialDecay(1.0, EPOCHS, 0.05, power=1.0)),
    ("polynomial", {"power": 2.5, "final": 0.05}, own.PolynomialDecay(1.0, EPOCHS, 0.05, 2.5)),
    ("cosine", {"final": 0.01}, own.CosineDecay(1.0, EPOCHS, alpha=0.01)),
    # Keras makes the cut in the step after the boundary, this schedule at the boundary.
    (
        "piecewise_constant",
        {"boundary": (0.3, 0.9, 0.6), "value": (0.5, 0.2, 0.1)},
        own.PiecewiseConstantDecay([29, 59, 89], [1.0, 0.5, 0.2, 0.1]),
    ),
]


@pytest.mark.parametrize(("name", "parameters", "reference"), AGAINST_KERAS)
def test_equals_kerass_schedule(name: str, parameters: dict[str, Any], reference: Any) -> None:
    schedule = get_schedule(name, parameters)
    steps = [*range(0, EPOCHS + 1, 5), 29, 59, 89, 99]
    ours = [schedule(step / EPOCHS) for step in steps]
    theirs = [float(reference(step)) for step in steps]
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-7)


def test_restarts_equal_kerass() -> None:
    parameters = {"cycles": 3, "stretch": 2.0, "peak": 0.7, "final": 0.02}
    schedule = get_schedule("cosine_restarts", parameters)
    # Keras repeats its cycles for ever, and begins one more at the very end.
    restarts = own.CosineDecayRestarts(1.0, 10, 2.0, 0.7, alpha=0.02)
    steps = range(1, 70, 4)
    ours, theirs = [schedule(s / 70) for s in steps], [float(restarts(s)) for s in steps]
    np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5)


def test_restarts_begin_exactly_at_their_epochs_and_the_last_cycle_ends_with_the_training() -> None:
    for cycles in (2, 3, 7, 10):
        parameters = {"cycles": cycles, "stretch": 1.0, "peak": 0.5, "final": 0.0}
        schedule = get_schedule("cosine_restarts", parameters)
        heads = [schedule(cycle / cycles) for cycle in range(cycles)]
        assert [*heads, schedule(1.0)] == pytest.approx([*(0.5**i for i in range(cycles)), 0.0])


def test_closed_forms_where_keras_has_no_such_schedule() -> None:
    assert get_schedule("inverse_sqrt", {"rate": 8.0})(0.375) == 0.5
    schedule = get_schedule("one_cycle", {"start": 0.04, "rise": 0.3, "final": 1e-3})
    assert [schedule(progress) for progress in (0.0, 0.15, 0.3, 0.65, 1.0)] == pytest.approx(
        [0.04, (0.04 + 1) / 2, 1.0, (1 + 1e-3) / 2, 1e-3]
    )
    assert get_schedule("one_cycle", {"start": 0.1, "rise": 8, "final": 0.0})(1.0, epochs=8) == 1.0
    assert get_schedule("one_cycle", {"start": 0.1, "rise": 0.0, "final": 0.0})(0.0) == 1.0


@pytest.mark.parametrize("pieces", [3, 7, 10, 30])
def test_step_cuts_exactly_at_multiples_despite_floating_point(pieces: int) -> None:
    schedule = get_schedule("step", {"factor": 0.5, "every": 1 / pieces})
    assert [schedule(k / pieces) for k in range(pieces + 1)] == [0.5**k for k in range(pieces + 1)]
    assert [schedule((k - 1e-6) / pieces) for k in (1, pieces)] == [1.0, 0.5 ** (pieces - 1)]


def values_of(name: str, which: str) -> dict[str, Any]:
    ranges = parameters_of(name)
    found = {parameter: getattr(search, which) for parameter, search in ranges.items()}
    return {p: (value,) if ranges[p].more else value for p, value in found.items()}


@pytest.mark.parametrize("name", schedules.SCHEDULES)
def test_schedules_fall_from_the_base_rate_on_all_but_those_that_rise(name: str) -> None:
    for which in ("min", "default", "max"):
        schedule = get_schedule(name, values_of(name, which))
        factors = [schedule(progress) for progress in np.linspace(0, 1, 51)]
        assert all(0 < factor <= 1 for factor in factors)
        assert factors[0] == 1.0 or name == "one_cycle"
        if name not in ("cosine_restarts", "one_cycle"):
            assert factors == sorted(factors, reverse=True)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("cosin", {}, "schedule 'cosin' is not known. Did you mean 'cosine'.* Known: constant, c"),
        ("step", {"factor": 0.5}, "missing .* 'every'"),
        ("constant", {"rate": 1.0}, "unexpected .* 'rate'"),
        (
            "step",
            {"factor": 1.5, "every": 0.1},
            "'step': factor must be .* 1e-06 .* 1, but got 1.5",
        ),
        ("exponential", {"rate": math.nan}, "rate must be .*, but got nan"),
        ("piecewise_constant", {"boundary": (0.1, -2), "value": (0.1, 0.1)}, "boundary .* got -2"),
        ("piecewise_constant", {"boundary": (0.1, 0.2), "value": (0.1,)}, "2 boundaries .* got 1"),
    ],
)
def test_mistakes_are_refused(name: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        get_schedule(name, parameters)


def test_lengths_in_epochs_are_fractions_of_the_training() -> None:
    values = {"value": (0.5, 0.2, 0.1)}
    in_epochs = get_schedule("piecewise_constant", values | {"boundary": (20, 0.9, 7)})
    fractions = get_schedule("piecewise_constant", values | {"boundary": (20 / 30, 0.9, 7 / 30)})
    assert [in_epochs(p / 50, 30) for p in range(51)] == [fractions(p / 50) for p in range(51)]
    with pytest.raises(ValueError, match="is in epochs: give the schedule their number"):
        in_epochs(0.5)


def square_root(progress: float, *, depth: Annotated[float, Range(0.1, 0.9, 0.5)]) -> float:
    return 1 - depth * math.sqrt(progress)


def clashing(progress: float, *, rate: Annotated[float, Range(0.1, 0.9, 0.5)]) -> float:
    return 1 - rate * progress


def test_a_schedule_of_ones_own_takes_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(schedules.SCHEDULES, "mine", f"{__name__}:square_root")
    assert get_schedule("mine", {"depth": 0.8})(0.25) == 0.6
    assert schedules.all_parameters()["depth"] == (Range(0.1, 0.9, 0.5), ["mine"])
    monkeypatch.setitem(schedules.SCHEDULES, "mine", f"{__name__}:clashing")
    with pytest.raises(ValueError, match=r"'exponential' and 'mine' .* rate different ranges"):
        schedules.all_parameters()


def test_a_linear_warm_up_equals_kerass() -> None:
    reference = own.CosineDecay(0.2, 9, alpha=0.1, warmup_target=1.0, warmup_steps=3)
    cosine = get_schedule("cosine", {"final": 0.1})
    schedule = WarmUp("linear", 3, start=0.2).before(cosine, 3 / 12)
    ours = [schedule(epoch / 12) for epoch in range(13)]
    np.testing.assert_allclose(ours, [float(reference(e)) for e in range(13)], rtol=1e-5)


def test_any_schedule_begins_where_the_warm_up_ends() -> None:
    for name in schedules.SCHEDULES:
        schedule = get_schedule(name, values_of(name, "default"))
        warmed = WarmUp("exponential", 1, start=0.25).before(schedule, 0.2)
        assert [warmed(progress) for progress in (0.0, 0.1)] == pytest.approx([0.25, 0.5])
        for progress in (0.0, 0.3, 0.999):
            assert warmed(0.2 + 0.8 * progress) == pytest.approx(schedule(progress))


def test_mistakes_of_a_warm_up_are_refused() -> None:
    shape: Any = "quadratic"
    with pytest.raises(
        ValueError, match="shape must be linear or exponential, but got 'quadratic'"
    ):
        WarmUp(shape, 1.0)
    with pytest.raises(ValueError, match=r"length must be at least 1e-06 and finite, but got 0\.0"):
        WarmUp("linear", 0.0)
    with pytest.raises(
        ValueError, match=r"start must be at least 1e-09 and at most 1, but got 0\.0"
    ):
        WarmUp("exponential", 1.0, start=0.0)


def test_the_picture_is_what_the_functions_give_now() -> None:
    assert FILE.read_text() == picture()
