"""What changes between epochs without a new trace, averaged weights, sizes that the model sets."""

from typing import Any

import keras
import numpy as np
import pytest

from callbacks import BestEpoch, Monitor, ScheduleLogger, TrainingPlan
from hypermodels import batch_sizes, optimizers
from hypermodels.epoch_model import EpochModel
from hypermodels.fused_optimizers import FusedAdam, FusedSGD
from hypermodels.mlp import MLP
from tests.hypermodels.helpers import PROBLEMS, ROWS, arrays, declared

NET: dict[str, Any] = {"layers": 1, "units": 8, "activation": "tanh"}
PENALTY = {"regularizer": "l2", "l2": 0.01}


def fitted(model: Any, **values: Any) -> Any:
    hypermodel = MLP(PROBLEMS["binary"], plan=TrainingPlan(4, "val_loss", "min"))
    hp = declared(hypermodel, **{**NET, **PENALTY, **values})
    model = model or hypermodel.build(hp)
    x, y = arrays("binary")
    record = ScheduleLogger()
    history = hypermodel.fit(
        hp, model, x, y, validation_data=(x, y), epochs=4, callbacks=[record]
    ).history
    return model, history


def test_batch_sizes_and_strengths_change_without_a_new_trace() -> None:
    model, history = fitted(None, batch_size=5)
    assert history["batch_size"] == [5] * 4
    traced: list[int] = []
    compute_loss = model.compute_loss

    def counting(*arguments: Any, **options: Any) -> Any:
        traced.append(1)
        return compute_loss(*arguments, **options)

    model.compute_loss = counting
    _, history = fitted(
        model,
        batch_size=5,
        batch_schedule="step",
        batch_schedule_every=0.25,
        batch_schedule_factor=3.0,
        batch_schedule_cap=512,
        regularization_schedule="linear",
        regularization_final=5.0,
    )
    assert history["batch_size"] == [5, 15, 40, 40]  # 45 and 135 are more than there are rows
    assert history["l2"] == pytest.approx([0.01, 0.02, 0.03, 0.04])
    assert float(model.tunables["l2"][0]) == np.float32(0.01)  # given back
    assert int(model.batch_size) == 5
    drawn = {"batch_schedule_min": 3, "batch_schedule_max": 9}
    _, history = fitted(model, batch_schedule="random", **drawn)
    assert all(3 <= size <= 9 for size in history["batch_size"])
    assert len(set(history["batch_size"])) > 1
    assert traced == []


def test_the_penalty_in_the_loss_is_the_scheduled_one() -> None:
    values = {"learning_rate": 1e-9, "batch_size": 0}
    model, history = fitted(
        None, **values, regularization_schedule="exponential", regularization_final=16.0
    )
    squares = float(np.sum(model.get_weights()[0] ** 2))
    growth = np.diff(history["loss"])
    strengths = 0.01 * np.array([1, 2, 4, 8])
    np.testing.assert_allclose(growth, np.diff(strengths) * squares, rtol=1e-3)


def network(model_class: Any, optimizer: Any) -> Any:
    keras.utils.set_random_seed(3)
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(6, activation="tanh")(inputs)
    model = model_class(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))
    model.compile(optimizer, keras.losses.BinaryCrossentropy(), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


EMA: dict[str, Any] = {"use_ema": True, "ema_momentum": 0.8}
PAIRS: dict[str, Any] = {
    "momentum": (lambda: FusedSGD(0.5, 0.9, **EMA), lambda: keras.optimizers.SGD(0.5, 0.9, **EMA)),
    "adam": (lambda: FusedAdam(0.1, **EMA), lambda: keras.optimizers.Adam(0.1, **EMA)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_averages_are_kerass_in_validation_at_the_end_of_an_epoch_and_after_fit(name: str) -> None:
    x, y = arrays("binary")
    y = y.reshape(-1, 1).astype("float32")
    ours, theirs = PAIRS[name]
    best, stock_best = (BestEpoch(Monitor("val_loss", "min")) for _ in range(2))
    model = network(EpochModel, ours())
    model.batch_size.assign(0)
    history = model.fit_epochs((x, y), (x, y), epochs=5, callbacks=[best], verbose=0).history
    stock = network(keras.Model, theirs())
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    expected = stock.fit(
        x, y, ROWS, validation_data=(x, y), epochs=5, callbacks=[swap, stock_best], verbose=0
    ).history
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)
    np.testing.assert_allclose(history["val_loss"], expected["val_loss"], rtol=1e-5)
    for one, other in zip(best.weights, stock_best.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    # The loss of an epoch is that of the trained weights, its validation that of the averages.
    assert np.abs(np.array(history["loss"][2:]) - history["val_loss"][1:-1]).min() > 1e-4
    assert float(model.evaluate(x, y, verbose=0)) == pytest.approx(history["val_loss"][-1], 1e-5)


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_every_optimizer_averages_where_the_hyperparameter_says_so(name: str) -> None:
    hp = declared(MLP(PROBLEMS["binary"]), optimizer=name, ema=True, ema_momentum=0.95)
    optimizer = optimizers.build_optimizer(hp)
    assert optimizer.use_ema
    assert float(optimizer.ema_momentum) == np.float32(0.95)
    assert not optimizers.build_optimizer(declared(MLP(PROBLEMS["binary"]), optimizer=name)).use_ema


def test_the_automatic_batch_size_is_the_largest_power_of_two_that_fits() -> None:
    model, _ = fitted(None, regularizer="none")
    # A row: 4 inputs, 8 of the layer, 8 of its activation, 1 output, 3 × 4 bytes each: 252.
    # Beside it 49 parameters, their gradients, Adam's 98 moments, iterations and rate: 792 bytes.
    megabyte = 2**20
    for rows_that_fit, size in ((63, 32), (64, 64), (65, 64), (1, 1)):
        memory = (792 + 252 * rows_that_fit + 1) / megabyte
        assert batch_sizes.automatic(model, 10_000, memory, 1.0) == size
    assert batch_sizes.automatic(model, 10_000, 1e-9, 1.0) == 1  # at least a row
    assert batch_sizes.automatic(model, 1000, 256.0, 0.1) == 64
    assert batch_sizes.automatic(model, 1000, 256.0, 1.0) == 512
    assert batch_sizes.automatic(model, 5, 256.0, 0.1) == 1


def test_auto_trains_with_it() -> None:
    _, history = fitted(None, batch_size=batch_sizes.AUTO)
    assert history["batch_size"] == [4] * 4  # a tenth of the 40 rows


def test_strengths_grow_with_the_size_of_the_model() -> None:
    hypermodel = MLP(PROBLEMS["binary"])
    both = {**NET, "regularizer": "elastic_net", "l1": 0.1, "l2": 0.2}
    for scale in (0.0, 1.0, -0.5):
        hp = declared(hypermodel, **both, regularizer_scale=scale)
        model = hypermodel.build(hp)
        factor = (49 / 10_000) ** scale
        for name, strength in (("l1", 0.1), ("l2", 0.2)):
            assert float(model.tunables[name][0]) == pytest.approx(strength * factor)
    # Another scale needs no other trace, and is set when a model is used again.
    other = declared(hypermodel, **both, regularizer_scale=1.0)
    assert hypermodel.structure(other) == hypermodel.structure(hp)
    hypermodel.set_values(model, other)
    assert float(model.tunables["l2"][0]) == pytest.approx(0.2 * 49 / 10_000)
