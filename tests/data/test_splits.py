"""Splits and folds: proportions, coverage, seeds, messages."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from src.data.splits import fold_rows, split_rows
from src.errors import UserError

CLASSES = ("a", "b", "c")
Y = np.repeat(np.array([0, 1, 2], np.int32), [600, 300, 100])


def test_parts_cover_all_rows_once_and_keep_the_proportions() -> None:
    split = split_rows(Y, CLASSES, 0.2, 0.1, seed=0)
    rows = np.concatenate([split.train, split.validation, split.test])
    np.testing.assert_array_equal(np.sort(rows), np.arange(1000))
    assert [
        np.bincount(Y[part]).tolist() for part in (split.train, split.validation, split.test)
    ] == [
        [420, 210, 70],
        [120, 60, 20],
        [60, 30, 10],
    ]
    for part in (split.train, split.validation, split.test):
        assert part.dtype == np.int64
        assert all(a < b for a, b in pairwise(part))


def test_regression_splits_by_size_alone() -> None:
    split = split_rows(np.linspace(0, 1, 101), (), 0.25, 0.1, seed=3)
    assert [len(split.train), len(split.validation), len(split.test)] == [66, 25, 10]


def test_no_test_fraction_leaves_test_empty() -> None:
    split = split_rows(Y, CLASSES, 0.2, 0.0, seed=0)
    assert [len(split.train), len(split.validation), len(split.test)] == [800, 200, 0]
    assert split.test.dtype == np.int64


def test_the_seed_decides_the_split() -> None:
    first, again, other = (split_rows(Y, CLASSES, 0.2, 0.2, seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.train, again.train)
    np.testing.assert_array_equal(first.test, again.test)
    assert len(np.intersect1d(first.test, other.test)) < 100
    assert len(np.intersect1d(first.validation, other.validation)) < 100


def test_test_rows_do_not_depend_on_the_validation_fraction() -> None:
    small, large = (split_rows(Y, CLASSES, fraction, 0.2, 7) for fraction in (0.1, 0.4))
    np.testing.assert_array_equal(small.test, large.test)


@pytest.mark.parametrize(
    ("counts", "validation", "test", "parts"),
    [
        ([600, 300, 100], 0.5, 0.5, ["data.validation_fraction=0.5", "data.test_fraction=0.5"]),
        ([600, 300, 2], 0.2, 0.2, ["class 'c' has 2 rows", "3 parts train, validation, test"]),
        ([600, 1, 1], 0.2, 0.0, ["class 'b' has 1 row (and 1 more classes)", "the 2 parts"]),
        ([600, 300, 3], 0.05, 0.9, ["class 'c' has 3 rows", "data.task=regression"]),
        ([3, 3, 3], 0.1, 0.1, ["validation part 1 of 9 rows", "each of the 3 classes"]),
        ([4, 4, 4], 0.1, 0.85, ["train part 1 of 12 rows"]),
    ],
)
def test_splits_that_cannot_be(
    counts: list[int], validation: float, test: float, parts: list[str]
) -> None:
    with pytest.raises(UserError) as raised:
        split_rows(np.repeat([0, 1, 2], counts), CLASSES, validation, test, seed=0)
    for part in parts:
        assert part in str(raised.value)


def test_too_few_rows_for_a_regression() -> None:
    with pytest.raises(UserError, match="train part 0 of 2 rows, and it needs at least one"):
        split_rows(np.array([0.5, 1.5]), (), 0.2, 0.2, seed=0)


@pytest.mark.parametrize("seed", range(30))
def test_rare_classes_are_always_trained_on_or_refused(seed: int) -> None:
    y = np.repeat([0, 1, 2], [200, 100, 3])
    try:
        split = split_rows(y, CLASSES, 0.3, 0.3, seed)
    except UserError as error:
        assert "class 'c' has 3 rows" in str(error)  # noqa: PT017 (either outcome is right)
    else:
        assert 2 in y[split.train]


def test_folds_validate_every_row_once_and_keep_the_proportions() -> None:
    rows = np.arange(100, 1000)
    folds = fold_rows(Y, rows, CLASSES, 5, seed=1)
    assert len(folds) == 5
    np.testing.assert_array_equal(np.sort(np.concatenate([fold[1] for fold in folds])), rows)
    for train, validation in folds:
        np.testing.assert_array_equal(np.sort(np.concatenate([train, validation])), rows)
        assert np.bincount(Y[validation]).tolist() == [100, 60, 20]
        assert train.dtype == validation.dtype == np.int64


def test_regression_folds_are_shuffled_and_seeded() -> None:
    y = np.linspace(0, 1, 40)
    first, again, other = (fold_rows(y, np.arange(40), (), 4, seed) for seed in (1, 1, 2))
    assert [len(validation) for _, validation in first] == [10] * 4
    assert first[0][1].tolist() != list(range(10))
    np.testing.assert_array_equal(first[2][0], again[2][0])
    assert first[0][1].tolist() != other[0][1].tolist()


def test_fewer_rows_of_a_class_than_folds() -> None:
    y = np.repeat([0, 1, 2], [50, 20, 4])
    with pytest.raises(UserError, match=r"tuner\.folds=5: class 'c' has 4 rows .* at most 4"):
        fold_rows(y, np.arange(74), CLASSES, 5, seed=0)
    with pytest.raises(
        UserError, match=r"class 'c' has 1 row .* at most 1 \(no cross-validation\)"
    ):
        fold_rows(y, np.arange(71), CLASSES, 2, seed=0)


def test_fewer_rows_than_folds() -> None:
    with pytest.raises(UserError, match=r"tuner\.folds=9: there are 8 rows"):
        fold_rows(np.linspace(0, 1, 8), np.arange(8), (), 9, seed=0)


def grouped(sizes: list[int], seed: int = 0) -> np.ndarray[Any, Any]:
    """A group's number for each row, in random order."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    return np.random.default_rng(seed).permutation(groups)


def parts_of(groups: np.ndarray[Any, Any], *parts: np.ndarray[Any, Any]) -> list[set[int]]:
    return [set(groups[part].tolist()) for part in parts]


def test_no_group_stands_on_two_sides_and_the_parts_keep_about_their_sizes() -> None:
    groups = grouped([25] * 40)
    for seed in range(5):
        split = split_rows(Y, CLASSES, 0.2, 0.1, seed, groups)
        rows = np.concatenate([split.train, split.validation, split.test])
        np.testing.assert_array_equal(np.sort(rows), np.arange(1000))
        sets = parts_of(groups, split.train, split.validation, split.test)
        assert not sets[0] & sets[1] | sets[0] & sets[2] | sets[1] & sets[2]
        assert (len(split.validation), len(split.test)) == (200, 100)
        for part in (split.train, split.validation, split.test):
            shares = np.bincount(Y[part], minlength=3) / len(part)
            np.testing.assert_allclose(shares, [0.6, 0.3, 0.1], atol=0.05)
    again = split_rows(Y, CLASSES, 0.2, 0.1, 4, groups)
    np.testing.assert_array_equal(again.train, split.train)


def test_groups_of_unequal_sizes_give_parts_of_about_the_size_asked_for() -> None:
    groups = grouped([200, 100, 100, *[20] * 30])
    split = split_rows(np.linspace(0, 1, 1000), (), 0.2, 0.2, 1, groups)
    assert 150 <= len(split.validation) <= 250
    assert 150 <= len(split.test) <= 250


@pytest.mark.parametrize("names", [CLASSES, ()])
def test_folds_keep_groups_together(names: tuple[str, ...]) -> None:
    groups = grouped([10] * 100)
    rows = np.arange(0, 1000, 2)
    folds = fold_rows(Y, rows, names, 4, 0, groups)
    np.testing.assert_array_equal(np.sort(np.concatenate([v for _, v in folds])), rows)
    for train, validation in folds:
        assert not set.intersection(*parts_of(groups, train, validation))
        assert 90 <= len(validation) <= 160


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(UserError, match=r"^data\.group: there are 2 groups to share among 3 parts"):
        split_rows(Y, CLASSES, 0.2, 0.2, 0, grouped([500, 500]))
    with pytest.raises(UserError, match=r"^tuner\.folds=4: data\.group has 3 groups"):
        fold_rows(Y, np.arange(1000), CLASSES, 4, 0, grouped([400, 300, 300]))
    by_class = Y.astype(np.int64)
    by_class[:300] = 3
    with pytest.raises(UserError, match=r"data\.group: the training part has no row of class"):
        split_rows(Y, CLASSES, 0.2, 0.2, 0, by_class)
