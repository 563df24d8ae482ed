"""Models and calls that are not the template's own: trained as Keras does, or refused clearly."""

from typing import Any

import keras
import numpy as np
import pytest

from hypermodels.dropout import Dropout
from hypermodels.epoch_model import EpochModel
from hypermodels.fused_optimizers import FusedAdam, FusedNadam, FusedSGD
from tests.hypermodels.test_epoch_model import CLASSES, FEATURES, data, fit, linear

RATE = 0.5


def model_of(loss: str, optimizer: Any, model_class: Any = EpochModel, **compiled: Any) -> Any:
    inputs = keras.Input((FEATURES,))
    layer = keras.layers.Dense(CLASSES, activation="softmax", kernel_initializer="zeros")
    model = model_class(inputs, layer(inputs))
    model.compile(optimizer, loss=loss, jit_compile=False, **compiled)
    return model


def one_hot() -> tuple[Any, Any]:
    x, y = data()
    return x, np.eye(CLASSES, dtype="float32")[y]


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "mse"])
def test_labels_may_have_any_shape_that_the_loss_takes(loss: str) -> None:
    rows = one_hot()
    model = model_of(loss, keras.optimizers.SGD(RATE), metrics=["accuracy"])
    plain = model_of(loss, keras.optimizers.SGD(RATE), keras.Model, metrics=["accuracy"])
    history = fit(model, rows, 0, epochs=3)
    expected = plain.fit(*rows, len(rows[0]), epochs=3, verbose=0).history
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert history["accuracy"] == pytest.approx(expected["accuracy"])


def test_an_optimizers_scale_of_the_loss_cancels_out() -> None:
    scaled = fit(model_of("mse", FusedSGD(RATE, loss_scale_factor=1024.0)), one_hot(), 16, epochs=3)
    plain = fit(model_of("mse", FusedSGD(RATE)), one_hot(), 16, epochs=3)
    assert scaled["loss"] == pytest.approx(plain["loss"], rel=1e-5)
    assert plain["loss"][2] < plain["loss"][0]


def test_a_schedule_that_comes_after_a_fit_is_followed() -> None:
    model = model_of("mse", keras.optimizers.SGD(RATE))
    x, y = one_hot()
    fit(model, (x, y), 0, epochs=1)
    halved = keras.optimizers.schedules.ExponentialDecay
    model.optimizer.learning_rate = halved(RATE, 1, 0.5)
    later = keras.optimizers.SGD(halved(RATE / 2, 1, 0.5))  # a step behind
    plain = model_of("mse", later, keras.Model)
    plain.set_weights(model.get_weights())
    history = fit(model, (x, y), 0, epochs=4)
    expected = plain.fit(x, y, len(x), epochs=4, verbose=0).history
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-6)


@pytest.mark.parametrize("optimizer_class", [FusedAdam, FusedNadam, FusedSGD])
def test_an_optimizer_may_be_built_while_the_epoch_is_traced(optimizer_class: Any) -> None:
    histories = []
    for built in (False, True):
        model = model_of("mse", optimizer_class(0.1))
        if built:
            model.optimizer.build(model.trainable_variables)
        histories.append(fit(model, one_hot(), 16, epochs=3))
    assert histories[0] == histories[1]
    assert histories[0]["loss"][2] < histories[0]["loss"][0]


def test_gradients_that_are_accumulated() -> None:
    histories = []
    for optimizer_class in (FusedAdam, keras.optimizers.Adam):
        model = model_of("mse", optimizer_class(0.1, gradient_accumulation_steps=2))
        histories.append(fit(model, one_hot(), 8, epochs=3)["loss"])
    assert histories[0] == pytest.approx(histories[1], rel=1e-5)
    alone = fit(model_of("mse", FusedAdam(0.1)), one_hot(), 8, epochs=3)["loss"]
    assert alone[2] != pytest.approx(histories[0][2], rel=1e-3)


def test_dropout_draws_anew_in_every_step() -> None:
    inputs = keras.Input((FEATURES,))
    dropout = Dropout(0.5, seed=7)
    model = EpochModel(inputs, keras.layers.Dense(CLASSES)(dropout(inputs)))
    model.compile(FusedSGD(0.1), loss="mse")
    fit(model, one_hot(), 16, epochs=2, validation=one_hot())
    assert dropout.seed_generator.state.numpy().tolist() == [7, 2 * 3]


def test_averages_of_fewer_weights_after_a_layer_was_frozen() -> None:
    inputs = keras.Input((FEATURES,))
    hidden = keras.layers.Dense(5, activation="tanh")
    outputs = keras.layers.Dense(CLASSES, activation="softmax")(hidden(inputs))
    model = EpochModel(inputs, outputs)
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.SGD(RATE, use_ema=True), loss=loss)
    fit(model, data(), 16, epochs=2)
    hidden.trainable = False
    before = hidden.kernel.numpy()
    model.compile(keras.optimizers.SGD(RATE, use_ema=True), loss=loss)
    history = fit(model, data(), 16, epochs=3)
    np.testing.assert_array_equal(hidden.kernel.numpy(), before)
    assert history["loss"][2] < history["loss"][0]


@pytest.mark.parametrize("method", ["fit", "train_on_batch"])
def test_plain_training_says_what_to_call(method: str) -> None:
    model = linear()
    with pytest.raises(RuntimeError, match=r"call fit_epochs\(\(x, y\)\) instead of fit"):
        getattr(model, method)(*data())
    assert model.shuffle_seed.numpy().tolist() == [0, 0]
    fit(model, data(), 16, epochs=1)
    with pytest.raises(RuntimeError, match="call fit_epochs"):
        getattr(model, method)(*data())


def test_several_outputs_are_refused() -> None:
    inputs = keras.Input((FEATURES,))
    heads = [keras.layers.Dense(1, name=name)(inputs) for name in ("price", "weight")]
    model = EpochModel(inputs, heads)
    model.compile("sgd", loss=["mse", "mse"])
    with pytest.raises(ValueError, match=r"one output, of float32; this one has .*, "):
        model.fit_epochs(data())


def test_half_precision_needs_an_output_of_float32() -> None:
    def model(output: Any) -> Any:
        inputs = keras.Input((FEATURES,))
        hidden = keras.layers.Dense(8, activation="tanh", dtype="mixed_bfloat16")(inputs)
        layer = keras.layers.Dense(CLASSES, activation="softmax", dtype=output)
        made = EpochModel(inputs, layer(hidden))
        made.compile(FusedSGD(RATE), loss="sparse_categorical_crossentropy")
        return made

    with pytest.raises(ValueError, match=r"one output, of float32; this one has .*bfloat16"):
        fit(model("mixed_bfloat16"), data(), 16, epochs=1)
    history = fit(model("float32"), data(), 16, epochs=5)
    assert history["loss"][4] < history["loss"][0]


def test_loss_scaling_is_refused() -> None:
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(RATE))
    with pytest.raises(ValueError, match="does not train under the policy mixed_float16; valid: f"):
        fit(model_of("mse", optimizer), one_hot(), 16, epochs=1)
