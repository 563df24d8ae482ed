"""Rows of a file without names of columns go to the inputs that they went to in training."""

from pathlib import Path

import numpy as np
import pytest

from src.data.tables.columns import Column, ModelColumns, TextForm
from src.data.tables.text_files import open_text
from src.evaluation.prediction.model import ExportedModel
from src.evaluation.prediction.rows import open_rows
from src.store.run_directory import ExportDirectory

ROWS = 30


def trained_on(folder: Path, end: str) -> ExportedModel:
    """A model whose file had a target and two features, and this at the end of its lines."""
    path = folder / "train.csv"
    path.write_text("".join(f"{row % 2},{row}.5,{row * row % 7}{end}\n" for row in range(ROWS)))
    text = open_text(path, "FILE", False)
    assert text.names == ("column_1", "column_2", "column_3")
    columns = tuple(Column(n, "numeric", "plain", input=n) for n in text.names[1:])
    target = Column("column_1", "target", "plain")
    table = ModelColumns(columns, target, "binary", ("0", "1"), 3, text.form)
    return ExportedModel(ExportDirectory(folder), "binary", ("0", "1"), table=table)


@pytest.mark.parametrize(
    ("trained", "lines", "second", "third"),
    [
        ("", "1,2.5,\n0,3.5,\n", [2.5, 3.5], [np.nan, np.nan]),  # nobody knows column_3
        ("", "2.5,6\n3.5,7\n", [2.5, 3.5], [6, 7]),
        (",", "1,2.5,6,\n0,3.5,7,\n", [2.5, 3.5], [6, 7]),
        (",", "1,2.5,,\n0,3.5,,\n", [2.5, 3.5], [np.nan, np.nan]),
        (",", "2.5,6,\n", [2.5], [6]),
    ],
)
def test_an_empty_last_field_is_a_feature_unless_all_lines_had_one(
    tmp_path: Path, trained: str, lines: str, second: list[float], third: list[float]
) -> None:
    model = trained_on(tmp_path, trained)
    assert model.table is not None
    assert model.table.form is not None
    assert model.table.form.empty_ends == len(trained)
    (tmp_path / "rows.csv").write_text(lines)
    [(_, inputs, _)], _ = open_rows(tmp_path / "rows.csv", model)
    np.testing.assert_array_equal(inputs["column_2"], second)
    np.testing.assert_array_equal(inputs["column_3"], third)


@pytest.mark.parametrize("encoding", ["cp1250", "utf-8", "utf-16", "ascii"])
def test_the_encoding_may_be_another_than_that_of_the_training_file(
    tmp_path: Path, encoding: str
) -> None:
    cities = ["Koln", "Lodz"] if encoding == "ascii" else ["Köln", "Łódź"]
    text = "\n".join(["city,size", *(f"{city},{size}" for size, city in enumerate(cities))])
    (tmp_path / "new.csv").write_bytes(text.encode(encoding))
    columns = (
        Column("city", "categorical", "text", input="city"),
        Column("size", "numeric", "plain", input="size"),
    )
    form = TextForm(",", has_header=True, encoding="cp1250")
    target = Column("y", "target", "plain")
    table = ModelColumns(columns, target, "binary", ("0", "1"), 3, form)
    model = ExportedModel(ExportDirectory(tmp_path), "binary", ("0", "1"), table=table)
    [(_, inputs, _)], _ = open_rows(tmp_path / "new.csv", model)
    assert list(inputs["city"]) == cities
