"""From settings to arrays: parts, leaks, separate test rows, problems, wrong sources."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hypermodels.problem import Problem
from src.config.schema import DataSettings
from src.data.dataset import Dataset
from src.data.loading import load_data
from src.data.preprocessing import Scaling
from src.errors import UserError
from src.registry import SOURCES


def saved(path: Path, **arrays: NDArray[Any]) -> DataSettings:
    np.savez(path, allow_pickle=True, **arrays)
    return DataSettings(source="npz", path=str(path))


def regression_file(tmp_path: Path) -> DataSettings:
    x = np.random.default_rng(1).normal(3, 2, size=(100, 3))
    return saved(tmp_path / "flats.npz", x_train=x, y_train=1e5 + 1e4 * x[:, 0])


def test_a_seed_repeats_and_one_fold_is_the_split() -> None:
    wine, huge = DataSettings(source="wine"), 10**20
    first, again, other = (load_data(wine, seed) for seed in (huge, huge, huge + 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.folds(3)[1][1].tolist() == again.folds(3)[1][1].tolist()
    assert first.folds(3)[1][1].tolist() != other.folds(3)[1][1].tolist()
    split = np.concatenate([first.train, first.validation])
    np.testing.assert_array_equal(np.concatenate(first.folds(1)[0]), split)
    rows = np.concatenate([validation for _, validation in first.folds(4)])
    np.testing.assert_array_equal(np.sort(rows), first.development)  # without the test rows


def test_the_split_of_a_seed_never_changes() -> None:
    data = load_data(DataSettings(source="iris"), seed=42)
    assert data.fingerprint == "72102a90153a88d903f57c52403acd15"
    assert data.folds(3)[0][1][:4].tolist() == [3, 6, 7, 13]


def test_arrays_of_classes() -> None:
    data = load_data(DataSettings(source="wine"), seed=0)
    arrays = data.arrays(data.train, data.validation)
    assert arrays.problem == Problem("multiclass", features=13, classes=3)
    np.testing.assert_allclose(arrays.x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_array_equal(arrays.y, data.y[data.train])
    np.testing.assert_array_equal(arrays.y_validation, data.y[data.validation])
    assert (str(arrays.x.dtype), str(arrays.y.dtype)) == ("float32", "int32")
    assert arrays.x.flags.c_contiguous
    whole = data.arrays(data.development, data.test[:0])
    assert (len(whole.x), whole.x_validation.shape) == (142, (0, 13))


def test_the_target_of_a_regression_is_standardised_on_the_training_rows(tmp_path: Path) -> None:
    data = load_data(regression_file(tmp_path), seed=0)
    arrays = data.arrays(data.train, data.validation)
    mean, scale = data.y[data.train].mean(), data.y[data.train].std()
    assert arrays.problem == Problem("regression", 3, 0, float(mean), float(scale))
    assert arrays.y.dtype == arrays.y_validation.dtype == np.float32
    assert arrays.y.mean() == pytest.approx(0, abs=1e-6)
    validated = arrays.y_validation * scale + mean
    np.testing.assert_allclose(validated, data.y[data.validation], rtol=1e-6)
    data.y[data.train] = 2.5
    with pytest.raises(UserError, match=r"all 60 training rows of 'flats' have the same target, 2"):
        data.arrays(data.train, data.validation)


def test_rows_that_are_not_trained_on_do_not_change_the_preprocessing(tmp_path: Path) -> None:
    data = load_data(regression_file(tmp_path), seed=0)
    before = data.arrays(data.train, data.validation)
    data.x[np.concatenate([data.validation, data.test])] *= 1000
    data.y[np.concatenate([data.validation, data.test])] *= 1000
    after, other = data.arrays(data.train, data.validation), data.arrays(*data.folds(3)[0])
    assert isinstance(before.scaling, Scaling)
    assert isinstance(other.scaling, Scaling)
    assert before.problem == after.problem
    np.testing.assert_array_equal(before.x, after.x)
    assert np.abs(after.x_validation).max() > 100
    assert other.scaling.mean.tolist() != before.scaling.mean.tolist()


def test_separate_test_rows_come_last_and_cancel_the_test_fraction(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x_test = random.normal(size=(7, 2)).astype(np.float32)
    train = {"x_train": random.normal(size=(40, 2)), "y_train": np.tile(["no", "yes"], 20)}
    test = {"x_test": x_test, "y_test": np.array(["yes"] * 7)}
    data = load_data(saved(tmp_path / "parts.npz", **train, **test), seed=0)
    assert [len(data.train), len(data.validation)] == [32, 8]
    assert data.test.tolist() == list(range(40, 47))
    np.testing.assert_array_equal(data.x[data.test], x_test)
    np.testing.assert_array_equal(data.y[data.test], [1] * 7)
    assert data.class_names == ("no", "yes")


def test_messages_name_the_key_the_value_and_what_is_valid() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"source": "diabetes", "task": "multiclass"}, "class '25' has 1 of 442 rows"),
        ({"path": "a.csv"}, r"'a\.csv' is not used by data\.source=digits; valid for csv, p"),
        ({"source": "synthetic", "test_path": "t.csv"}, r"^data\.test_path: 't\.csv' is not used"),
        ({"source": "iris", "group": "x"}, r"^data\.group: 'x' is not used by data\.source=iris"),
        ({"source": "iris", "header": False}, r"^data\.header: 'False' is not used by data\.sour"),
        ({"source": "iris", "columns": {"a": "date"}}, r"^data\.columns: \['a'\] is not used"),
    ]
    for settings, message in cases:
        with pytest.raises(UserError, match=message):
            load_data(DataSettings(**settings), seed=0)


def raises(*_: Any) -> Dataset:
    raise ArithmeticError("no luck today")


def gives_a_tuple(*_: Any) -> Any:
    return np.zeros((3, 2)), np.zeros(3)


def too_few_labels(*_: Any) -> Dataset:
    return Dataset("short", np.zeros((5, 2), np.float32), np.arange(4), ("a", "b"))


def test_a_source_of_ones_own_that_is_wrong_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for source, words in (
        (raises, r'ArithmeticError: no luck today\n.*raise ArithmeticError\("no luck today"\)'),
        (gives_a_tuple, "tuple, not a Dataset"),
        (too_few_labels, r"x has shape \(5, 2\)\. Valid: \(4, 2\)"),
    ):
        monkeypatch.setitem(SOURCES, "mine", f"{__name__}:{source.__name__}")
        with pytest.raises(UserError, match=rf"^data\.source=mine: .*{words}"):
            load_data(DataSettings(source="mine"), seed=0)
