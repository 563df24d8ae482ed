"""Schedules against Keras's own, and against closed forms where Keras has none."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from xml.etree import ElementTree

import keras
import numpy as np
import pytest

from callbacks import LearningRateScheduler, plot_schedules, schedules
from callbacks.schedules import Range, get_schedule, parameters_of
from tests.callbacks.helpers import BASE, RateTrace, plain_model, simulate

EPOCHS = 100
keras_schedules = keras.optimizers.schedules

# name, parameters, and Keras's schedule over EPOCHS steps with initial rate 1
AGAINST_KERAS: list[tuple[str, dict[str, Any], Any]] = [
    (
        "step",
        {"factor": 0.5, "every": 0.1},
        keras_schedules.ExponentialDecay(1.0, EPOCHS // 10, 0.5, staircase=True),
    ),
    (
        "step",
        {"factor": 0.3, "every": 0.25},
        keras_schedules.ExponentialDecay(1.0, EPOCHS // 4, 0.3, staircase=True),
    ),
    ("exponential", {"rate": 3.0}, keras_schedules.ExponentialDecay(1.0, EPOCHS, math.exp(-3.0))),
    ("inverse_time", {"rate": 4.0}, keras_schedules.InverseTimeDecay(1.0, EPOCHS, 4.0)),
    ("linear", {"final": 0.05}, keras_schedules.PolynomialDecay(1.0, EPOCHS, 0.05, power=1.0)),
    # Keras makes the cut in the step after the boundary, this schedule at the boundary.
    (
        "piecewise_constant",
        {"boundary": 0.7, "value": 0.2},
        keras_schedules.PiecewiseConstantDecay([69], [1.0, 0.2]),
    ),
    ("cosine", {"final": 0.01}, keras_schedules.CosineDecay(1.0, EPOCHS, alpha=0.01)),
    ("cosine", {"final": 0.0}, keras_schedules.CosineDecay(1.0, EPOCHS)),
    (
        "polynomial",
        {"power": 2.5, "final": 0.05},
        keras_schedules.PolynomialDecay(1.0, EPOCHS, 0.05, power=2.5),
    ),
    (
        "polynomial",
        {"power": 0.5, "final": 0.0},
        keras_schedules.PolynomialDecay(1.0, EPOCHS, 0.0, power=0.5),
    ),
    (
        "piecewise_constant",
        {"boundary": (0.3, 0.6, 0.9), "value": (0.5, 0.2, 0.1)},
        keras_schedules.PiecewiseConstantDecay([29, 59, 89], [1.0, 0.5, 0.2, 0.1]),
    ),
]

# cycles, stretch, peak: Keras repeats its cycles for ever, and begins one more at the very end.
RESTARTS = [(1, 1.0, 1.0), (4, 1.0, 0.7), (2, 3.0, 0.5), (3, 2.0, 1.0), (5, 1.5, 0.9)]

CLOSED_FORMS: list[tuple[str, dict[str, float], Callable[[Any], Any]]] = [
    ("constant", {}, np.ones_like),
    ("inverse_sqrt", {"rate": 8.0}, lambda p: (1 + 8 * p) ** -0.5),
    ("exponential", {"rate": 0.0}, np.ones_like),
    ("inverse_time", {"rate": 0.0}, np.ones_like),
    ("linear", {"final": 1.0}, np.ones_like),
]


@pytest.mark.parametrize(("name", "parameters", "reference"), AGAINST_KERAS)
def test_equals_kerass_schedule(name: str, parameters: dict[str, float], reference: Any) -> None:
    schedule = get_schedule(name, parameters)
    ours = [schedule(epoch / EPOCHS) for epoch in range(EPOCHS + 1)]
    theirs = [float(reference(epoch)) for epoch in range(EPOCHS + 1)]
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize(("name", "parameters", "formula"), CLOSED_FORMS)
def test_equals_the_closed_form(
    name: str, parameters: dict[str, float], formula: Callable[[Any], Any]
) -> None:
    progress = np.linspace(0, 1, 101)
    schedule = get_schedule(name, parameters)
    np.testing.assert_allclose([schedule(p) for p in progress], formula(progress), rtol=1e-12)


@pytest.mark.parametrize(("cycles", "stretch", "peak"), RESTARTS)
def test_restarts_equal_kerass(cycles: int, stretch: float, peak: float) -> None:
    parameters = {"cycles": cycles, "stretch": stretch, "peak": peak, "final": 0.02}
    schedule = get_schedule("cosine_restarts", parameters)
    steps = 200
    first = steps / sum(stretch**cycle for cycle in range(cycles))
    restarts = keras_schedules.CosineDecayRestarts(1.0, first, stretch, peak, alpha=0.02)
    # Where Keras's float32 cannot tell on which side of a restart a step lies, neither do we ask.
    edges = [first * sum(stretch**i for i in range(cycle)) for cycle in range(1, cycles + 1)]
    chosen = [step for step in range(steps) if all(abs(step - edge) > 0.01 for edge in edges)]
    np.testing.assert_allclose(
        [schedule(step / steps) for step in chosen],
        [float(restarts(step)) for step in chosen],
        rtol=2e-4,
        atol=2e-5,
    )


def test_restarts_begin_exactly_at_their_epochs_and_the_last_cycle_ends_with_the_training() -> None:
    for cycles in (2, 3, 5, 7, 10):
        parameters = {"cycles": cycles, "stretch": 1.0, "peak": 0.5, "final": 0.0}
        schedule = get_schedule("cosine_restarts", parameters)
        heads = [schedule(cycle / cycles) for cycle in range(cycles)]
        assert heads == pytest.approx([0.5**cycle for cycle in range(cycles)], rel=1e-12)
        assert schedule(1.0) == 0.0


def test_one_cycle_is_that_of_its_source() -> None:
    def annealed(begin: float, end: float, part: float) -> float:
        return begin + (end - begin) * (1 - math.cos(math.pi * part)) / 2

    schedule = get_schedule("one_cycle", {"start": 0.04, "rise": 0.3, "final": 1e-3})
    for step in range(101):
        progress = step / 100
        if progress < 0.3:
            assert schedule(progress) == pytest.approx(annealed(0.04, 1, progress / 0.3))
        else:
            assert schedule(progress) == pytest.approx(annealed(1, 1e-3, (progress - 0.3) / 0.7))
    assert schedule(0.0) == pytest.approx(0.04)
    assert schedule(0.3) == 1.0
    assert schedule(1.0) == pytest.approx(1e-3)
    # All rise, and none.
    all_rise = get_schedule("one_cycle", {"start": 0.1, "rise": 8, "final": 0.0}).over(8)
    assert all_rise(1.0) == 1.0
    assert get_schedule("one_cycle", {"start": 0.1, "rise": 0.0, "final": 0.0})(0.0) == 1.0


def test_edges() -> None:
    assert get_schedule("linear", {"final": 0.25})(0.0) == 1.0
    assert get_schedule("linear", {"final": 0.25})(1.0) == 0.25
    assert get_schedule("cosine", {"final": 0.25})(0.0) == 1.0
    assert get_schedule("cosine", {"final": 0.25})(1.0) == 0.25
    assert get_schedule("inverse_sqrt", {"rate": 3.0})(1.0) == 0.5
    assert get_schedule("piecewise_constant", {"boundary": 0.3, "value": 0.1})(3 / 10) == 0.1
    assert get_schedule("piecewise_constant", {"boundary": 0.3, "value": 0.1})(2 / 10) == 1.0


@pytest.mark.parametrize("pieces", [3, 7, 10, 20, 30])
def test_step_cuts_exactly_at_multiples_despite_floating_point(pieces: int) -> None:
    schedule = get_schedule("step", {"factor": 0.5, "every": 1 / pieces})
    assert [schedule(k / pieces) for k in range(pieces + 1)] == [0.5**k for k in range(pieces + 1)]
    just_before = [schedule((k - 1e-6) / pieces) for k in range(1, pieces + 1)]
    assert just_before == [0.5 ** (k - 1) for k in range(1, pieces + 1)]


FALLING = [name for name in schedules.SCHEDULES if name not in ("cosine_restarts", "one_cycle")]


@pytest.mark.parametrize("name", schedules.SCHEDULES)
def test_a_run_of_one_epoch_has_the_first_value(name: str) -> None:
    parameters = {parameter: search.default for parameter, search in parameters_of(name).items()}
    first = get_schedule(name, parameters)(0.0)
    assert first == pytest.approx(0.04 if name == "one_cycle" else 1.0)
    scheduler = LearningRateScheduler(get_schedule(name, parameters), 1)
    trace = RateTrace()
    simulate(plain_model(), [scheduler, trace], 1)
    assert trace.rates == [np.float32(float(np.float32(BASE)) * first)]


@pytest.mark.parametrize("name", FALLING)
def test_defaults_start_at_the_base_rate_and_never_exceed_it(name: str) -> None:
    ranges = parameters_of(name)
    for parameters in (
        {parameter: search.min for parameter, search in ranges.items()},
        {parameter: search.default for parameter, search in ranges.items()},
        {parameter: search.max for parameter, search in ranges.items()},
    ):
        factors = [get_schedule(name, parameters)(progress) for progress in np.linspace(0, 1, 51)]
        assert factors[0] == 1.0
        assert all(0 < later <= earlier for earlier, later in itertools.pairwise(factors))


def test_a_range_without_validity_is_its_own_limit() -> None:
    assert Range(1.0, 8.0, 3.0).limits == (1.0, 8.0)
    assert Range(1.0, 8.0, 3.0, valid=(0.5, 9.0)).limits == (0.5, 9.0)


def test_ranges_contain_their_default_and_lie_within_what_is_valid() -> None:
    for search, _ in schedules.all_parameters().values():
        assert search.limits[0] <= search.min < search.default < search.max <= search.limits[1]
        assert search.min > 0 or not search.log


def test_parameters_in_the_order_of_the_signature() -> None:
    assert list(parameters_of("step")) == ["factor", "every"]
    assert list(parameters_of("piecewise_constant")) == ["boundary", "value"]
    assert parameters_of("constant") == {}


def test_shared_parameters_list_every_schedule_that_uses_them() -> None:
    users = {name: used_by for name, (_, used_by) in schedules.all_parameters().items()}
    assert users == {
        "factor": ["step"],
        "every": ["step"],
        "rate": ["exponential", "inverse_time", "inverse_sqrt"],
        "final": ["linear", "polynomial", "cosine", "cosine_restarts", "one_cycle"],
        "power": ["polynomial"],
        "cycles": ["cosine_restarts"],
        "stretch": ["cosine_restarts"],
        "peak": ["cosine_restarts"],
        "start": ["one_cycle"],
        "rise": ["one_cycle"],
        "boundary": ["piecewise_constant"],
        "value": ["piecewise_constant"],
    }


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        (
            "cosin",
            {},
            "schedule 'cosin' is not known. Did you mean 'cosine'.* Known: constant, cos",
        ),
        ("cosine", {}, "schedule 'cosine' takes final; missing: final"),
        ("step", {"factor": 0.5}, "takes factor, every; missing: every"),
        (
            "cosine",
            {"final": 0.1, "finale": 0.2},
            "takes final; got finale too. Did you mean 'final'",
        ),
        ("constant", {"rate": 1.0}, "takes no parameters; got rate too"),
        ("step", {"factor": 1.5, "every": 0.1}, "factor must be .* 1e-06 to 1, but got 1.5"),
        ("step", {"factor": 0.0, "every": 0.1}, "factor must be .*, but got 0.0"),
        ("step", {"factor": 0.5, "every": 0.0}, "every must be .*, but got 0.0"),
        ("exponential", {"rate": -0.3}, "rate must be .* 0 to 1e\\+06, but got -0.3"),
        ("exponential", {"rate": math.nan}, "rate must be .*, but got nan"),
        ("linear", {"final": "0.1"}, "final must be a number .*, but got '0.1'"),
        ("linear", {"final": -0.1}, "final must be .* 0 to 1, but got -0.1"),
        ("piecewise_constant", {"boundary": -0.1, "value": 0.1}, "boundary must .*, but got -0.1"),
        ("step", {"factor": 0.5, "every": 2e6}, "every must be .* 1e-06 to 1e\\+06, but got"),
        ("piecewise_constant", {"boundary": 0.5, "value": 2}, "value must .*, but got 2"),
        ("piecewise_constant", {"boundary": (), "value": 0.1}, r"or several, .* but got \(\)"),
        ("piecewise_constant", {"boundary": (0.1, -2), "value": 0.1}, r"but got \(0.1, -2\)"),
        ("piecewise_constant", {"boundary": (0.1, 0.2), "value": 0.1}, "but got 1 and 2"),
        ("step", {"factor": (0.5, 0.5), "every": 0.1}, r"factor must be a number from .* but got"),
        ("polynomial", {"power": 0.0, "final": 0.1}, "power must be .* 0.001 to 100, but got 0.0"),
        (
            "cosine_restarts",
            {"cycles": 2.5, "stretch": 2.0, "peak": 1.0, "final": 0.0},
            "cycles must be an integer from 1 to 100, but got 2.5",
        ),
        ("one_cycle", {"start": 0.1, "rise": 0.3}, "takes start, rise, final; missing: final"),
    ],
)
def test_mistakes_are_refused(name: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        get_schedule(name, parameters)


@pytest.mark.parametrize(("every", "epochs"), [(3, 10), (10, 27), (7.5, 30), (1, 4), (40, 30)])
def test_step_every_so_many_epochs_is_kerass_staircase(every: float, epochs: int) -> None:
    schedule = get_schedule("step", {"factor": 0.5, "every": every}).over(epochs)
    staircase = keras_schedules.ExponentialDecay(1.0, every, 0.5, staircase=True)
    ours = [schedule(epoch / epochs) for epoch in range(epochs + 1)]
    assert ours == [float(staircase(epoch)) for epoch in range(epochs + 1)]


def test_boundaries_and_rises_in_epochs() -> None:
    parameters = {"boundary": (20, 0.9, 7), "value": (0.5, 0.2, 0.1)}  # 7, 20 and 27 of 30 epochs
    schedule = get_schedule("piecewise_constant", parameters).over(30)
    cuts = keras_schedules.PiecewiseConstantDecay([6, 19, 26], [1.0, 0.5, 0.2, 0.1])
    ours = [schedule(epoch / 30) for epoch in range(31)]
    np.testing.assert_allclose(ours, [float(cuts(epoch)) for epoch in range(31)], rtol=1e-6)
    rises = {"start": 0.1, "final": 0.01}
    in_epochs = get_schedule("one_cycle", rises | {"rise": 6}).over(20)
    as_fraction = get_schedule("one_cycle", rises | {"rise": 0.3})
    assert [in_epochs(p / 50) for p in range(51)] == [as_fraction(p / 50) for p in range(51)]


def test_epochs_without_a_length_of_the_training_are_refused() -> None:
    schedule = get_schedule("step", {"factor": 0.5, "every": 10})
    with pytest.raises(ValueError, match=r"schedule 'step': every=10 is in epochs: take over\("):
        schedule(0.5)
    fraction = get_schedule("step", {"factor": 0.5, "every": 0.25})
    assert fraction(0.5) == fraction.over(1000)(0.5) == 0.25


def test_the_search_range_is_not_the_limit() -> None:
    assert parameters_of("exponential")["rate"].max < 50.0
    assert get_schedule("exponential", {"rate": 50.0})(1.0) == math.exp(-50)


def square_root(progress: float, *, depth: Annotated[float, Range(0.1, 0.9, 0.5)]) -> float:
    """A schedule of one's own."""
    return 1 - depth * math.sqrt(progress)


def clashing(progress: float, *, rate: Annotated[float, Range(0.1, 0.9, 0.5)]) -> float:
    """Uses a name that the schedules have with another range."""
    return 1 - rate * progress


def bare(progress: float, *, depth: float) -> float:
    """Lacks a range."""
    return 1 - depth * progress


def test_a_schedule_of_ones_own_takes_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(schedules.SCHEDULES, "mine", f"{__name__}:square_root")
    assert parameters_of("mine") == {"depth": Range(0.1, 0.9, 0.5)}
    assert get_schedule("mine", {"depth": 0.8})(0.25) == 0.6
    assert schedules.all_parameters()["depth"] == (Range(0.1, 0.9, 0.5), ["mine"])


def test_one_name_with_two_ranges_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(schedules.SCHEDULES, "mine", f"{__name__}:clashing")
    with pytest.raises(ValueError, match=r"'exponential' and 'mine' .* rate .*: rename one"):
        schedules.all_parameters()


def test_a_parameter_without_a_range_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(schedules.SCHEDULES, "mine", f"{__name__}:bare")
    with pytest.raises(ValueError, match="schedule 'mine': annotate the parameter depth"):
        parameters_of("mine")


def test_the_picture_is_what_the_functions_give_now() -> None:
    drawn = plot_schedules.picture(plot_schedules.curves())
    assert plot_schedules.FILE.read_text() == drawn
    assert len(drawn) < 60_000
    paths = [node.get("d", "") for node in ElementTree.fromstring(drawn).iter() if node.get("d")]
    assert len(paths) == len(schedules.SCHEDULES) + 2
    linear = paths[list(schedules.SCHEDULES).index("linear")]
    assert linear.startswith("M0,0.0 ")
    assert linear.endswith(f" {plot_schedules.WIDTH},{0.99 * plot_schedules.HEIGHT:.1f}")


def test_the_picture_is_written_where_one_says(tmp_path: Path) -> None:
    plot_schedules.main([str(tmp_path / "mine.svg")])
    assert (tmp_path / "mine.svg").read_text() == plot_schedules.FILE.read_text()
