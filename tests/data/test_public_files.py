"""Public data with its real quirks; skipped where the folder beside the repository is absent."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.config.schema import DataSettings
from src.data.loading import Data, load_data
from src.errors import UserError

FOLDER = Path(__file__).parents[3] / "shared" / "data"


def loaded(name: str, **settings: Any) -> Data:
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"needs the public data file shared/data/{name} beside the repository")
    source = path.suffix.removeprefix(".")
    return load_data(DataSettings(source=source, path=str(path), **settings), seed=42)


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
    np.testing.assert_allclose(arrays.x.std(axis=0), 1, atol=1e-3)


def test_ionosphere_has_a_constant_column_and_labels_of_text() -> None:
    data = loaded("ionosphere.csv")
    assert data.class_names == ("b", "g")
    constant = data.x.min(axis=0) == data.x.max(axis=0)
    assert constant.sum() == 1
    arrays = data.arrays(data.train, data.validation)
    assert np.isfinite(arrays.x).all()
    assert not arrays.x[:, constant].any()


def test_fashion_mnist_brings_its_own_test_rows() -> None:
    data = loaded("fashion_mnist.npz")
    assert data.x.shape == (70_000, 784)
    assert (data.task, data.scaling, data.image_maximum) == ("multiclass", "none", 255.0)
    assert [len(data.train), len(data.validation)] == [48_000, 12_000]
    assert data.test.tolist() == list(range(60_000, 70_000))
    assert np.bincount(data.y[data.train]).tolist() == [4800] * 10
    arrays = data.arrays(data.train[:100], data.validation[:100])
    assert (arrays.x.min(), arrays.x.max()) == (0, 1)


def test_adult_has_columns_that_are_not_numbers() -> None:
    with pytest.raises(UserError) as raised:
        loaded("adult.csv")
    message = str(raised.value)
    assert "adult.csv: non-numeric columns: workclass (row 1: 'State-gov'), education" in message
    assert "data.drop=" in message
    drop = ("workclass", "education", "marital_status", "occupation", "relationship", "race")
    data = loaded("adult.csv", drop=(*drop, "sex", "native_country"))
    assert data.class_names == ("<=50K", ">50K")
    assert data.x.shape == (32_561, 6)


def test_abalone_has_one_column_that_is_not_a_number() -> None:
    with pytest.raises(UserError, match=r"non-numeric columns: sex \(row 1: 'M'\)"):
        loaded("abalone.csv")
    data = loaded("abalone.csv", drop=("sex",))
    assert (data.task, data.x.shape) == ("regression", (4177, 7))


def test_horse_colic_writes_missing_values_as_question_marks() -> None:
    with pytest.raises(UserError, match=r"surgery \(row 133: '\?'\)"):
        loaded("horse_colic.csv", target="outcome")
