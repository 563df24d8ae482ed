"""The space of the callbacks' hyperparameters, building callbacks from it, and asking them."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import keras_tuner as kt
import pytest

import callbacks
from callbacks import CALLBACKS, Monitor, TrainingPlan, build_callbacks, declare_all
from callbacks.registry import first_effects, limits, load

PLAN = TrainingPlan(epochs=20, monitor="val_accuracy", direction="max")
OFF = {
    "schedule": "constant",
    "warmup": "none",
    "plateau": False,
    "early_stopping_patience": 0,
    "early_stopping_start": 0,
    "early_stopping_min_delta": 0.0,
    "batch_schedule": "none",
    "regularization_schedule": "none",
}


def declared(**values: Any) -> kt.HyperParameters:
    """A space whose hyperparameters have the given values, or else their defaults."""
    hp = kt.HyperParameters()
    hp.values.update(values)
    declare_all(hp)
    return hp


SPACE = declared()


def test_by_default_everything_is_off() -> None:
    assert SPACE.values == OFF
    assert build_callbacks(SPACE, PLAN) == {}


def test_names_are_declared_once_and_in_an_order_that_seeds_depend_on() -> None:
    names = [hyperparameter.name for hyperparameter in SPACE.space]
    assert len(names) == len(set(names)) == 44
    assert names[:3] == ["schedule", "schedule_cuts", "schedule_factor"]
    assert [name for name in names if name in OFF] == list(OFF)


def test_ranges_defaults_and_conditions() -> None:
    found = {hyperparameter.name: hyperparameter for hyperparameter in SPACE.space}
    floor, patience = found["plateau_floor"], found["plateau_patience"]
    assert (floor.min_value, floor.max_value, floor.default) == (1e-7, 1e-3, 1e-6)
    assert (floor.sampling, type(floor).__name__) == ("log", "Float")
    assert (patience.min_value, patience.max_value, patience.default) == (2, 20, 5)
    assert (patience.sampling, type(patience).__name__) == ("linear", "Int")
    conditions = [(c.name, c.values) for c in found["schedule_boundary_3"].conditions]
    assert conditions == [("schedule", ["piecewise_constant"]), ("schedule_cuts", [3])]
    active = declared(schedule="one_cycle").values.keys() - OFF.keys()
    assert active == {"schedule_start", "schedule_rise", "schedule_final"}


def test_values_reach_plateau_and_early_stopping() -> None:
    plateau = {"factor": 0.2, "patience": 4, "floor": 1e-5, "cooldown": 2, "min_delta": 0.001}
    stopping = {"patience": 9, "start": 3, "min_delta": 0.002}
    values = {f"plateau_{name}": value for name, value in plateau.items()}
    values |= {f"early_stopping_{name}": value for name, value in stopping.items()}
    built: list[Any] = list(build_callbacks(declared(plateau=True, **values), PLAN).values())
    reduce, stop = built
    assert (reduce.factor, reduce.patience, reduce.floor, reduce.cooldown) == (0.2, 4, 1e-5, 2)
    assert reduce.monitor == Monitor("val_accuracy", "max", 0.001)
    assert (stop.patience, stop.start_epoch) == (9, 3)
    assert stop.monitor == Monitor("val_accuracy", "max", 0.002)


def test_values_reach_schedule_and_warm_up() -> None:
    plan = TrainingPlan(4, "val_loss", "min", "step")
    cuts = {"schedule_boundary": 0.8, "schedule_value": 0.2, "schedule_cuts": 2}
    cuts |= {"schedule_boundary_2": 0.4, "schedule_value_2": 0.05}
    warm = {"warmup": "exponential", "warmup_unit": "step", "warmup_steps": 7, "warmup_start": 0.2}
    hp = declared(schedule="piecewise_constant", **cuts, **warm)
    assert "schedule_boundary_3" not in hp.values
    scheduler: Any = build_callbacks(hp, plan)["learning_rate_scheduler"]
    assert [scheduler.schedule(p) for p in (0.39, 0.4, 0.79, 0.8)] == [1.0, 0.2, 0.2, 0.05]
    assert scheduler.warm_up == callbacks.WarmUp("exponential", 7, "step", 0.2)
    assert (scheduler.unit, scheduler.epochs) == ("step", 4)


def only(**values: Any) -> Any:
    """The only callback that these values switch on."""
    [built] = build_callbacks(declared(**values), PLAN).values()
    return built


def test_values_reach_batch_sizes() -> None:
    growth = {"batch_schedule": "step", "batch_schedule_every": 5.0, "batch_schedule_factor": 2.0}
    sizes = only(**growth).sizes
    assert [sizes(16, epoch, 0) for epoch in (4, 5, 10, 19)] == [16, 32, 64, 128]
    edges = {"batch_schedule_min": 9, "batch_schedule_max": 3}  # in either order
    sizes = only(batch_schedule="random", **edges).sizes
    assert {sizes(16, epoch, 0) for epoch in range(60)} == set(range(3, 10))
    plateau = only(batch_schedule="plateau", batch_schedule_patience=3)
    assert (plateau.patience, plateau.factor, plateau.cap) == (3, 2.0, 512)


def test_values_reach_strengths() -> None:
    for kind, half in (("exponential", 2.0), ("linear", 2.5)):
        final = {"regularization_schedule": kind, "regularization_final": 4.0}
        assert only(**final).factor(0.5) == half
    gap = only(regularization_schedule="gap", regularization_cap=7.0)
    assert (gap.raise_by, gap.patience, gap.cap) == (1.5, 3, 7.0)


def test_callbacks_are_new_each_time_and_for_a_plain_model_some_are_left_out() -> None:
    others = {"batch_schedule": "step", "regularization_schedule": "gap"}
    hp = declared(schedule="cosine", plateau=True, early_stopping_patience=3, **others)
    first, second = build_callbacks(hp, PLAN), build_callbacks(hp, PLAN)
    assert list(first) == list(second) == list(CALLBACKS)
    assert all(first[name] is not second[name] for name in first)
    assert list(build_callbacks(hp, PLAN, plain_model=True)) == list(CALLBACKS)[:3]
    plain = kt.HyperParameters()
    declare_all(plain, plain_model=True)
    assert set(OFF) - set(plain.values) == {"batch_schedule", "regularization_schedule"}


def possible(**values: Sequence[Any]) -> Callable[[str], Sequence[Any]]:
    return lambda name: values.get(name, ())


@pytest.mark.parametrize(
    ("values", "epoch"),
    [
        ({"plateau_patience": [19, 25]}, 21),
        ({"batch_schedule_patience": [2]}, 4),
        ({"regularization_patience": [9]}, 11),
        ({"batch_schedule_every": [30.0, 40.0]}, 31),
        ({"schedule_every": [0.05, 30.0]}, 1),  # 0.05 is a fraction
        ({"schedule_rise": [19.5]}, 20),
        ({"schedule_boundary_2": [25.0]}, 26),
        ({"warmup_epochs": [10.0, 12.0]}, 11),
        ({"early_stopping_patience": [0, 9, 10]}, 11),
    ],
)
def test_callbacks_say_when_they_have_an_effect_first(values: dict[str, Any], epoch: int) -> None:
    assert first_effects(possible(**values)) == {next(iter(values)): epoch}
    assert first_effects(possible(early_stopping_patience=[0])) == {}  # 0 is off


class Own(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
    """A callback of a user's own, with the two classmethods that it needs."""

    @classmethod
    def declare(cls, hp: Any) -> None:
        hp.Float("own", 0.5, 1.0)

    @classmethod
    def from_hyperparameters(cls, hp: Any, plan: TrainingPlan) -> "Own":
        own = cls()
        own.value = hp.get("own") * plan.epochs
        return own


def test_a_callback_of_ones_own_takes_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CALLBACKS, "own", f"{__name__}:Own")
    own: Any = build_callbacks(declared(), PLAN)["own"]
    assert own.value == 10.0
    assert "own" not in limits()
    assert first_effects(possible()) == {}


def test_an_unknown_name_gets_the_known_ones_and_the_nearest() -> None:
    registry = {"root": "math:sqrt", "power": "math:pow"}
    assert load(registry, "root", "function")(9) == 3
    message = r"function 'rot' is not known\. Did you mean 'root'\? Known: power, root"
    with pytest.raises(ValueError, match=message):
        load(registry, "rot", "function")
