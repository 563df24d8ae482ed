"""Saves and restores a training at the end of an epoch, so that a promotion continues it.

Keras Tuner loads a parent's best weights and forgets the rest: the optimizer's moments and counts,
dropout's random generators, plateau cuts and early-stopping counters start anew. Here the last
epoch's state comes back whole. The file is one npz of arrays and a JSON text; nothing is pickled.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from callbacks import BestEpoch
from src.errors import DiskError
from src.files import write_atomically

_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error)


def save(
    path: Path,
    model: keras.Model,
    callbacks: Mapping[str, Any],
    best: BestEpoch,
    *,
    epochs: int,
    stopped: bool,
) -> None:
    """Writes the state at the end of a training.

    Args:
        path: the npz file.
        model: the model as it stands after its last epoch.
        callbacks: by name; those that have a `get_state` are saved.
        best: the best epoch so far, with its weights.
        epochs: epochs trained.
        stopped: whether a callback ended the training.
    """
    states = {name: c.get_state() for name, c in callbacks.items() if hasattr(c, "get_state")}
    state = {"epochs": epochs, "stopped": stopped, "best": best.get_state()}
    text = json.dumps(state | {"callbacks": states})
    arrays = {"state": np.frombuffer(text.encode(), dtype=np.uint8)}
    for index, variable in enumerate(_variables(model)):
        arrays[f"variable{index}"] = keras.ops.convert_to_numpy(variable.value)
    for index, weight in enumerate(best.weights):
        arrays[f"best{index}"] = weight
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # allow_pickle is not among the names
    write_atomically(path, buffer.getvalue())


def restore(
    path: Path, model: keras.Model, callbacks: Mapping[str, Any], best: BestEpoch
) -> tuple[int, bool]:
    """Puts a saved state into a freshly built model and fresh callbacks.

    Returns:
        The epochs trained when the state was saved, and whether a callback had ended the training.

    Raises:
        DiskError: naming the file, if it is missing or not what `save` wrote for such a model. That
            is not the trial's fault.
    """
    try:
        return _restore(path, model, callbacks, best)
    except (OSError, EOFError, LookupError, TypeError, ValueError, *_ZIP_ERRORS) as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise DiskError(
            f"{path}: the training state to go on from cannot be read: {reason}"
        ) from error


def _restore(
    path: Path, model: keras.Model, callbacks: Mapping[str, Any], best: BestEpoch
) -> tuple[int, bool]:
    with np.load(path, allow_pickle=False) as arrays:
        state = json.loads(arrays["state"].tobytes())
        base_rate = float(model.optimizer.learning_rate)
        for index, variable in enumerate(_variables(model)):
            variable.assign(arrays[f"variable{index}"])
        # The rate is base × schedule × plateau factor: the callbacks set it from their own state.
        model.optimizer.learning_rate = base_rate
        best.weights = [arrays[f"best{index}"] for index in range(len(model.weights))]
    best.set_state(state["best"])
    for name, callback_state in state["callbacks"].items():
        if name in callbacks:
            callbacks[name].set_state(callback_state)
    return state["epochs"], state["stopped"]


def _variables(model: keras.Model) -> list[Any]:
    """Weights, random generators, and the optimizer's iterations, rate and moments."""
    return [*model.variables, *model.optimizer.variables]
