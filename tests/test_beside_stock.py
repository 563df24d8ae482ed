"""Three traps of stock Keras and Keras Tuner, each beside what this project does instead."""

import threading
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
import pytest

from callbacks import CALLBACKS, LearningRateScheduler, ReduceLROnPlateau, get_schedule
from hypermodels.mlp import MLP
from tests.callbacks.helpers import BASE, RateTrace, ScriptedMetric, plain_model, simulate
from tests.execution.test_trial_runner import run_rungs
from tests.hypermodels.helpers import PROBLEMS, arrays, declared

# --- 1. A schedule and a plateau in one training ------------------------------------------------

EPOCHS = 6
COSINE = get_schedule("cosine", {"final": 0.1})
STALLED = [0.5] * EPOCHS  # with patience 2 the cuts come after epochs 2 and 4, counted from 0
CUTS = [0, 0, 0, 1, 1, 2]


def rates(schedule: Any, plateau: Any) -> list[float]:
    """The rate of every epoch; both orders of the callbacks must agree."""
    found = []
    for pair in ([schedule, plateau], [plateau, schedule]):
        trace = RateTrace()
        simulate(plain_model(), [ScriptedMetric(STALLED), *pair, trace], EPOCHS)
        found.append(trace.rates)
    assert found[0] == found[1]
    return found[0]


def test_stock_the_scheduler_erases_the_cuts_of_the_plateau() -> None:
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: BASE * COSINE(epoch / EPOCHS))
    plateau = keras.callbacks.ReduceLROnPlateau("val_score", mode="max", factor=0.5, patience=2)
    expected = [BASE * COSINE(epoch / EPOCHS) for epoch in range(EPOCHS)]  # as without a plateau
    assert rates(scheduler, plateau) == pytest.approx(expected, rel=1e-6)


def test_ours_the_rate_is_the_product() -> None:
    scheduler = LearningRateScheduler(COSINE, EPOCHS)
    plateau = ReduceLROnPlateau("val_score", "max", factor=0.5, patience=2)
    expected = [BASE * COSINE(epoch / EPOCHS) * 0.5 ** CUTS[epoch] for epoch in range(EPOCHS)]
    assert rates(scheduler, plateau) == pytest.approx(expected, rel=1e-6)


# --- 2. The promotion of a Hyperband trial, and 3. callbacks with something to hold -------------


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


X, Y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
SEARCH: dict[str, Any] = {"x": X, "y": Y, "validation_data": (X, Y), "verbose": 0}


class Watch(keras.callbacks.Callback):
    """Holds a lock, as whatever writes or talks to something does, and collects epochs."""

    begun: list[int] = []  # steps that the optimizer knew of, by training
    epochs: list[int] = []

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.seen: list[int] = []

    @classmethod
    def declare(cls, hp: Any) -> None:
        """Has no hyperparameters."""

    @classmethod
    def from_hyperparameters(cls, hp: Any, plan: Any) -> "Watch":
        return cls()

    def on_train_begin(self, logs: Any = None) -> None:
        self.begun.append(int(self.model.optimizer.iterations))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        with self.lock:
            self.epochs.append(epoch)
            self.seen.append(epoch)


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")  # all it says of it
@pytest.mark.slow
def test_stock_a_promotion_forgets_the_optimizer(tmp_path: Path) -> None:
    space = StockSpace()
    tuner = kt.Hyperband(
        *(space, kt.Objective("val_loss", "min")),
        max_epochs=3,
        factor=3,
        seed=1,
        directory=tmp_path,
    )
    tuner.search(**SEARCH)
    promotions = [steps for epoch, steps in space.begun if epoch > 0]
    assert promotions
    assert set(promotions) == {0}  # although the epochs before took a step each


def test_ours_a_promotion_goes_on_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CALLBACKS, "watch", f"{__name__}:Watch")
    Watch.begun.clear()
    Watch.epochs.clear()
    pins = ("space.optimizer=adam", "space.early_stopping_patience=0")
    first, second = run_rungs(tmp_path, [1, 3], *pins)
    assert Watch.begun[-2:] == [0, 6]  # 90 rows in batches of 16
    assert Watch.epochs[-3:] == [0, 1, 2]  # with a lock, and every epoch is seen
    assert (first.epochs, second.epochs) == (1, 3)


class Collector(keras.callbacks.Callback):
    """Collects epochs; nothing in it hinders a copy."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seen.append(epoch)


def stock_search(folder: Path, callback: Any) -> None:
    objective = kt.Objective("val_loss", "min")
    tuner = kt.RandomSearch(StockSpace(), objective, max_trials=1, directory=folder, seed=1)
    tuner.search(**SEARCH, epochs=2, callbacks=[callback])


def test_stock_deep_copies_leave_the_callback_empty_and_fail_on_a_lock(tmp_path: Path) -> None:
    collector = Collector()
    stock_search(tmp_path / "collector", collector)
    assert collector.seen == []  # a copy saw the epochs
    with pytest.raises(ValueError, match="should be deep-copyable"):
        stock_search(tmp_path / "lock", Watch())


def test_ours_trains_with_the_callbacks_that_are_given() -> None:
    collector, hypermodel = Collector(), MLP(PROBLEMS["binary"])
    hp = declared(hypermodel, layers=1, units=4)
    x, y = arrays("binary")
    watch = Watch()
    for _ in range(2):
        given = [collector, watch]
        hypermodel.fit(hp, hypermodel.build(hp), x, y, epochs=2, callbacks=given)
    assert collector.seen == watch.seen == [0, 1, 0, 1]
