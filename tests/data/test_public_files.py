"""Public data with its real quirks; skipped where the folder beside the repository is absent."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
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


def kinds(data: Data) -> dict[str, str]:
    assert data.table is not None
    return {column.name: column.kind for column in data.table.columns}


def test_phoneme_is_binary_and_imbalanced() -> None:
    data = loaded("phoneme.csv")
    assert (data.task, data.task_inferred, data.class_names) == ("binary", True, ("0", "1"))
    assert data.x.shape == (5404, 5)
    for part in (data.train, data.validation, data.test):
        assert data.y[part].mean() == pytest.approx(data.y.mean(), abs=1e-3)
    assert [len(data.train), len(data.validation), len(data.test)] == [3242, 1081, 1081]


def test_letter_has_26_classes_once_it_is_said_that_they_are_classes() -> None:
    assert loaded("letter.csv").task == "regression"
    data = loaded("letter.csv", task="multiclass")
    assert data.class_names == tuple(map(str, range(1, 27)))
    assert np.bincount(data.y).min() == 734


def test_california_houses_are_a_regression_in_dollars() -> None:
    data = loaded("california_houses.csv")
    assert (data.task, data.task_inferred) == ("regression", True)
    arrays = data.arrays(data.train, data.validation)
    assert arrays.target_mean == pytest.approx(206_856, abs=2500)
    assert arrays.target_scale == pytest.approx(115_396, abs=1500)
    np.testing.assert_allclose(np.median(arrays.x[:, :8], axis=0), 0, atol=1e-3)
    assert np.abs(arrays.x).max() < 3


def test_ionosphere_has_a_constant_column_and_labels_of_text() -> None:
    data = loaded("ionosphere.csv")
    assert data.class_names == ("b", "g")
    assert kinds(data)["pulse_0_im"] == "constant"
    assert data.x.shape == (351, 33)
    arrays = data.arrays(data.train, data.validation)
    assert np.isfinite(arrays.x).all()


def test_fashion_mnist_brings_its_own_test_rows() -> None:
    data = loaded("fashion_mnist.npz")
    assert data.x.shape == (70_000, 784)
    assert (data.task, data.scaling, data.image_maximum) == ("multiclass", "none", 255.0)
    assert [len(data.train), len(data.validation)] == [48_000, 12_000]
    assert data.test.tolist() == list(range(60_000, 70_000))
    assert np.bincount(data.y[data.train]).tolist() == [4800] * 10
    arrays = data.arrays(data.train[:100], data.validation[:100])
    assert (arrays.x.min(), arrays.x.max()) == (0, 1)


def test_adult_has_columns_of_text_and_missing_values() -> None:
    data = loaded("adult.csv")
    assert data.class_names == ("<=50K", ">50K")
    assert data.x.shape == (32_561, 14)
    assert data.table is not None
    facts = {column.name: column for column in data.table.columns}
    assert (facts["workclass"].missing, facts["workclass"].distinct) == (1836, 8)
    assert kinds(data)["fnlwgt"] == kinds(data)["education_num"] == "numeric"
    problem = data.arrays(data.train, data.validation, stream=True).problem
    assert problem.embedded == 0 or problem.embedded_categories > 32


def test_abalone_has_one_column_of_text() -> None:
    data = loaded("abalone.csv")
    assert (data.task, data.x.shape) == ("regression", (4177, 8))
    assert kinds(data)["sex"] == "categorical"
    assert data.arrays(data.train, data.validation).x.shape == (2507, 7 + 7 * 16 + 3)


def test_horse_colic_has_missing_values_and_an_identifier() -> None:
    data = loaded("horse_colic.csv", target="outcome")
    assert kinds(data)["hospital_number"] == "identifier"
    assert kinds(data)["lesion_1"] == "categorical"  # codes, some with a leading zero
    assert data.table is not None
    assert data.table.target.missing == 1
    assert len(data.x) == 299
    assert "1 row without a value of the target 'outcome' left out" in data.table.notices[0]
    row = data.row_numbers(np.arange(299))
    assert row.tolist() == [number for number in range(300) if number != 132]


def test_adult_is_the_same_in_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs the package pyarrow")
    whole = loaded("adult.csv")
    rows = pd.read_csv(FOLDER / "adult.csv").head(6000)
    rows.to_csv(tmp_path / "adult.csv", index=False)
    rows.to_parquet(tmp_path / "adult.parquet", row_group_size=1000)
    text, typed = (
        load_data(DataSettings(source=name, path=str(tmp_path / f"adult.{name}")), seed=42)
        for name in ("csv", "parquet")
    )
    assert kinds(typed) == kinds(text) == kinds(whole)
    assert text.table is not None
    assert typed.table is not None
    assert typed.table.columns == text.table.columns
    assert sum(column.missing for column in text.table.columns) > 500
    of_text, of_typed = (data.arrays(data.train, data.validation) for data in (text, typed))
    for name in ("x", "y", "x_validation", "y_validation"):
        np.testing.assert_array_equal(getattr(of_typed, name), getattr(of_text, name))
