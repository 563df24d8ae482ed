"""Traps of stock Keras and Keras Tuner, which the schedules, promotions and fits here avoid.

What happens here instead is tested in tests/callbacks, tests/execution and tests/hypermodels.
"""

import threading
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
import pytest

from tests.callbacks.helpers import BASE, RateTrace, ScriptedMetric, plain_model, simulate

ONES = np.ones((4, 2), "float32")
SEARCH = {"x": ONES, "y": ONES[:, :1], "validation_data": (ONES, ONES[:, :1]), "verbose": 0}
OBJECTIVE = kt.Objective("val_loss", "min")


class StockSpace(kt.HyperModel):  # type: ignore[misc, unused-ignore]
    """Notes how each training begins."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[tuple[int, int]] = []  # initial epoch, steps that the optimizer knows of

    def build(self, hp: kt.HyperParameters) -> Any:
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
        model.compile(keras.optimizers.Adam(rate), "mse", run_eagerly=True)
        return model

    def fit(self, hp: kt.HyperParameters, model: Any, *args: Any, **kwargs: Any) -> Any:
        self.begun.append((kwargs.get("initial_epoch", 0), int(model.optimizer.iterations)))
        return super().fit(hp, model, *args, **kwargs)


@pytest.mark.parametrize("scheduler_first", [True, False])
def test_trap_a_scheduler_erases_the_cuts_of_a_plateau(scheduler_first: bool) -> None:
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: BASE / (1 + epoch))
    plateau = keras.callbacks.ReduceLROnPlateau("val_score", mode="max", factor=0.5, patience=2)
    pair = [schedule, plateau] if scheduler_first else [plateau, schedule]
    trace = RateTrace()
    simulate(plain_model(), [ScriptedMetric([0.5] * 6), *pair, trace], 6)
    assert trace.rates == pytest.approx([BASE / (1 + epoch) for epoch in range(6)], rel=1e-6)


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")  # all it says of it
@pytest.mark.slow
def test_trap_a_promotion_forgets_the_optimizer(tmp_path: Path) -> None:
    space = StockSpace()
    tuner = kt.Hyperband(space, OBJECTIVE, max_epochs=3, factor=3, seed=1, directory=tmp_path)
    tuner.search(**SEARCH)
    promotions = [steps for epoch, steps in space.begun if epoch > 0]
    assert promotions
    assert set(promotions) == {0}  # although the epochs before took a step each


def test_trap_deep_copies_leave_a_callback_empty_and_fail_on_a_lock(tmp_path: Path) -> None:
    class Watch(keras.callbacks.Callback):
        def __init__(self, lock: Any) -> None:
            super().__init__()
            self.lock = lock
            self.seen: list[int] = []

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seen.append(epoch)

    def search(callback: Watch, name: str) -> None:
        folder = tmp_path / name
        tuner = kt.RandomSearch(StockSpace(), OBJECTIVE, max_trials=1, directory=folder, seed=1)
        tuner.search(**SEARCH, epochs=2, callbacks=[callback])

    watch = Watch(lock=None)
    search(watch, "copied")
    assert watch.seen == []  # a copy saw the epochs
    with pytest.raises(ValueError, match="should be deep-copyable"):
        search(Watch(threading.Lock()), "locked")
