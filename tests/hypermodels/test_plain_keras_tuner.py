"""The HyperModels in Keras Tuner's own tuners, without the rest of the project."""

from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
import pytest

from hypermodels.mlp import MLP
from tests.hypermodels.helpers import PROBLEMS, arrays


class Rate(keras.callbacks.Callback):
    """Puts the learning rate of each epoch into its logs."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.rate = float(self.model.optimizer.learning_rate)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs["rate"] = self.rate


def random_search(hypermodel: Any, directory: Path, **fixed: Any) -> Any:
    hp = kt.HyperParameters()
    hp.Int("units", 4, 12)
    for name, value in fixed.items():
        hp.Fixed(name, value)
    return kt.RandomSearch(
        hypermodel,
        kt.Objective("val_accuracy", "max"),
        hyperparameters=hp,
        directory=directory,
        max_trials=2,
        seed=5,
        max_consecutive_failed_trials=1,
    )


def test_the_stock_random_search_runs_and_loads_its_best_model(tmp_path: Path) -> None:
    """Stock tuners deep-copy the callbacks given to `search`; ours are built in `fit` instead."""
    fixed = {"schedule": "linear", "warmup": "none", "plateau": False, "learning_rate": 0.01}
    tuner = random_search(MLP(PROBLEMS["multiclass"]), tmp_path, **fixed)
    x, y = arrays("multiclass")
    validation = arrays("multiclass", rows=30, seed=1)
    tuner.search(x, y, validation_data=validation, epochs=2, callbacks=[Rate()], verbose=0)
    trials = tuner.oracle.get_best_trials(2)
    assert [trial.status for trial in trials] == ["COMPLETED", "COMPLETED"]
    for trial in trials:
        assert 4 <= trial.hyperparameters.get("units") <= 12  # narrowed from 16 to 512
        assert set(trial.metrics.metrics) >= {"loss", "val_loss", "val_accuracy", "val_log_loss"}
        final = trial.hyperparameters.get("schedule_final")
        [found] = trial.metrics.get_history("rate")[0].value  # of the best epoch
        half_way = 0.01 * (1 + final) / 2
        assert found == pytest.approx([0.01, half_way][trial.best_step])
    [best_model] = tuner.get_best_models(1)
    logs = best_model.evaluate(*validation, verbose=0, return_dict=True)
    assert logs["accuracy"] == pytest.approx(trials[0].score)
