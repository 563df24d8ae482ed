"""Saves and restores a training at the end of an epoch, so that a promotion continues it.

Keras Tuner loads a parent's best weights and forgets the rest: the optimizer's moments and counts,
random generators, plateau cuts and early-stopping counters start anew. Here the last epoch's state
comes back whole. Weights and states are npz files of arrays; nothing is pickled.
"""

import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np

from callbacks import BestEpoch
from src.errors import DiskError
from src.files import write_atomically

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class SavedTraining:
    """A training state in memory, read whole, so that damage shows before a model is changed."""

    # Epochs, whether a callback had ended the training, the callbacks' states.
    state: dict[str, Any]
    arrays: dict[str, Array]  # the variables, and the best epoch's weights


def save(
    path: Path,
    model: keras.Model,
    callbacks: Mapping[str, Any],
    best: BestEpoch,
    *,
    epochs: int,
    stopped: bool,
    trial: Mapping[str, Any] | None = None,
) -> None:
    """Writes the state at the end of an epoch.

    Args:
        path: the npz file.
        model: as it stands after that epoch.
        callbacks: by name; those that have a `get_state` are saved.
        best: the best epoch so far, with its weights.
        epochs: how many are trained.
        stopped: whether a callback ended the training.
        trial: what else the reader needs of the trial, plain JSON data.
    """
    states = {name: c.get_state() for name, c in callbacks.items() if hasattr(c, "get_state")}
    state = {"epochs": epochs, "stopped": stopped, "best": best.get_state()}
    state |= {"callbacks": states} | ({} if trial is None else {"trial": dict(trial)})
    arrays = {"state": np.frombuffer(json.dumps(state).encode(), dtype=np.uint8)}
    # Where the model shows averages of its weights, training goes on with the weights themselves.
    trained = {id(v): w for v, w in zip(model.trainable_variables, _trained(model), strict=True)}
    for index, variable in enumerate(_variables(model)):
        value = trained.get(id(variable), variable.value)
        arrays[f"variable{index}"] = keras.ops.convert_to_numpy(value)
    arrays |= {f"best{index}": weight for index, weight in enumerate(best.weights)}
    _write(path, arrays)


def read(path: Path) -> SavedTraining:
    """Reads what `save` wrote; the checksums in the file are compared.

    Raises:
        DiskError: naming the file, if it is missing or damaged. That is not the trial's fault.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
        return SavedTraining(json.loads(arrays.pop("state").tobytes()), arrays)
    except (OSError, EOFError, LookupError, ValueError, BadZipFile, zlib.error) as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        told = f"{path}: the training state to go on from cannot be read: {reason}"
        raise DiskError(told) from error


def restore(
    saved: SavedTraining, model: keras.Model, callbacks: Mapping[str, Any], best: BestEpoch
) -> tuple[int, bool]:
    """Puts a saved state into a freshly built model and fresh callbacks.

    Returns:
        The epochs trained when the state was saved, and whether a callback had ended the training.

    Raises:
        LookupError, TypeError, ValueError: if the state is not that of such a model; where an array
            is missing or has another shape, before anything is changed.
    """
    state, variables = saved.state, _variables(model)
    values = [saved.arrays[f"variable{index}"] for index in range(len(variables))]
    best_weights = [saved.arrays[f"best{i}"] for i in range(len(model.weights))]
    for variable, value in zip([*variables, *model.weights], [*values, *best_weights], strict=True):
        if tuple(variable.shape) != value.shape:
            raise ValueError(f"shape {value.shape} instead of {tuple(variable.shape)}")
    base_rate = float(model.optimizer.learning_rate)
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    # The rate is base × schedule × plateau factor: the callbacks set it from their own state.
    model.optimizer.learning_rate = base_rate
    best.weights = best_weights
    best.set_state(state["best"])
    for name, callback_state in state["callbacks"].items():
        if name in callbacks:
            callbacks[name].set_state(callback_state)
    return state["epochs"], state["stopped"]


def save_weights(path: Path, weights: Sequence[Array]) -> None:
    """Writes weights as `model.get_weights()` gives them, ten times faster than Keras's format."""
    _write(path, {f"weight{index}": weight for index, weight in enumerate(weights)})


def load_weights(path: Path) -> list[Array]:
    """Reads weights for `model.set_weights()`."""
    with np.load(path, allow_pickle=False) as arrays:
        return [arrays[f"weight{index}"] for index in range(len(arrays))]


def _write(path: Path, arrays: Mapping[str, Array]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # allow_pickle is not among the names
    write_atomically(path, buffer.getvalue())


def _trained(model: keras.Model) -> list[Any]:
    if hasattr(model, "trained_weights"):
        return list(model.trained_weights())
    return [variable.value for variable in model.trainable_variables]


def _variables(model: keras.Model) -> list[Any]:
    """Weights, random generators, and the optimizer's iterations, rate and moments."""
    return [*model.variables, *model.optimizer.variables]
