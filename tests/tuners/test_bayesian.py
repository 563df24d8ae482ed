"""Keras Tuner's Bayesian optimisation within the space, and with too few trials to start with."""

from typing import Any

import keras_tuner as kt
import pytest
from keras_tuner.engine.hyperparameters import Fixed

from src.tuners import space, space_settings
from tests.tuners.driving import DEFAULT, make, mixed_space, run


@pytest.mark.parametrize(("max_trials", "start"), [(100, 18), (20, 10), (5, 2), (1, 1)])
def test_it_starts_with_three_points_a_dimension_at_most_half_the_trials(
    max_trials: int, start: int
) -> None:
    # Searched are rate, units, optimizer, momentum, epsilon and bias.
    assert make("bayesian", max_trials=max_trials).num_initial_points == start


def test_it_models_after_the_start_and_pinned_hyperparameters_are_no_dimension() -> None:
    settings = {"optimizer": "momentum", "momentum": 0.9, "bias": True, "units": {"max": 48}}
    narrowed = space_settings.narrow(mixed_space(), settings, {})
    oracle = make("bayesian", narrowed, max_trials=8)
    assert oracle.num_initial_points == 4
    run(oracle, 4, lambda values: values["units"])
    assert not hasattr(oracle.gpr, "X_train_")
    values = run(oracle, 1)[0]
    assert oracle.gpr.X_train_.shape == (4, 2)
    assert values.keys() == DEFAULT.keys()
    assert 1e-4 <= values["rate"] <= 1e-1
    assert 16 <= values["units"] <= 48
    assert {type(value) for value in values.values()} == {float, int, str, bool}
    searched = {hp.name for hp in narrowed.space if not isinstance(hp, Fixed)}
    assert space.searched_names(narrowed) == searched == {"rate", "units"}


def test_trap_the_upper_end_of_a_log_integer_is_never_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Keras Tuner's Gaussian process reaches probability 1, which its integers take for one more.
    oracle = make("bayesian")
    units = next(hp for hp in oracle.hyperparameters.space if hp.name == "units")
    assert units.prob_to_value(1.0) == 513

    def at_the_end(*_: Any) -> dict[str, Any]:
        values = {hp.name: hp.prob_to_value(1.0) for hp in oracle.hyperparameters.space}
        return {"status": "RUNNING", "values": values}

    monkeypatch.setattr(kt.oracles.BayesianOptimizationOracle, "populate_space", at_the_end)
    assert run(oracle, 2)[1]["units"] == 512
