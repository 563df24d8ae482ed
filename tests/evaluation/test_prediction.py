"""What `src.predict` is made of: rows of any file, the model's own layers, a new file of output."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from hypermodels import HYPERMODELS
from src.data.sources.rows_to_predict import open_rows
from src.data.tables.columns import Column, FileForm, ModelColumns
from src.data.tables.database import open_files
from src.data.tables.formats import MISSING
from src.data.tables.text_form import Dialect
from src.errors import UserError
from src.evaluation.prediction import ExportedModel, check_output, load_model, prediction_file
from src.store.run_directory import ExportDirectory

X = np.arange(60, dtype=np.int16).reshape(10, 2, 3)
Y = np.arange(10) * 3
OWN = """
import keras

@keras.saving.register_keras_serializable("own_parts")
class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x

class Own: pass
"""


def read(folder: Path, save: Any = np.savez, **arrays: Any) -> Any:
    save(folder / "rows.npz", **arrays)
    model = ExportedModel(ExportDirectory(folder), "regression", (), tuple("abcdef"))
    [rows], _ = open_rows(folder / "rows.npz", model)
    return rows


def test_arrays_are_flattened_in_the_order_of_their_indices(tmp_path: Path) -> None:
    rows, x, y = read(tmp_path, other=Y, x=np.asfortranarray(X), y=Y[:, None])
    assert (rows, x.dtype) == (10, np.float32)
    np.testing.assert_array_equal(x, X.reshape(10, 6))
    np.testing.assert_array_equal(y, Y)
    rows, x, y = read(tmp_path, x_train=X, x_test=X[:4], y_train=Y)  # there is no x
    assert (rows, x.tolist(), y) == (4, X[:4].reshape(4, 6).tolist(), None)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"a": X}, "has no array x or x_test; it has a"),
        ({"x": X[:, 0]}, r"x has shape \(10, 3\) .*valid: numbers, \(rows, 6\)"),
        ({"x": X.astype(str)}, "x has shape .* of type <U.*; valid: numbers"),
        ({"x": X.astype(object)}, "is not a complete npz file .Object arrays"),
        ({"x": X, "y": Y.astype(complex)}, r"y has shape \(10,\) of type complex"),
        ({"x": X, "y": Y[:9]}, r"y has shape \(9,\) .* x has 10 rows"),
    ],
)
def test_arrays_that_cannot_be_taken_are_told(tmp_path: Path, arrays: Any, told: str) -> None:
    with pytest.raises(UserError, match=rf"FILE: .*rows\.npz: {told}"):
        read(tmp_path, **arrays)


def test_a_damaged_npz_file_is_told(tmp_path: Path) -> None:
    def cut(path: Path, **arrays: Any) -> None:
        np.savez(path, **arrays)
        path.write_bytes(path.read_bytes()[:200])

    with pytest.raises(UserError, match="not a complete npz file"):
        read(tmp_path, save=cut, x=X)


def model_of(folder: Path, form: FileForm, *columns: Column) -> ExportedModel:
    target = Column("column_1", "target", "plain")
    table = ModelColumns(columns, target, "binary", ("0", "1"), form)
    return ExportedModel(ExportDirectory(folder), "binary", ("0", "1"), table=table)


@pytest.mark.parametrize(
    ("end", "lines", "second", "third"),
    [
        ("", "2.5,6\n3.5,7\n", [2.5, 3.5], [6, 7]),
        (",", "1,2.5,6,\n0,3.5,7,\n", [2.5, 3.5], [6, 7]),
        (",", "2.5,6,\n", [2.5], [6]),
    ],
)
def test_a_file_without_names_may_lack_the_target_and_end_its_lines_in_separators(
    tmp_path: Path, end: str, lines: str, second: list[float], third: list[float]
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("".join(f"{row % 2},{row}.5,{row * row % 7}{end}\n" for row in range(30)))
    names = open_files([path], "FILE", Dialect(header=False)).names  # as the model was trained
    assert names == ("column_1", "column_2", "column_3")
    columns = (Column(name, "numeric", "plain", input=name) for name in names[1:])
    path.write_text(lines)
    form = FileForm(3, has_header=False, separator=",", missing=MISSING)
    [(_, inputs, _)], _ = open_rows(path, model_of(tmp_path, form, *columns))
    np.testing.assert_array_equal(inputs["column_2"], second)
    np.testing.assert_array_equal(inputs["column_3"], third)


@pytest.mark.parametrize("encoding", ["cp1250", "utf-8", "utf-16", "ascii"])
def test_the_encoding_may_be_another_than_in_training(tmp_path: Path, encoding: str) -> None:
    cities = ["Koln", "Lodz"] if encoding == "ascii" else ["Köln", "Łódź"]
    lines = ["city,size", *(f"{city},1" for city in cities)]
    (tmp_path / "new.csv").write_bytes("\n".join(lines).encode(encoding))
    form = FileForm(3, separator=",", encoding="cp1250", missing=MISSING)
    model = model_of(tmp_path, form, Column("city", "categorical", "text", input="city"))
    [(_, inputs, _)], _ = open_rows(tmp_path / "new.csv", model)
    assert list(inputs["city"]) == cities


def test_layers_of_the_hypermodel_are_imported_where_the_file_needs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_parts.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(HYPERMODELS, "own", "own_parts:Own")
    monkeypatch.setitem(HYPERMODELS, "other", "own_parts_that_nobody_has:Own")
    import own_parts  # type: ignore[import-not-found]

    inputs, path = keras.Input((1,)), tmp_path / "model.keras"
    keras.Model(inputs, own_parts.Twice()(inputs)).save(path)
    keras.saving.get_custom_objects().pop("own_parts>Twice")  # as in another process
    del sys.modules["own_parts"]

    def load(hypermodel: str) -> Any:
        folder = ExportDirectory(tmp_path)
        return load_model(ExportedModel(folder, "regression", (), ("a",), hypermodel=hypermodel))

    with pytest.raises(UserError, match=r"model\.keras: cannot be loaded"):
        load("")
    assert "own_parts" not in sys.modules
    assert load("own").predict_on_batch(keras.ops.ones((1, 1))).tolist() == [[2.0]]
    keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]).save(path)
    load("other")  # whose module is not imported
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(UserError, match=r"model\.keras: cannot be loaded .*Put back a copy"):
        load("mlp")


def write(path: Path, meanwhile: Callable[[], Any] = lambda: None) -> None:
    with prediction_file(str(path)) as file:
        file.write("a\n")
        assert not path.exists()
        meanwhile()


def test_the_output_is_there_whole_or_not_at_all_and_replaces_nothing(tmp_path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    path = tmp_path / "out.csv"
    check_output(str(path))
    with pytest.raises(KeyboardInterrupt):
        write(path, stop)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match=r"--output: .*out\.csv' exists"):
        write(path, lambda: path.write_text("mine"))
    assert path.read_text() == "mine"
    path.unlink()
    write(path)
    assert path.read_text() == "a\n"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(UserError, match="there is no folder"):
        check_output(str(tmp_path / "nowhere" / "out.csv"))


def test_a_model_that_holds_code_is_refused(tmp_path: Path) -> None:
    folder, x = ExportDirectory(tmp_path), keras.Input((1,))
    keras.Model(x, keras.layers.Lambda(lambda values: 2 * values)(x)).save(folder.model)
    with pytest.raises(UserError, match=r"model\.keras: cannot be loaded .*lambda"):
        load_model(ExportedModel(folder, "regression", (), ("a",)))
