"""The space of the callbacks' hyperparameters, and building callbacks from it."""

from typing import Any

import keras
import keras_tuner as kt
import numpy as np
import pytest

import callbacks
from callbacks import (
    CALLBACKS,
    SCHEDULES,
    EarlyStopping,
    LearningRateScheduler,
    ReduceLROnPlateau,
    RegularizationScheduler,
    TrainingPlan,
    build_callbacks,
    declare_all,
    limits,
    parameters_of,
)
from callbacks.batch_size_scheduler import BatchSizeScheduler
from tests.callbacks.helpers import RateTrace, plain_model

PLAN = TrainingPlan(epochs=20, monitor="val_accuracy", direction="max", baseline=0.25)
NUMERIC = {
    "schedule_factor",
    "schedule_every",
    "schedule_rate",
    "schedule_final",
    "schedule_boundary",
    "schedule_boundary_2",
    "schedule_boundary_3",
    "schedule_value",
    "schedule_value_2",
    "schedule_value_3",
    "schedule_power",
    "schedule_cycles",
    "schedule_stretch",
    "schedule_peak",
    "schedule_start",
    "schedule_rise",
    "warmup_epochs",
    "warmup_steps",
    "warmup_start",
    "plateau_factor",
    "plateau_patience",
    "plateau_floor",
    "plateau_cooldown",
    "plateau_min_delta",
    "early_stopping_patience",
    "early_stopping_start",
    "early_stopping_min_delta",
    "batch_schedule_min",
    "batch_schedule_max",
    "batch_schedule_factor",
    "batch_schedule_every",
    "batch_schedule_patience",
    "batch_schedule_cap",
    "regularization_final",
    "regularization_factor",
    "regularization_patience",
    "regularization_cap",
}
CHOICES = {"schedule", "schedule_cuts", "plateau", "warmup", "warmup_unit"} | {
    "batch_schedule",
    "regularization_schedule",
}


def declared(**values: Any) -> kt.HyperParameters:
    """A space whose hyperparameters have the given values, or else their defaults."""
    hp = kt.HyperParameters()
    hp.values.update(values)
    declare_all(hp)
    return hp


def draw(seed: int) -> kt.HyperParameters:
    """A space with random values of the active hyperparameters, as an oracle draws them."""
    hp = kt.HyperParameters()
    for index, hyperparameter in enumerate(declared().space):
        hp.merge([hyperparameter])
        if hp.is_active(hyperparameter):
            hp.values[hyperparameter.name] = hyperparameter.random_sample(seed * 1009 + index)
    return hp


def test_every_name_is_declared_once() -> None:
    hp = declared()
    names = [hyperparameter.name for hyperparameter in hp.space]
    assert len(names) == len(set(names))
    assert set(names) == NUMERIC | CHOICES


def test_declaring_twice_changes_nothing() -> None:
    hp = declared()
    before = hp.get_config()
    declare_all(hp)
    assert hp.get_config() == before


def test_the_order_of_the_classes_does_not_matter() -> None:
    hp = kt.HyperParameters()
    others = (RegularizationScheduler, BatchSizeScheduler)
    for cls in (EarlyStopping, *others, ReduceLROnPlateau, LearningRateScheduler):
        cls.declare(hp)
    assert {h.name: h.get_config() for h in hp.space} == {
        h.name: h.get_config() for h in declared().space
    }


def test_by_default_everything_is_off() -> None:
    hp = declared()
    assert hp.values == {
        "schedule": "constant",
        "warmup": "none",
        "plateau": False,
        "early_stopping_patience": 0,
        "early_stopping_start": 0,
        "early_stopping_min_delta": 0.0,
        "batch_schedule": "none",
        "regularization_schedule": "none",
    }
    assert build_callbacks(hp, PLAN) == {}


def test_ranges_and_defaults() -> None:
    ranges = {
        h.name: (h.min_value, h.max_value, h.default, h.sampling)
        for h in declared().space
        if h.name in NUMERIC
    }
    assert ranges["plateau_factor"] == (0.1, 0.8, 0.5, "log")
    assert ranges["plateau_patience"] == (2, 20, 5, "linear")
    assert ranges["plateau_floor"] == (1e-7, 1e-3, 1e-6, "log")
    assert ranges["early_stopping_patience"] == (0, 20, 0, "linear")
    assert ranges["schedule_final"] == (1e-3, 0.5, 0.01, "log")
    assert ranges["schedule_boundary"] == (0.2, 0.9, 0.5, "linear")


def test_limits_contain_the_ranges_of_all_numeric_hyperparameters() -> None:
    assert set(limits()) == NUMERIC
    for hyperparameter in declared().space:
        if hyperparameter.name in NUMERIC:
            lowest, highest = limits()[hyperparameter.name]
            assert lowest <= hyperparameter.min_value < hyperparameter.max_value <= highest


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_only_the_parameters_of_the_chosen_schedule_are_active(schedule: str) -> None:
    hp = declared(schedule=schedule)
    active = {name for name in hp.values if name.startswith("schedule_")}
    cuts = {"schedule_cuts"} if schedule == "piecewise_constant" else set()
    assert active == cuts | {f"schedule_{parameter}" for parameter in parameters_of(schedule)}


def test_random_values_build_the_callbacks_that_they_describe() -> None:
    seen = set()
    for seed in range(120):
        hp = draw(seed)
        built: dict[str, Any] = dict(build_callbacks(hp, PLAN))
        seen.add(hp.get("schedule"))
        assert list(built) == [name for name in CALLBACKS if name in built]
        scheduler: Any = built.get("learning_rate_scheduler")
        if hp.get("schedule") == "constant" and hp.get("warmup") == "none":
            assert scheduler is None
            continue
        assert scheduler.epochs == 20
        assert (scheduler.schedule(1.0) == 1) == (hp.get("schedule") == "constant")
        assert 0 < scheduler.schedule(1.0) <= 1
        if hp.get("warmup") == "none":
            assert scheduler.warm_up is None
        else:
            unit = hp.get("warmup_unit")
            length, other = ("epochs", "steps") if unit == "epoch" else ("steps", "epochs")
            assert scheduler.warm_up == callbacks.WarmUp(
                hp.get("warmup"), hp.get(f"warmup_{length}"), unit, hp.get("warmup_start")
            )
            assert f"warmup_{other}" not in hp
        plateau: Any = built.get("reduce_lr_on_plateau")
        if hp.get("plateau"):
            assert plateau.factor == hp.get("plateau_factor")
            assert plateau.floor == hp.get("plateau_floor")
            plateaus, min_delta = plateau.plateaus, hp.get("plateau_min_delta")
            assert plateaus.patience == hp.get("plateau_patience")
            assert plateaus.cooldown == hp.get("plateau_cooldown")
            monitor = callbacks.Monitor("val_accuracy", "max", min_delta)
            assert plateaus.stagnation.monitor == monitor
        else:
            assert plateau is None
            assert "plateau_factor" not in hp
        stopping = built.get("early_stopping")
        assert getattr(stopping, "patience", 0) == hp.get("early_stopping_patience")
        if stopping is not None:
            assert stopping.start_epoch == hp.get("early_stopping_start")
            assert stopping.stagnation.baseline == 0.25
            monitor = stopping.stagnation.monitor
            assert monitor.min_delta == hp.get("early_stopping_min_delta")
    assert seen == set(SCHEDULES)


def test_values_reach_the_schedule() -> None:
    hp = declared(schedule="piecewise_constant", schedule_boundary=0.3, schedule_value=0.2)
    scheduler = build_callbacks(hp, PLAN)["learning_rate_scheduler"]
    assert [scheduler.schedule(p) for p in (0.0, 0.29, 0.3, 1.0)] == [1.0, 1.0, 0.2, 0.2]


def test_lengths_in_epochs_are_those_of_the_plan() -> None:
    hp = declared(schedule="step", schedule_every=5.0, schedule_factor=0.5)
    scheduler = build_callbacks(hp, PLAN)["learning_rate_scheduler"]
    assert scheduler.schedule.parameters == {"factor": 0.5, "every": 5.0}
    assert [scheduler.schedule.over(20)(p) for p in (0.2, 0.25, 0.75)] == [1.0, 0.5, 0.125]
    growth: Any = build_callbacks(
        declared(batch_schedule="step", batch_schedule_every=5.0, batch_schedule_factor=2.0),
        PLAN,
    )["batch_size_scheduler"]
    growth.base = 16
    assert [growth.size(epoch) for epoch in (4, 5, 10, 15)] == [16, 32, 64, 128]


def test_several_cuts_reach_the_schedule_whatever_their_order() -> None:
    hp = declared(
        schedule="piecewise_constant",
        schedule_cuts=2,
        schedule_boundary=0.8,
        schedule_value=0.2,
        schedule_boundary_2=0.4,
        schedule_value_2=0.05,
    )
    assert "schedule_boundary_3" not in hp.values
    scheduler = build_callbacks(hp, PLAN)["learning_rate_scheduler"]
    assert [scheduler.schedule(p) for p in (0.39, 0.4, 0.79, 0.8)] == [1.0, 0.2, 0.2, 0.05]


def test_callbacks_are_fresh_each_time() -> None:
    others = {"batch_schedule": "step", "regularization_schedule": "gap"}
    hp = declared(schedule="cosine", plateau=True, early_stopping_patience=3, **others)
    first, second = build_callbacks(hp, PLAN), build_callbacks(hp, PLAN)
    assert list(first) == list(second) == list(CALLBACKS)
    assert all(first[name] is not second[name] for name in first)


class Own(keras.callbacks.Callback):
    """A callback of one's own."""

    @classmethod
    def limits(cls) -> dict[str, tuple[float, float]]:
        return {"own": (0.0, 9.0)}

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    @classmethod
    def declare(cls, hp: Any) -> None:
        hp.Float("own", 0.5, 1.0)

    @classmethod
    def from_hyperparameters(cls, hp: Any, plan: TrainingPlan) -> "Own":
        return cls(hp.get("own") * plan.epochs)


def test_a_callback_of_ones_own_takes_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CALLBACKS, "own", f"{__name__}:Own")
    hp = declared()
    assert build_callbacks(hp, PLAN)["own"].value == 10.0
    assert limits()["own"] == (0.0, 9.0)


@pytest.mark.slow
def test_everything_together_in_kerass_tuner(tmp_path: Any) -> None:
    class Space(kt.HyperModel):  # type: ignore[misc, unused-ignore]
        def build(self, hp: kt.HyperParameters) -> Any:
            declare_all(hp, plain_model=True)
            model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
            model.compile("sgd", "mse", run_eagerly=True)
            return model

        def fit(self, hp: kt.HyperParameters, model: Any, *args: Any, **kwargs: Any) -> Any:
            plan = TrainingPlan(3, "val_loss", "min")
            kwargs["callbacks"] += build_callbacks(hp, plan, plain_model=True).values()
            kwargs["callbacks"].append(callbacks.RecordLearningRate())
            return model.fit(*args, **kwargs)

    tuner = kt.RandomSearch(
        Space(),
        kt.Objective("val_loss", "min"),
        max_trials=2,
        seed=3,
        directory=tmp_path,
        max_consecutive_failed_trials=1,
    )
    x = np.random.default_rng(0).normal(size=(8, 2)).astype("float32")
    y = x.sum(1, keepdims=True)
    tuner.search(x, y, validation_data=(x, y), epochs=3, verbose=0)
    trials = tuner.oracle.get_best_trials(2)
    assert [trial.status for trial in trials] == ["COMPLETED"] * 2
    for trial in trials:
        [best_epoch] = trial.metrics.get_history("learning_rate")
        plan = TrainingPlan(3, "val_loss", "min")
        built = build_callbacks(trial.hyperparameters, plan, plain_model=True)
        scheduler: Any = built.get("learning_rate_scheduler")
        factor = 1.0
        if scheduler:
            helper, trace = plain_model(), RateTrace()
            helper.fit(y, y, 8, epochs=best_epoch.step + 1, callbacks=[scheduler, trace], verbose=0)
            factor = trace.rates[-1] / 0.1
        assert best_epoch.value == [pytest.approx(0.01 * factor)]
