"""Loading a model: its HyperModel's module is imported only where the file needs its layers."""

import sys
from pathlib import Path

import keras
import pytest

from hypermodels import HYPERMODELS
from src.errors import UserError
from src.evaluation.prediction.model import ExportedModel, load_model
from src.store.run_directory import ExportDirectory

OWN = """
import keras

@keras.saving.register_keras_serializable("own_parts")
class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x

class Own: pass
"""


def exported(folder: Path, hypermodel: str) -> ExportedModel:
    return ExportedModel(ExportDirectory(folder), "regression", (), ("a",), hypermodel=hypermodel)


def test_layers_of_the_hypermodel_are_imported_where_the_file_needs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_parts.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(HYPERMODELS, "own", "own_parts:Own")
    monkeypatch.setitem(HYPERMODELS, "other", "own_parts_that_nobody_has:Own")
    import own_parts  # type: ignore[import-not-found]

    inputs = keras.Input((1,))
    keras.Model(inputs, own_parts.Twice()(inputs)).save(tmp_path / "model.keras")
    keras.saving.get_custom_objects().pop("own_parts>Twice")  # as in another process
    del sys.modules["own_parts"]

    with pytest.raises(UserError, match=r"model\.keras: cannot be loaded"):
        load_model(exported(tmp_path, ""))
    assert "own_parts" not in sys.modules
    network = load_model(exported(tmp_path, "own"))
    assert network.predict_on_batch(keras.ops.ones((1, 1))).tolist() == [[2.0]]

    keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]).save(tmp_path / "model.keras")
    load_model(exported(tmp_path, "other"))  # whose module is not imported


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(UserError, match=r"model\.keras: cannot be loaded .*Put back a copy"):
        load_model(exported(tmp_path, "mlp"))
