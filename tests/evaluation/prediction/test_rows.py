"""Rows of a file without names of columns go to the inputs that they went to in training."""

from pathlib import Path

import numpy as np
import pytest

from src.data.tables.columns import Column, ModelColumns, TextForm
from src.data.tables.text_files import open_text
from src.evaluation.prediction.model import ExportedModel
from src.evaluation.prediction.rows import open_rows
from src.store.run_directory import ExportDirectory


def model_of(folder: Path, form: TextForm, *columns: Column) -> ExportedModel:
    target = Column("column_1", "target", "plain")
    table = ModelColumns(columns, target, "binary", ("0", "1"), 3, form)
    return ExportedModel(ExportDirectory(folder), "binary", ("0", "1"), table=table)


@pytest.mark.parametrize(
    ("end", "lines", "second", "third"),
    [
        ("", "1,2.5,\n0,3.5,\n", [2.5, 3.5], [np.nan, np.nan]),  # nobody knows column_3
        ("", "2.5,6\n3.5,7\n", [2.5, 3.5], [6, 7]),
        (",", "1,2.5,6,\n0,3.5,7,\n", [2.5, 3.5], [6, 7]),
        (",", "1,2.5,,\n0,3.5,,\n", [2.5, 3.5], [np.nan, np.nan]),
        (",", "2.5,6,\n", [2.5], [6]),
    ],
)
def test_an_empty_last_field_is_a_feature_unless_all_lines_had_one(
    tmp_path: Path, end: str, lines: str, second: list[float], third: list[float]
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("".join(f"{row % 2},{row}.5,{row * row % 7}{end}\n" for row in range(30)))
    text = open_text(path, "FILE", False)  # as the model was trained
    assert text.form.empty_ends == len(end)
    columns = (Column(name, "numeric", "plain", input=name) for name in text.names[1:])
    path.write_text(lines)
    [(_, inputs, _)], _ = open_rows(path, model_of(tmp_path, text.form, *columns))
    np.testing.assert_array_equal(inputs["column_2"], second)
    np.testing.assert_array_equal(inputs["column_3"], third)


@pytest.mark.parametrize("encoding", ["cp1250", "utf-8", "utf-16", "ascii"])
def test_the_encoding_may_be_another_than_that_of_the_training_file(
    tmp_path: Path, encoding: str
) -> None:
    cities = ["Koln", "Lodz"] if encoding == "ascii" else ["Köln", "Łódź"]
    (tmp_path / "new.csv").write_bytes("\n".join(["city,size", *cities]).encode(encoding))
    form = TextForm(",", has_header=True, encoding="cp1250")
    model = model_of(tmp_path, form, Column("city", "categorical", "text", input="city"))
    [(_, inputs, _)], _ = open_rows(tmp_path / "new.csv", model)
    assert list(inputs["city"]) == cities
