"""Grid search: every point once, in an order of which any beginning is an even sample."""

from collections.abc import Callable
from typing import Any

import keras_tuner as kt
import pytest

from src.errors import UserError
from tests.tuners.driving import distinct, make, run


def choices(*counts: int) -> kt.HyperParameters:
    hp = kt.HyperParameters()
    for index, count in enumerate(counts):
        hp.Choice(f"d{index}", list(range(count)))
    return hp


def conditional() -> kt.HyperParameters:
    """2 × (1 + 3 + 2·2) × 2 points, as `decay` is in one branch and `depth` below another."""
    hp = kt.HyperParameters()
    hp.Boolean("bias")
    hp.Choice("optimizer", ["sgd", "adamw", "tree"])
    with hp.conditional_scope("optimizer", ["adamw"]):
        hp.Choice("decay", [0.1, 0.2, 0.3])
    with hp.conditional_scope("optimizer", ["tree"]):
        hp.Choice("depth", [1, 2])
        hp.Choice("width", [3, 4])
    hp.Choice("units", [16, 32])
    return hp


@pytest.mark.parametrize(
    ("space", "size"),
    [(choices(1), 1), (choices(2, 2, 2), 8), (choices(9, 8, 7), 504), (conditional(), 32)],
)
def test_every_point_is_proposed_exactly_once(space: kt.HyperParameters, size: int) -> None:
    oracle = make("grid", space)
    points = run(oracle, 1000)
    assert oracle.size == oracle.total() == len(points) == distinct(points) == size
    if "optimizer" in points[0]:
        assert {(point["optimizer"], *(set(point) & {"decay", "depth"})) for point in points} == {
            ("sgd",),
            ("adamw", "decay"),
            ("tree", "depth"),
        }


@pytest.mark.parametrize(
    ("counts", "least"),
    [
        ((10, 10), (7, 7)),
        ((10, 9), (6, 9)),
        # A plain golden stride shows 5 and 4 of 10 values in the middle.
        ((8, 10, 7), (5, 7, 5)),
        ((13, 10, 7), (7, 7, 5)),
        ((2,) * 8, (2,) * 8),
        # And here never moves most of them: the size has more digits than a float.
        ((10,) * 30, (3,) * 30),
    ],
)
def test_the_first_ten_points_are_spread_over_every_hyperparameter(
    counts: tuple[int, ...], least: tuple[int, ...]
) -> None:
    points = run(make("grid", choices(*counts), max_trials=10), 10)
    values = [len({point[f"d{index}"] for point in points}) for index in range(len(counts))]
    assert all(found >= wanted for found, wanted in zip(values, least, strict=True)), values


def test_no_trial_waits_for_another_and_the_seed_does_not_matter() -> None:
    oracle = make("grid", choices(3, 4), seed=1)
    trials = [oracle.create_trial("") for _ in range(12)]
    assert [trial.hyperparameters.values for trial in trials] == run(
        make("grid", choices(3, 4)), 12
    )
    assert oracle.create_trial("").status == "STOPPED"


@pytest.mark.parametrize(
    ("declare", "expected"),
    [
        (lambda hp: hp.Int("h", 1, 4), [1, 2, 3, 4]),
        (lambda hp: hp.Int("h", 0, 20), [0, 5, 10, 15, 20]),
        (lambda hp: hp.Int("h", 16, 256, sampling="log"), [16, 32, 64, 128, 256]),
        (lambda hp: hp.Int("h", 1, 4, sampling="log"), [1, 2, 3, 4]),
        (lambda hp: hp.Int("h", 0, 70, step=10), [0, 10, 20, 30, 40, 50, 60, 70]),
        (lambda hp: hp.Int("h", 2, 32, step=2, sampling="log"), [2, 4, 8, 16, 32]),
        (lambda hp: hp.Float("h", 0.0, 0.5), [0.0, 0.125, 0.25, 0.375, 0.5]),
        (lambda hp: hp.Float("h", 1e-4, 1.0, sampling="log"), [1e-4, 1e-3, 0.01, 0.1, 1.0]),
        (lambda hp: hp.Float("h", 0.0, 1.0, step=0.5), [0.0, 0.5, 1.0]),
        # Nine digits of this number are above it.
        (lambda hp: hp.Float("h", 100_000.9375, 100_000.9375), [100_000.9375]),
        (lambda hp: hp.Fixed("h", 7), [7]),
        (lambda hp: hp.Boolean("h"), [False, True]),
    ],
)
def test_values_of_each_kind(
    declare: Callable[[kt.HyperParameters], Any], expected: list[Any]
) -> None:
    hp = kt.HyperParameters()
    declare(hp)
    assert sorted(point["h"] for point in run(make("grid", hp), 100)) == expected


def test_grid_points_come_from_the_configuration() -> None:
    hp = kt.HyperParameters()
    hp.Float("rate", 0.0, 1.0)
    assert make("grid", hp, grid_points=9).size == 9


def test_a_grid_nobody_can_mean_is_refused_unless_it_is_capped() -> None:
    with pytest.raises(UserError, match=r"the grid has 11,000 points; pin .* tuner\.max_trials"):
        make("grid", choices(10, 10, 10, 11))
    capped = make("grid", choices(10, 10, 10, 11), max_trials=50)
    assert capped.total() == 50
    assert capped.plan() == ["50 trials: an even sample of the 11,000 points of the grid"]
    assert make("grid", choices(100, 100)).plan() == ["10,000 trials: every point of the grid"]
