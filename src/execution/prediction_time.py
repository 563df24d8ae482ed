"""How long a model takes to predict."""

import time
from typing import Any

import keras
import numpy as np

ROWS = 1000
CALLS = 20


def prediction_seconds(model: keras.Model, x: Any) -> float:
    """Seconds for 1,000 rows in one batch: the fastest of some calls, after one that traces.

    Others are slower for what else the processors do. Where they are busy all the time, as with
    several workers, so is the fastest.

    Args:
        model: takes scaled rows.
        x: such rows, at least one; too few are repeated.
    """
    rows = np.asarray(x[:ROWS])
    rows = np.resize(rows, (ROWS, *rows.shape[1:]))
    model.predict_on_batch(rows)
    seconds = []
    for _ in range(CALLS):
        started = time.perf_counter()
        model.predict_on_batch(rows)
        seconds.append(time.perf_counter() - started)
    return min(seconds)
