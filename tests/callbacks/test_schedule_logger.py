"""The values that callbacks set, in the logs. With schedules: test_learning_rate_scheduler."""

from types import SimpleNamespace
from typing import Any

import keras
import tensorflow as tf

from callbacks import ScheduleLogger
from callbacks.tensorboard import tag
from tests.callbacks.helpers import fit, plain_model


def test_of_a_plain_model_the_rate_is_logged_that_of_a_schedule_in_the_optimizer_too() -> None:
    decay = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.5, 0.25])
    history = fit(plain_model(keras.optimizers.SGD(decay)), [ScheduleLogger()], 3).history
    assert set(history) == {"loss", "learning_rate"}
    assert history["learning_rate"] == [0.5, 0.5, 0.25]  # the cut comes after step 1


def test_of_a_model_with_variables_the_values_of_the_first_step_are_logged() -> None:
    pair = tf.Variable(0.5), tf.Variable(0.5)
    model: Any = SimpleNamespace(
        optimizer=SimpleNamespace(learning_rate=0.1),
        tunables={"l2": pair, "dropout": (tf.Variable(0.1),)},
        epoch_batch_size=lambda: 32,
    )
    logger, logs = ScheduleLogger(), {"loss": 1.0}
    logger.set_model(model)
    logger.on_train_begin()
    logger.on_train_batch_begin(0)
    pair[0].assign(9.0)
    logger.on_train_batch_begin(1)
    logger.on_epoch_end(0, logs)
    assert logs == {"loss": 1.0, "learning_rate": 0.1, "l2": 0.5, "batch_size": 32}


def test_tensorboard_shows_each_in_a_chart_of_its_own() -> None:
    names = ("learning_rate", "plateau_scale", "batch_size", "l1", "l2", "weight_decay")
    assert [tag(name) for name in names] == list(names)
    assert (tag("loss"), tag("val_loss")) == ("loss/train", "loss/validation")
