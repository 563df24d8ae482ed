"""Grid search: every point once, in an order of which any beginning is an even sample."""

import json
from collections.abc import Callable
from typing import Any

import keras_tuner as kt
import pytest

from src.config.schema import Config
from src.errors import UserError
from src.tuners.grid import GridOracle

OBJECTIVE = kt.Objective("val_loss", "min")


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


def grid(space: kt.HyperParameters, points: int = 5) -> GridOracle:
    return GridOracle(points=points, objective=OBJECTIVE, hyperparameters=space)


def first(oracle: GridOracle, count: int) -> list[dict[str, Any]]:
    return [oracle.propose("")["values"] for _ in range(count)]


def end(oracle: GridOracle, trial: Any, score: float = 1.0) -> None:
    trial.status = "COMPLETED"
    oracle.update_trial(trial.trial_id, {"val_loss": score})
    oracle.end_trial(trial)


@pytest.mark.parametrize(
    ("space", "size"),
    [
        (choices(1), 1),
        (choices(2, 2, 2), 8),
        (choices(10, 10), 100),
        (choices(9, 8, 7), 504),
        (conditional(), 2 * (1 + 3 + 4) * 2),
    ],
)
def test_every_point_is_proposed_exactly_once(space: kt.HyperParameters, size: int) -> None:
    oracle = grid(space)
    assert oracle.size == oracle.total(None) == size
    points = {tuple(sorted(point.items())) for point in first(oracle, size)}
    assert len(points) == size
    assert oracle.propose("") == {"status": "STOPPED", "values": None}
    assert oracle.create_trial("slot0").status == "STOPPED"


def test_inactive_hyperparameters_are_in_no_point() -> None:
    oracle = grid(conditional())
    expected = {
        "sgd": {"bias", "optimizer", "units"},
        "adamw": {"bias", "optimizer", "units", "decay"},
        "tree": {"bias", "optimizer", "units", "depth", "width"},
    }
    for point in first(oracle, oracle.size):
        assert set(point) == expected[point["optimizer"]]


@pytest.mark.parametrize(
    ("counts", "least"),
    [
        ((10, 10), (7, 7)),
        ((9, 10), (7, 7)),
        ((10, 9), (6, 9)),
        ((9, 9), (7, 9)),
        # A plain golden stride shows 5 and 4 of 10 values in the middle.
        ((8, 10, 7), (5, 7, 5)),
        ((13, 10, 7), (7, 7, 5)),
        ((5, 5, 5, 5), (4, 4, 4, 4)),
        ((2,) * 8, (2,) * 8),
        # And here never moves most of them: the size has more digits than a float.
        ((10,) * 30, (3,) * 30),
    ],
)
def test_the_first_ten_points_are_spread_over_every_hyperparameter(
    counts: tuple[int, ...], least: tuple[int, ...]
) -> None:
    points = first(grid(choices(*counts)), 10)
    values = [len({point[f"d{index}"] for point in points}) for index in range(len(counts))]
    assert all(found >= wanted for found, wanted in zip(values, least, strict=True)), values


def test_hyperparameters_do_not_move_together() -> None:
    points = first(grid(choices(10, 10)), 30)
    assert len({(point["d0"] - point["d1"]) % 10 for point in points}) >= 5
    assert len({(point["d0"] + point["d1"]) % 10 for point in points}) >= 5


def test_even_a_small_grids_first_half_has_every_value() -> None:
    points = first(grid(choices(2, 2, 2)), 4)
    assert all({point[f"d{index}"] for point in points} == {0, 1} for index in range(3))


def test_the_order_is_the_same_every_time_whatever_the_seed() -> None:
    oracles = [
        GridOracle(objective=OBJECTIVE, hyperparameters=conditional(), seed=seed) for seed in (1, 2)
    ]
    assert first(oracles[0], 32) == first(oracles[1], 32)


def test_trials_are_handed_out_without_waiting_for_any_to_end() -> None:
    oracle = grid(choices(3, 4))
    trials = [oracle.create_trial(f"slot{slot}") for slot in range(12)]
    assert [trial.status for trial in trials] == ["RUNNING"] * 12
    assert len({tuple(trial.hyperparameters.values.items()) for trial in trials}) == 12
    assert [trial.trial_id for trial in trials] == [f"{number:04d}" for number in range(12)]
    assert oracle.create_trial("slot12").status == "STOPPED"


def test_a_restored_state_continues_where_it_stood() -> None:
    uninterrupted, interrupted = grid(conditional()), grid(conditional())
    for oracle, count in ((uninterrupted, 32), (interrupted, 13)):
        for _ in range(count):
            end(oracle, oracle.create_trial("slot0"))
    waiting = interrupted.create_trial("slot0")
    state = json.loads(json.dumps(interrupted.get_state()))
    trials = json.loads(json.dumps([trial.get_state() for trial in interrupted.trials.values()]))

    restored = grid(conditional())
    for trial in trials:
        restored.trials[trial["trial_id"]] = kt.engine.trial.Trial.from_state(trial)
    restored.set_state(state)
    assert restored.create_trial("slot0").trial_id == waiting.trial_id  # still to be run
    end(restored, restored.trials[waiting.trial_id])
    while (trial := restored.create_trial("slot0")).status == "RUNNING":
        end(restored, trial)
    assert trial.status == "STOPPED"

    def points(oracle: GridOracle) -> dict[str, dict[str, Any]]:
        return {name: trial.hyperparameters.values for name, trial in oracle.trials.items()}

    assert points(restored) == points(uninterrupted)
    assert list(restored.trials) == list(uninterrupted.trials)


def values_of(declare: Callable[[kt.HyperParameters], Any], points: int = 5) -> list[Any]:
    hp = kt.HyperParameters()
    declare(hp)
    oracle = grid(hp, points)
    return sorted(point["h"] for point in first(oracle, oracle.size))


def test_a_log_range_has_five_values_evenly_spaced_with_both_ends() -> None:
    found = values_of(lambda hp: hp.Float("h", 1e-4, 1e-2, sampling="log"))
    assert found == pytest.approx([1e-4, 10**-3.5, 1e-3, 10**-2.5, 1e-2])
    assert (found[0], found[-1]) == (1e-4, 1e-2)


def test_a_linear_range_has_as_many_values_as_asked_for() -> None:
    assert values_of(lambda hp: hp.Float("h", 0.0, 0.5), points=3) == [0.0, 0.25, 0.5]


@pytest.mark.parametrize(
    ("declare", "expected"),
    [
        (lambda hp: hp.Int("h", 1, 4), [1, 2, 3, 4]),
        (lambda hp: hp.Int("h", 0, 20), [0, 5, 10, 15, 20]),
        (lambda hp: hp.Int("h", 16, 256, sampling="log"), [16, 32, 64, 128, 256]),
        (lambda hp: hp.Int("h", 1, 4, sampling="log"), [1, 2, 3, 4]),
        (lambda hp: hp.Int("h", 0, 70, step=10), [0, 10, 20, 30, 40, 50, 60, 70]),
        (lambda hp: hp.Int("h", 2, 32, step=2, sampling="log"), [2, 4, 8, 16, 32]),
        (lambda hp: hp.Float("h", 0.0, 1.0, step=0.5), [0.0, 0.5, 1.0]),
        (lambda hp: hp.Fixed("h", 7), [7]),
        (lambda hp: hp.Boolean("h"), [False, True]),
    ],
)
def test_values_of_each_kind(
    declare: Callable[[kt.HyperParameters], Any], expected: list[Any]
) -> None:
    assert values_of(declare) == expected


def config(**tuner: Any) -> Config:
    return Config.model_validate({"tuner": {"name": "grid"} | tuner})


def test_a_grid_nobody_can_mean_is_refused_unless_it_is_capped() -> None:
    common = {"objective": OBJECTIVE, "hyperparameters": choices(10, 10, 10, 11)}
    with pytest.raises(UserError) as caught:
        GridOracle.from_config(config(), **common)
    assert str(caught.value).startswith("tuner.name: the grid has 11,000 points; pin or narrow")
    assert "tuner.max_trials" in str(caught.value)
    capped = GridOracle.from_config(config(max_trials=50), **common)
    assert capped.total(50) == 50
    assert capped.plan(50) == ["50 trials: an even sample of the 11,000 points of the grid"]


def test_ten_thousand_points_are_not_too_many() -> None:
    common = {"objective": OBJECTIVE, "hyperparameters": choices(10, 10, 10, 10)}
    oracle = GridOracle.from_config(config(), **common)
    assert oracle.plan(None) == ["10,000 trials: every point of the grid"]
    assert oracle.plan(20_000) == ["10,000 trials: every point of the grid"]


def test_grid_points_come_from_the_configuration() -> None:
    hp = kt.HyperParameters()
    hp.Float("rate", 0.0, 1.0)
    oracle = GridOracle.from_config(config(grid_points=9), objective=OBJECTIVE, hyperparameters=hp)
    assert oracle.size == 9


def test_values_of_a_range_are_rounded_within_it() -> None:
    # Nine digits of this number are above it.
    hp = kt.HyperParameters()
    hp.Float("rate", 100_000.9375, 100_000.9375)
    grid = GridOracle(objective=kt.Objective("val_accuracy", "max"), hyperparameters=hp, seed=1)
    assert grid.create_trial("slot0").hyperparameters.values == {"rate": 100_000.9375}
