"""Loads an exported model, quietly, and with what its own layers need."""

from typing import TYPE_CHECKING

from hypermodels import HYPERMODELS
from src import registry
from src.errors import UserError
from src.evaluation.prediction.exported import ExportedModel
from src.startup import held_stderr, import_keras

if TYPE_CHECKING:
    import keras


def load_network(model: ExportedModel) -> "keras.Model":
    """Loads the model in Keras's safe mode.

    Layers of a HyperModel's own are known to Keras once its module is imported, which others need
    not wait for.

    Raises:
        UserError: if the file cannot be loaded.
    """
    import_keras()
    try:
        return _load(model)
    except Exception as error:  # damaged archives and unknown layers raise anything
        if model.hypermodel not in HYPERMODELS:
            raise _unreadable(model, error) from error
    registry.load(HYPERMODELS, model.hypermodel, "hypermodel.name")
    try:
        return _load(model)
    except Exception as error:
        raise _unreadable(model, error) from error


def _load(model: ExportedModel) -> "keras.Model":
    import keras

    with held_stderr():
        return keras.models.load_model(model.folder.model, safe_mode=True, compile=False)


def _unreadable(model: ExportedModel, error: Exception) -> UserError:
    line = next(iter(str(error).strip().splitlines()), "")
    return UserError(
        f"{model.folder.model}: cannot be loaded ({type(error).__name__}: {line[:300]}). Put back "
        "a copy of the file, or train a model anew: python -m src.retrain"
    )
