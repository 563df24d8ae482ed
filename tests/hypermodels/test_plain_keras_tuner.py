"""The HyperModels in Keras Tuner's own tuners, without the rest of the project."""

from pathlib import Path
from typing import Any

import keras_tuner as kt
import pytest

import callbacks
from hypermodels.mlp import MLP
from tests.hypermodels.helpers import PROBLEMS, arrays, declared

OBJECTIVE = kt.Objective("val_accuracy", "max")


class SmallMLP(MLP):
    """Counts the models that it builds."""

    builds = 0

    def network(self, hp: kt.HyperParameters, x: Any) -> Any:
        self.builds += 1
        return super().network(hp, x)


def narrowed() -> kt.HyperParameters:
    hp = kt.HyperParameters()
    hp.Int("units", 4, 12)
    return hp


def random_search(hypermodel: Any, directory: Path, **options: Any) -> Any:
    return kt.RandomSearch(
        hypermodel,
        OBJECTIVE,
        hyperparameters=narrowed(),
        directory=directory,
        max_trials=2,
        seed=5,
        max_consecutive_failed_trials=1,
        **options,
    )


@pytest.mark.slow
def test_the_stock_random_search_runs_and_loads_its_best_model(tmp_path: Path) -> None:
    tuner = random_search(MLP(PROBLEMS["multiclass"]), tmp_path)
    x, y = arrays("multiclass")
    x_validation, y_validation = arrays("multiclass", rows=30, seed=1)
    tuner.search(x, y, validation_data=(x_validation, y_validation), epochs=2, verbose=0)
    trials = tuner.oracle.get_best_trials(2)
    assert [trial.status for trial in trials] == ["COMPLETED", "COMPLETED"]
    assert trials[0].score >= trials[1].score
    for trial in trials:
        assert 4 <= trial.hyperparameters.get("units") <= 12  # narrowed from 16 to 512
        assert set(trial.metrics.metrics) >= {"loss", "val_loss", "val_accuracy", "val_log_loss"}
    [best] = tuner.get_best_models(1)
    logs = best.evaluate(x_validation, y_validation, verbose=0, return_dict=True)
    assert logs["accuracy"] == pytest.approx(trials[0].score)


def test_the_callbacks_of_the_hyperparameters_work_there_too(tmp_path: Path) -> None:
    """Stock tuners deep-copy the callbacks given to `search`; ours are built in `fit` instead."""
    hp = narrowed()
    hp.Fixed("schedule", "linear")
    hp.Fixed("warmup", "none")
    hp.Fixed("plateau", False)
    hp.Fixed("learning_rate", 0.01)
    tuner = kt.RandomSearch(
        MLP(PROBLEMS["binary"]),
        kt.Objective("learning_rate", "min"),
        hyperparameters=hp,
        directory=tmp_path,
        max_trials=1,
        max_consecutive_failed_trials=1,
    )
    x, y = arrays("binary")
    rate = callbacks.ScheduleLogger()
    tuner.search(x, y, validation_data=(x, y), epochs=2, callbacks=[rate], verbose=0)
    [trial] = tuner.oracle.get_best_trials(1)
    final = trial.hyperparameters.get("schedule_final")
    assert trial.score == pytest.approx(0.01 * (1 + final) / 2)  # half way


def test_discovery_really_builds_models_but_here_only_one(tmp_path: Path) -> None:
    hypermodel = SmallMLP(PROBLEMS["binary"])
    tuner = random_search(hypermodel, tmp_path)
    assert hypermodel.builds == 1
    names = [hyperparameter.name for hyperparameter in tuner.oracle.get_space().space]
    everything = [hyperparameter.name for hyperparameter in declared(hypermodel).space]
    assert sorted(names) == sorted(everything)
    assert {"momentum", "weight_decay", "l1", "l2", "schedule_rate", "plateau_floor"} < set(names)


def test_hyperparameters_of_the_callbacks_are_known_to_the_first_trial(tmp_path: Path) -> None:
    tuner = random_search(MLP(PROBLEMS["binary"]), tmp_path)
    first = tuner.oracle.create_trial("tuner0").hyperparameters
    assert {"schedule", "plateau", "early_stopping_patience"} < set(first.values)
