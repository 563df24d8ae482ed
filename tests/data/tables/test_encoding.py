"""The encoding of tables: numbers worked out by hand, and the same numbers from the Keras model."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from src.config.schema import DataSettings
from src.data.loading import Data, load_data
from src.data.tables.columns import Column
from src.data.tables.encoding import TableEncoding
from src.data.tables.fitting import fit_encoding
from src.data.tables.formats import PLAIN, TEXT
from src.data.tables.model_inputs import encoded_inputs
from src.data.tables.model_rows import raw_inputs
from src.data.tables.raw_rows import RawTableRows

NAN = np.nan


def number(**facts: Any) -> Column:
    return Column("n", "numeric", PLAIN, input="n", **facts)


def text(*categories: str) -> Column:
    return Column("t", "categorical", TEXT, input="t", categories=categories)


def fitted(values: Any, column: Column, scaling: Any = "standard") -> TableEncoding:
    x = np.array(values, np.float32).reshape(-1, 1)
    return fit_encoding(x, np.arange(len(x)), [column], scaling)


def applied(encoding: TableEncoding, *values: float) -> list[list[float]]:
    rows: list[list[float]]
    rows = encoding.apply(np.array(values, np.float32).reshape(-1, 1)).tolist()
    return rows


def bounded(z: Any) -> float:
    return float(z / np.sqrt(1 + (z / 3) ** 2))


def test_numbers_are_scaled_bounded_imputed_and_flagged() -> None:
    encoding = fitted([0.5, 2.5, 4.5, 8.5, NAN], number())
    mean, deviation = 4.0, np.std([0.5, 2.5, 4.5, 8.5])
    (known, unknown, far) = applied(encoding, 8.5, NAN, 1e30)
    assert known == pytest.approx([bounded((8.5 - mean) / deviation), 0])
    assert unknown == pytest.approx([bounded((3.5 - mean) / deviation), 1])
    assert far == pytest.approx([3, 0], abs=1e-4)


def test_robust_scaling_is_of_quartiles_and_where_they_are_one_of_the_deviation() -> None:
    encoding = fitted([0.1, 1.1, 2.1, 3.1, 1e6], number(), "robust")
    assert encoding.center.tolist() == pytest.approx([2.1])
    assert encoding.scale.tolist() == pytest.approx([2 / 1.349])
    spiked = fitted([0.0] * 9 + [50.5], number(), "robust")
    assert spiked.scale.tolist() == pytest.approx([np.std([0.0] * 9 + [50.5])])
    assert fitted([0.5] * 4, number(), "robust").scale.tolist() == [1]
    x = np.array([[1], [2], [1e9]], np.float32)
    assert fit_encoding(x, np.arange(2), [number()], "none").fill.tolist() == [1.5]
    assert applied(fitted([0.5, 3000.25, NAN], number(), "none"), NAN) == [[1500.375, 1]]


def test_integers_with_few_values_have_a_column_each_that_is_often_enough() -> None:
    encoding = fitted([1, 1, 2, 2, 5, 5, 7], number(), "none")
    assert applied(encoding, 2, 7, 3) == [[2, 0, 1, 0], [7, 0, 0, 0], [3, 0, 0, 0]]


def test_numbers_are_encoded_in_pieces_of_as_many_rows_each() -> None:
    encoding = fitted(np.linspace(0, 1, 401) ** 2 * 100, number(), "robust")
    rows = np.array(applied(encoding, 0, 15.625, 100, 1000))[:, 1:]  # ends at 6.25, 25 and 56.25
    expected = np.array([[0, 0, 0, 0], [1, 0.5, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]])
    np.testing.assert_allclose(rows, expected, atol=1e-5)


def test_rare_and_unknown_categories_are_one_and_missing_is_a_category() -> None:
    encoding = fitted([0, 0, 0, 1, 1, 2, NAN, NAN], text("a", "b", "c", "d"))
    ((_, vocabulary),) = encoding.texts
    assert vocabulary.texts == ("a", "b", "")
    rows = applied(encoding, 0, 1, 2, 3, NAN)
    assert rows == [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1]]


def test_many_categories_are_indices_counted_through_all_columns() -> None:
    names, first = tuple(f"c{n}" for n in range(40)), np.repeat(np.arange(40), 2)
    x = np.column_stack([first, first[::-1], np.linspace(0, 1, 80)]).astype(np.float32)
    encoding = fit_encoding(x, np.arange(80), [text(*names), text(*names), number()], "none")
    assert (len(encoding.embedded), encoding.embedded_categories) == (2, 82)
    rows = encoding.apply(np.array([[0, 39, 0.5], [NAN, 0, 0]], np.float32))
    assert rows.tolist() == [[0.5, 1, 41 + 40], [0, 0, 41 + 1]]


def test_dates_go_through_day_week_and_year() -> None:
    column = Column("d", "date", "%d.%m.%Y", input="d")
    encoding = fitted(np.arange(0, 400, 0.25), column, "none")
    assert sorted({period for _, period, _ in encoding.cycles}) == [1, 7, 365.2425]
    (quarter,) = applied(encoding, 7.25)
    assert quarter[:3] == pytest.approx([7.25, 1, 0], abs=1e-5)  # a quarter of a day: sine 1
    assert {period for _, period, _ in fitted(np.arange(30.0), column, "none").cycles} == {7}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> DataSettings:
    random, count = np.random.default_rng(0), 300
    kinds = ["red", "blue ", "großer", "rare"]
    frame = pd.DataFrame(
        {
            "size/m": random.lognormal(3, 2, count).round(3),
            "rooms": random.integers(1, 6, count),
            "add": random.normal(size=count).round(4),
            "kind of [x]": random.choice(kinds, count, p=[0.5, 0.3, 0.19, 0.01]),
            "town": [f"town {n}" for n in random.integers(0, 60, count)],
            "built": [f"{d % 28 + 1:02}.{d % 12 + 1:02}.20{d % 20 + 10} 04:30" for d in range(300)],
            "owned": random.choice(["yes", "no"], count),
        }
    )
    frame["price"] = (frame["add"] * 3 + frame["rooms"]).round(3)
    frame.loc[::7, "size/m"] = None
    frame.loc[::5, "kind of [x]"] = None
    frame.loc[3, "built"] = "?"
    path = tmp_path_factory.mktemp("mixed") / "mixed.csv"
    frame.to_csv(path, index=False)
    return DataSettings(source="csv", path=str(path))


@pytest.fixture(scope="module")
def mixed(settings: DataSettings) -> Data:
    return load_data(settings, seed=0)


@pytest.fixture(scope="module")
def model(mixed: Data) -> tuple[keras.Model, TableEncoding]:
    assert mixed.table is not None
    encoding = fit_encoding(mixed.x, mixed.train, mixed.table.inputs, "robust")
    return keras.Model(*encoded_inputs(encoding, mixed.table.inputs)), encoding


def test_the_model_computes_the_same_from_raw_rows(
    mixed: Data, settings: DataSettings, model: tuple[keras.Model, TableEncoding], tmp_path: Path
) -> None:
    assert mixed.table is not None
    columns = mixed.table.inputs
    kinds = [column.kind for column in columns]
    assert kinds == [*("numeric",) * 3, *("categorical",) * 2, "date", "boolean"]
    network, encoding = model
    network.save(tmp_path / "model.keras")
    saved = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    raw = RawTableRows(mixed.x, np.arange(len(mixed.x)), columns)[:]
    assert list(raw) == ["size_m", "rooms", "add", "kind of [x]", "town", "built", "owned"]
    encoded = saved.predict(raw, verbose=0)
    np.testing.assert_allclose(encoded, encoding.apply(mixed.x), rtol=1e-5, atol=1e-5)
    assert len(encoding.embedded) == 1
    # what a table has as its file does, without the loader
    assert settings.path is not None
    from_frame = raw_inputs(pd.read_csv(settings.path, dtype=str), columns)
    typed = raw_inputs(pd.read_csv(settings.path), columns)
    for name, values in raw.items():
        np.testing.assert_array_equal(from_frame[name], values)
        np.testing.assert_array_equal(typed[name], values)


def test_the_model_bears_what_it_has_never_seen(
    mixed: Data, model: tuple[keras.Model, TableEncoding]
) -> None:
    assert mixed.table is not None
    network, encoding = model
    frame = pd.DataFrame(
        {
            "size/m": ["inf", "1e300", "abc", None, None],
            "rooms": [NAN, 99, 3, 4, 4],
            "add": ["NA", "-1e30", "0", "1", "1"],
            "kind of [x]": ["new", "", "rare", "red", " red "],
            "town": ["nowhere", None, "town 3", "?", ""],
            "built": ["tomorrow", "", None, "01.02.2013 04:30", "01.02.2013 04:30"],
            "owned": ["maybe", "yes", "no", None, ""],
        }
    )
    encoded = network.predict(raw_inputs(frame, mixed.table.inputs), verbose=0)
    assert encoded.shape == (5, encoding.features)
    assert np.isfinite(encoded).all()
    np.testing.assert_array_equal(encoded[3], encoded[4])
    with pytest.raises(Exception, match=r"lacks 6 of the 7 columns that the model takes: rooms, "):
        raw_inputs(pd.DataFrame({"size/m": [1]}), mixed.table.inputs)
