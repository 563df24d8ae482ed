"""From settings to arrays: parts, leaks, separate test rows, problems, sources of one's own."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hypermodels.problem import Problem
from src.config.schema import DataSettings
from src.data.dataset import Dataset
from src.data.loading import Data, load_data
from src.data.preprocessing import Scaling
from src.errors import UserError
from src.registry import SOURCES


def two_moons(settings: DataSettings, seed: int) -> Dataset:
    """A source of one's own, as a user would write it."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(60, 2)).astype(np.float32)
    y = np.where(x[:, 0] > np.median(x[:, 0]), "right", "left")
    return Dataset(name=f"{settings.source} of mine", x=x, y=y, feature_names=("east", "north"))


def saved(path: Path, **arrays: NDArray[Any]) -> DataSettings:
    np.savez(path, allow_pickle=True, **arrays)
    return DataSettings(source="npz", path=str(path))


def regression_file(tmp_path: Path) -> DataSettings:
    random = np.random.default_rng(1)
    x = random.normal(3, 2, size=(100, 3))
    return saved(tmp_path / "flats.npz", x_train=x, y_train=1e5 + 1e4 * x[:, 0])


def test_parts_cover_the_rows_and_labels_stay_with_theirs() -> None:
    data = load_data(DataSettings(source="iris"), seed=0)
    rows = np.concatenate([data.train, data.validation, data.test])
    np.testing.assert_array_equal(np.sort(rows), np.arange(150))
    np.testing.assert_array_equal(data.y, np.repeat([0, 1, 2], 50))
    for part, size in ((data.train, 30), (data.validation, 10), (data.test, 10)):
        assert np.bincount(data.y[part]).tolist() == [size] * 3
    np.testing.assert_array_equal(
        data.development, np.sort(np.concatenate([data.train, data.validation]))
    )


@pytest.mark.parametrize("seed", [0, 42, 2**32 - 1, 10**20])
def test_any_seed_splits_and_repeats(seed: int) -> None:
    first, again = (load_data(DataSettings(source="wine"), seed) for _ in range(2))
    np.testing.assert_array_equal(first.train, again.train)
    np.testing.assert_array_equal(first.folds(3)[1][1], again.folds(3)[1][1])
    other = load_data(DataSettings(source="wine"), seed + 1)
    assert first.train.tolist() != other.train.tolist()
    assert first.folds(3)[1][1].tolist() != other.folds(3)[1][1].tolist()


def test_one_fold_is_the_split_and_more_leave_the_test_rows_alone() -> None:
    data = load_data(DataSettings(source="iris"), seed=0)
    ((train, validation),) = data.folds(1)
    np.testing.assert_array_equal(train, data.train)
    np.testing.assert_array_equal(validation, data.validation)
    folds = data.folds(4)
    np.testing.assert_array_equal(np.sort(np.concatenate([f[1] for f in folds])), data.development)
    for train, validation in folds:
        assert np.bincount(data.y[validation]).tolist() == [10, 10, 10]
        assert not np.intersect1d(np.concatenate([train, validation]), data.test).size


def test_arrays_of_classes() -> None:
    data = load_data(DataSettings(source="wine"), seed=0)
    arrays = data.arrays(data.train, data.validation)
    assert arrays.problem == Problem("multiclass", features=13, classes=3)
    assert (arrays.target_mean, arrays.target_scale) == (0.0, 1.0)
    assert arrays.x.shape == (106, 13)
    assert arrays.x_validation.shape == (36, 13)
    np.testing.assert_allclose(arrays.x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_array_equal(arrays.y, data.y[data.train])
    np.testing.assert_array_equal(arrays.y_validation, data.y[data.validation])
    for array, dtype in (
        (arrays.x, np.float32),
        (arrays.x_validation, np.float32),
        (arrays.y, np.int32),
        (arrays.y_validation, np.int32),
    ):
        assert array.dtype == dtype
        assert array.flags.c_contiguous


def test_the_target_of_a_regression_is_standardised_on_the_training_rows(tmp_path: Path) -> None:
    data = load_data(regression_file(tmp_path), seed=0)
    arrays = data.arrays(data.train, data.validation)
    mean, scale = data.y[data.train].mean(), data.y[data.train].std()
    assert data.y.dtype == np.float64
    assert arrays.problem == Problem("regression", 3, 0, float(mean), float(scale))
    assert (arrays.target_mean, arrays.target_scale) == (float(mean), float(scale))
    assert arrays.y.dtype == arrays.y_validation.dtype == np.float32
    assert arrays.y.mean() == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(
        arrays.y_validation * scale + mean, data.y[data.validation], rtol=1e-6
    )


def test_rows_that_are_not_trained_on_do_not_change_the_preprocessing(tmp_path: Path) -> None:
    data = load_data(regression_file(tmp_path), seed=0)
    before = data.arrays(data.train, data.validation)
    data.x[np.concatenate([data.validation, data.test])] *= 1000
    data.y[np.concatenate([data.validation, data.test])] *= 1000
    after = data.arrays(data.train, data.validation)
    other = data.arrays(*data.folds(3)[0])
    assert isinstance(before.scaling, Scaling)
    assert isinstance(after.scaling, Scaling)
    assert isinstance(other.scaling, Scaling)
    np.testing.assert_array_equal(before.scaling.mean, after.scaling.mean)
    np.testing.assert_array_equal(before.scaling.scale, after.scaling.scale)
    assert (before.target_mean, before.target_scale) == (after.target_mean, after.target_scale)
    np.testing.assert_array_equal(before.x, after.x)
    assert np.abs(after.x_validation).max() > 100
    assert other.scaling.mean.tolist() != before.scaling.mean.tolist()


def test_all_development_rows_can_be_trained_on_without_validation() -> None:
    data = load_data(DataSettings(source="iris"), seed=0)
    arrays = data.arrays(data.development, data.test[:0])
    assert len(arrays.x) == 120
    assert arrays.x_validation.shape == (0, 4)
    assert arrays.y_validation.shape == (0,)


def test_a_constant_training_target_is_refused(tmp_path: Path) -> None:
    data = load_data(regression_file(tmp_path), seed=0)
    data.y[data.train] = 2.5
    with pytest.raises(
        UserError, match=r"all 60 training rows of 'flats' have the same target, 2\.5"
    ):
        data.arrays(data.train, data.validation)


def test_separate_test_rows_come_last_and_cancel_the_test_fraction(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x_test = random.normal(size=(7, 2)).astype(np.float32)
    settings = saved(
        tmp_path / "parts.npz",
        x_train=random.normal(size=(40, 2)),
        y_train=np.tile(["no", "yes"], 20),
        x_test=x_test,
        y_test=np.array(["yes"] * 7),
    )
    data = load_data(settings, seed=0)
    assert [len(data.train), len(data.validation)] == [32, 8]
    assert data.test.tolist() == list(range(40, 47))
    assert data.test.dtype == np.int64
    np.testing.assert_array_equal(data.x[data.test], x_test)
    np.testing.assert_array_equal(data.y[data.test], [1] * 7)
    assert data.class_names == ("no", "yes")
    assert data.development.tolist() == list(range(40))


def test_no_test_rows_at_all() -> None:
    data = load_data(DataSettings(source="iris", test_fraction=0.0), seed=0)
    assert [len(data.train), len(data.validation), len(data.test)] == [120, 30, 0]


@pytest.mark.parametrize(
    ("settings", "scaling", "largest"),
    [
        (DataSettings(source="digits"), "none", 1.0),
        (DataSettings(source="digits", scaling="none"), "none", 1.0),
        (DataSettings(source="digits", scaling="standard"), "standard", None),
        (DataSettings(source="wine"), "standard", None),
        (DataSettings(source="wine", scaling="none"), "none", 1680.0),
    ],
)
def test_scaling_is_resolved(settings: DataSettings, scaling: str, largest: float | None) -> None:
    data = load_data(settings, seed=0)
    assert data.scaling == scaling
    x = data.arrays(np.arange(len(data.x)), data.test[:0]).x
    if largest is None:
        assert x.std() == pytest.approx(1, abs=0.05)
    else:
        assert x.max() == largest


@pytest.mark.parametrize(
    ("settings", "task", "inferred"),
    [
        (DataSettings(source="digits"), "multiclass", False),
        (DataSettings(source="digits", task="regression"), "regression", False),
        (DataSettings(source="own"), "binary", True),
    ],
)
def test_who_decides_the_task(
    settings: DataSettings, task: str, inferred: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SOURCES, "own", f"{__name__}:two_moons")
    data = load_data(settings, seed=0)
    assert (data.task, data.task_inferred) == (task, inferred)


def test_a_source_of_ones_own_is_one_registry_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOURCES, "own", f"{__name__}:two_moons")
    data = load_data(DataSettings(source="own"), seed=5)
    assert isinstance(data, Data)
    assert data.name == "own of mine"
    assert data.feature_names == ("east", "north")
    assert data.class_names == ("left", "right")
    expected = np.random.default_rng(5).normal(size=(60, 2)).astype(np.float32)
    np.testing.assert_array_equal(data.x, expected)
    assert data.arrays(data.train, data.validation).problem.classes == 2


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        (DataSettings(source="digit"), ["data.source: 'digit'", "Did you mean 'digits'?", "npz"]),
        (DataSettings(task="binary"), ["data.task=binary", "10 distinct values", "multiclass"]),
        (DataSettings(source="diabetes", task="multiclass"), ["class '25' has 1 row"]),
        (
            DataSettings(path="rows.csv"),
            ["data.path: 'rows.csv' is not used by data.source=digits; valid for csv, npz"],
        ),
        (DataSettings(source="iris", target="species"), ["data.target: 'species'", "csv"]),
        (DataSettings(source="wine", drop=("a", "b")), ["data.drop: ['a', 'b']", "csv"]),
        (DataSettings(source="synthetic", test_path="t.csv"), ["data.test_path: 't.csv'", "csv"]),
        (DataSettings(source="mnist", path="m.npz"), ["data.path: 'm.npz'", "data.source=mnist"]),
    ],
)
def test_messages_name_the_key_the_value_and_what_is_valid(
    settings: DataSettings, parts: list[str]
) -> None:
    with pytest.raises(UserError) as raised:
        load_data(settings, seed=0)
    for part in parts:
        assert part in str(raised.value)


def test_listing_the_sources_imports_nothing_heavy() -> None:
    program = (
        "import sys, src.data; heavy = {'numpy', 'pandas', 'sklearn', 'keras', 'tensorflow'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "[]"


def raises(*_: Any) -> Dataset:
    raise ArithmeticError("no luck today")


def gives_a_tuple(*_: Any) -> Any:
    return np.zeros((3, 2)), np.zeros(3)


def too_few_labels(*_: Any) -> Dataset:
    x = np.zeros((5, 2), np.float32)
    return Dataset(name="short", x=x, y=np.arange(4), feature_names=("a", "b"))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (raises, ["ArithmeticError: no luck today", 'raise ArithmeticError("no luck today")']),
        (gives_a_tuple, ["tuple", "not a Dataset"]),
        (too_few_labels, ["(5, 2)", "y 4 rows"]),
    ],
)
def test_a_source_of_ones_own_that_is_wrong_is_told_with_its_name(
    source: Any, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SOURCES, "mine", f"{__name__}:{source.__name__}")
    with pytest.raises(UserError, match=r"^data\.source=mine: ") as caught:
        load_data(DataSettings(source="mine"), seed=0)
    for word in words:
        assert word in str(caught.value)
