"""Settings that overrule how a file is read, and what is told where they may be needed."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.config import load_config
from src.config.schema import DataSettings
from src.data.loading import Data, load_data
from src.data.tables.columns import columns_yaml, read_columns
from src.data.tables.model_rows import raw_inputs
from src.errors import UserError

ROWS = 48


def lines(header: str, row: Any) -> str:
    return "\n".join([header, *(row(number) for number in range(ROWS))]) + "\n"


def read(folder: Path, content: str | bytes, **settings: Any) -> Data:
    path = folder / "file.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_data(DataSettings(source="csv", path=str(path), **settings), seed=0)


def notices(data: Data) -> str:
    assert data.table is not None
    return "\n".join([*data.table.notices, *data.table.form.remarks])


def formats(data: Data) -> dict[str, str]:
    assert data.table is not None
    return {column.name: column.format for column in data.table.inputs}


def test_the_separator(tmp_path: Path) -> None:
    # Every line has one comma and one caret: by itself it is a table of two columns.
    text = lines("a^b,c^y", lambda r: f"{r % 5}^{r % 3},{r % 4}^{r % 2}")
    assert formats(read(tmp_path, text)) == {"a^b": "text"}
    data = read(tmp_path, text, separator="^", decimal="comma")
    assert formats(data) == {"a": "1.234,5", "b,c": "1.234,5"}
    np.testing.assert_allclose(data.x[7], [2, 1.3], rtol=1e-6)
    for name, sign in (("semicolon", ";"), ("tab", "\t"), ("bar", "|"), ("blanks", "  ")):
        found = read(tmp_path, text.replace(",", ".").replace("^", sign), separator=name)
        assert formats(found) == {"a": "plain", "b.c": "plain"}


def test_the_encoding(tmp_path: Path) -> None:
    content = lines("a,town,y", lambda r: f"{r % 5},{('Łódź', 'Brno')[r % 2]},{r % 3}")
    found = read(tmp_path, content.encode("cp1250"))
    assert "cp1252 (data.encoding)" in notices(found)
    for encoding in ("cp1250", "utf-16"):
        data = read(tmp_path, content.encode(encoding), encoding=encoding)
        assert data.table is not None
        assert data.table.inputs[1].categories == ("Łódź", "Brno")
        assert f"{encoding} (data.encoding)" in notices(data)
    assert formats(read(tmp_path, content.encode("utf-8-sig"), encoding="utf-8"))["a"] == "plain"
    with pytest.raises(UserError, match=r"data\.encoding: 'utf-8' is not how .*file\.csv is writ"):
        read(tmp_path, content.encode("cp1250"), encoding="utf-8")


def test_decimal_commas_where_points_could_be_either(tmp_path: Path) -> None:
    text = lines("a;b;y", lambda r: f"{r % 9 + 1}.{r:03};{r},5;{r % 3}")
    assert formats(read(tmp_path, text)) == {"a": "plain", "b": "1.234,5"}
    for more in ({}, {"columns": {"a": "numeric"}}):
        data = read(tmp_path, text, decimal="comma", **more)
        assert formats(data) == {"a": "1.234,5", "b": "1.234,5"}
        assert data.x[10].tolist() == [2010, 10.5]
    # What reads one way only is read that way.
    one_way = lines("d;e;f;y", lambda r: f"1/{r % 19 + 13}/2023;{r % 9}.25;{r},5;{r % 3}")
    data = read(tmp_path, one_way, decimal="comma", date_order="day_first")
    assert formats(data) == {"d": "%m/%d/%Y", "e": "plain", "f": "1.234,5"}
    point = read(tmp_path, text.replace(",5", ""), decimal="point")
    assert formats(point) == {"a": "plain", "b": "plain"}


@pytest.mark.parametrize("sign", ["/", "-"])
def test_the_order_of_day_and_month(sign: str, tmp_path: Path) -> None:
    text = lines("d,y", lambda r: sign.join((f"{1 + r % 12}", f"{1 + r // 12}", f"2023,{r % 2}")))
    found = read(tmp_path, text)
    first = "month" if sign == "/" else "day"
    other = {"month": "day_first", "day": "month_first"}[first]
    assert f"dates in 'd' are read with the {first} first, such as 0" in notices(found)
    assert f"data.date_order={other} reads them the other way" in notices(found)
    days = {}
    for order in ("day_first", "month_first"):
        data = read(tmp_path, text, date_order=order)
        assert data.table is not None
        assert "dates" not in notices(data)
        origin = data.table.inputs[0].origin
        days[order] = (data.x[12:14, 0] + origin).astype("datetime64[D]").astype(str).tolist()
    assert days["day_first"] == ["2023-02-01", "2023-02-02"]
    assert days["month_first"] == ["2023-01-02", "2023-02-02"]
    # a day above 12 settles it
    clear = text.replace(f"1{sign}1{sign}2023", f"13{sign}1{sign}2023", 1)
    assert "dates" not in notices(read(tmp_path, clear))


def test_more_texts_that_are_missing_values(tmp_path: Path) -> None:
    def row(r: int) -> str:
        a = ("-999", "-999.0", f"{r % 11}.5")[min(r % 9, 2)]
        return f"{a},{('Unknown', 'x', 'y')[r % 3]},{'unknown ' if r == 5 else r % 2}"

    text = lines("a,b,y", row)
    for missing, counts in (((), [0, 0, 0]), (("-999", "unknown"), [12, 16, 1])):
        data = read(tmp_path, text, missing=missing)
        assert data.table is not None
        assert [column.missing for column in data.table.columns] == counts
    assert data.class_names == ("0", "1")
    assert np.isnan(data.x[:2, 0]).all()
    # An exported model's rows are read by the same rule.
    assert data.table is not None
    (tmp_path / "columns.yaml").write_text(columns_yaml(data.table, data.task, data.class_names))
    columns = read_columns(tmp_path / "columns.yaml")
    assert columns.form.missing[-2:] == ("-999", "unknown")
    frame = pd.read_csv(tmp_path / "file.csv").drop(index=5)
    for rows in (frame, frame.astype(str)):
        inputs = raw_inputs(rows, columns.columns, columns.form.missing)
        np.testing.assert_array_equal(inputs["a"], data.x[:, 0])
        assert [text == "" for text in inputs["b"]] == np.isnan(data.x[:, 1]).tolist()


def test_values_that_mean_nothing_are_refused() -> None:
    for override, valid in {
        "data.separator=§": "one ASCII character like ^",
        "data.encoding=base64": "that Python knows",
        "data.missing={a: b}": "a list of texts",
    }.items():
        with pytest.raises(UserError) as raised:
            load_config(None, [override])
        assert str(raised.value).startswith(override.partition("=")[0])
        assert valid in str(raised.value)
