"""Public data with its real quirks; skipped where the folder beside the repository is absent."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.config.schema import DataSettings
from src.data.loading import Data, load_data

FOLDER = Path(__file__).parents[3] / "shared" / "data"


def loaded(name: str, **settings: Any) -> Data:
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"needs the public data file shared/data/{name} beside the repository")
    source = path.suffix.removeprefix(".")
    return load_data(DataSettings(source=source, path=str(path), **settings), seed=42)


def columns(data: Data) -> dict[str, Any]:
    assert data.table is not None
    return {column.name: column for column in data.table.columns}


def test_phoneme_is_binary_and_letter_a_regression_until_it_is_said_to_be_classes() -> None:
    data = loaded("phoneme.csv")
    assert (data.task, data.class_names, data.x.shape) == ("binary", ("0", "1"), (5404, 5))
    for part in (data.train, data.validation, data.test):
        assert data.y[part].mean() == pytest.approx(data.y.mean(), abs=1e-3)
    assert loaded("letter.csv").task == "regression"
    letters = loaded("letter.csv", task="multiclass")
    assert letters.class_names == tuple(map(str, range(1, 27)))


def test_fashion_mnist_brings_its_own_test_rows() -> None:
    data = loaded("fashion_mnist.npz")
    assert (data.task, data.scaling, data.image_maximum) == ("multiclass", "none", 255.0)
    assert [len(data.train), len(data.validation)] == [48_000, 12_000]
    assert data.test.tolist() == list(range(60_000, 70_000))
    x = data.arrays(data.train[:100], data.validation[:100]).x
    assert (x.shape, x.min(), x.max()) == ((100, 784), 0, 1)


def test_tables_have_texts_constants_identifiers_and_missing_values() -> None:
    assert columns(loaded("ionosphere.csv"))["pulse_0_im"].kind == "constant"
    data = loaded("abalone.csv")
    assert (data.task, columns(data)["sex"].kind) == ("regression", "categorical")
    assert data.arrays(data.train, data.validation).x.shape == (2507, 7 + 7 * 16 + 3)
    data = loaded("horse_colic.csv", target="outcome")
    assert columns(data)["hospital_number"].kind == "identifier"
    assert columns(data)["lesion_1"].kind == "categorical"  # codes, some with a leading zero
    assert columns(data)["outcome"].missing == 1
    row = data.row_numbers(np.arange(299))
    assert row.tolist() == [number for number in range(300) if number != 132]
    data = loaded("adult.csv")
    assert (columns(data)["workclass"].missing, columns(data)["workclass"].distinct) == (1836, 8)
