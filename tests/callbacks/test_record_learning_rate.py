"""The rate in the logs. With the callbacks that change it: test_learning_rate_scheduler."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from callbacks import LearningRateScheduler, RecordLearningRate, get_schedule
from tests.callbacks.helpers import BASE, fit, plain_model


def test_history_has_the_rate_without_any_callback_that_changes_it() -> None:
    history = fit(plain_model(), [RecordLearningRate()], 3)
    assert history.history["learning_rate"] == [np.float32(BASE)] * 3


def test_a_schedule_in_the_optimizer_is_recorded_too() -> None:
    decay = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.5, 0.25])
    history = fit(plain_model(keras.optimizers.SGD(decay)), [RecordLearningRate()], 3)
    assert history.history["learning_rate"] == [0.5, 0.5, 0.25]  # the cut comes after step 1


def test_a_csv_logger_after_it_sees_the_rate(tmp_path: Path) -> None:
    schedule = get_schedule("linear", {"final": 0.0})
    model = plain_model(keras.optimizers.SGD(1.0))
    csv = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    fit(model, [LearningRateScheduler(schedule, 4), RecordLearningRate(), csv], 4)
    assert pd.read_csv(tmp_path / "log.csv")["learning_rate"].tolist() == [1.0, 0.75, 0.5, 0.25]
