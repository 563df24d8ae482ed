"""Contender `tutorial`: Keras Tuner as its documentation and most tutorials use it.

    python -m tests.benchmarks.tutorial JOB

The last line of its output is the outcome.
"""

import math
import sys
import time
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt

from tests.benchmarks.job import BATCH_SIZE, DROPOUT, LAYERS, LEARNING_RATE, UNITS, Job, Outcome


class MyHyperModel(kt.HyperModel):
    """A classifier, built as the tutorials build one."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def build(self, hp: kt.HyperParameters) -> keras.Model:
        """Builds and compiles one model."""
        units = hp.Int("units", min(UNITS), max(UNITS), step=UNITS[1] - UNITS[0])
        dropout = hp.Float("dropout", *DROPOUT)
        model = keras.Sequential()
        for _ in range(hp.Int("layers", *LAYERS)):
            model.add(keras.layers.Dense(units, activation="relu"))
            model.add(keras.layers.Dropout(dropout))
        model.add(keras.layers.Dense(self.classes, activation="softmax"))
        model.compile(
            optimizer=keras.optimizers.Adam(hp.Float("lr", *LEARNING_RATE, sampling="log")),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        return model


def schedule(epoch: int, rate: float) -> float:
    """Keras's own example of a schedule: constant for ten epochs, then an exponential decay."""
    return rate if epoch < 10 else rate * math.exp(-0.1)


def search(job: Job) -> Outcome:
    """Runs the search."""
    arrays = job.read_arrays()
    tuner = kt.RandomSearch(
        MyHyperModel(classes=int(arrays["y"].max()) + 1),
        objective="val_accuracy",
        max_trials=job.trials,
        seed=job.seed,
        directory=job.folder,
        project_name="tutorial",
    )
    never = job.epochs + 1
    callbacks: list[Any] = [
        keras.callbacks.TensorBoard(str(Path(job.folder) / "tensorboard")),
        keras.callbacks.LearningRateScheduler(schedule),
        keras.callbacks.ReduceLROnPlateau(patience=5),
        keras.callbacks.EarlyStopping(patience=never),
    ]
    started = time.time()
    tuner.search(
        arrays["x"],
        arrays["y"],
        validation_data=(arrays["x_validation"], arrays["y_validation"]),
        epochs=job.epochs,
        batch_size=BATCH_SIZE,
        callbacks=callbacks,
        verbose=0,
    )
    ended = time.time()
    trials = tuner.oracle.trials.values()
    completed = [trial for trial in trials if trial.status == "COMPLETED"]
    if len(completed) < job.trials:
        raise RuntimeError(f"only {len(completed)} of {job.trials} trials were completed")
    score = max(trial.score for trial in completed)
    return Outcome(started, ended, len(completed) * job.epochs, score)


if __name__ == "__main__":
    print(search(Job.load(sys.argv[1])).to_json())
