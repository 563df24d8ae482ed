"""Splits and folds: proportions, coverage, seeds, groups, messages."""

from typing import Any

import numpy as np
import pytest

from src.data.splits import Labels, Rows, fold_rows, split_rows
from src.errors import UserError

CLASSES = ("a", "b", "c")
Y = np.repeat(np.array([0, 1, 2], np.int32), [600, 300, 100])
CLASSIFIED = Labels(Y, CLASSES)
QUANTITIES = Labels(np.linspace(0, 1, 101), ())


def sizes(labels: Labels, validation: float, test: float) -> list[int]:
    return [len(part) for part in split_rows(labels, validation, test, seed=3)]


def test_parts_cover_all_rows_once_and_keep_the_proportions() -> None:
    parts = split_rows(CLASSIFIED, 0.2, 0.1, seed=0)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(1000))
    shares = [np.bincount(Y[part]).tolist() for part in parts]
    assert shares == [[420, 210, 70], [120, 60, 20], [60, 30, 10]]
    for part in parts:
        assert part.dtype == np.int64
        assert np.all(np.diff(part) > 0)
    assert sizes(QUANTITIES, 0.25, 0.1) == [66, 25, 10]
    assert sizes(CLASSIFIED, 0.2, 0.0) == [800, 200, 0]


def test_the_seed_decides_the_split() -> None:
    first, again, other = (split_rows(CLASSIFIED, 0.2, 0.2, seed) for seed in (7, 7, 8))
    for place in range(3):
        np.testing.assert_array_equal(first[place], again[place])
    assert len(np.intersect1d(first[1], other[1])) < 100
    assert len(np.intersect1d(first[2], other[2])) < 100
    # The test rows do not depend on the validation fraction.
    np.testing.assert_array_equal(split_rows(CLASSIFIED, 0.4, 0.2, 7)[2], first[2])


@pytest.mark.parametrize(
    ("counts", "validation", "test", "message"),
    [
        ([600, 300, 2], 0.2, 0.2, "^data: class 'c' has 2 of 902 rows, .* 3 parts train, valid"),
        ([600, 1, 1], 0.2, 0.0, r"class 'b' has 1 of 602 rows \(and 1 more classes\).* 2 parts"),
        ([600, 300, 3], 0.05, 0.9, r"^data: class 'c' has 3 of 903 rows.*data\.task=regression"),
        ([3, 3, 3], 0.1, 0.1, "^data: .*fraction=0.1 cannot split 9 rows: The test_size = 1 "),
        ([9, 9, 9], 0.2, 0.8, "^data: data.validation_fraction=0.2 and data.test_fraction=0.8 can"),
    ],
)
def test_splits_that_cannot_be(
    counts: list[int], validation: float, test: float, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        split_rows(Labels(np.repeat([0, 1, 2], counts), CLASSES), validation, test, seed=0)
    with pytest.raises(UserError, match="cannot split 2 rows"):
        split_rows(Labels(np.array([0.5, 1.5]), ()), 0.2, 0.2, seed=0)


def test_rare_classes_are_always_trained_on_or_refused() -> None:
    y = np.repeat([0, 1, 2], [200, 100, 3])
    trained = 0
    for seed in range(30):
        try:
            train, _, _ = split_rows(Labels(y, CLASSES), 0.3, 0.3, seed)
        except UserError:
            continue
        assert 2 in y[train]
        trained += 1
    assert trained > 10


def test_folds_validate_every_row_once_and_keep_the_proportions() -> None:
    rows = np.arange(100, 1000)
    folds = fold_rows(CLASSIFIED, rows, 5, seed=1)
    assert len(folds) == 5
    np.testing.assert_array_equal(np.sort(np.concatenate([fold[1] for fold in folds])), rows)
    for train, validation in folds:
        np.testing.assert_array_equal(np.sort(np.concatenate([train, validation])), rows)
        assert np.bincount(Y[validation]).tolist() == [100, 60, 20]
        assert train.dtype == validation.dtype == np.int64
    first, again, other = (fold_rows(QUANTITIES, np.arange(40), 4, seed) for seed in (1, 1, 2))
    assert [len(validation) for _, validation in first] == [10] * 4
    assert first[0][1].tolist() != list(range(10))
    np.testing.assert_array_equal(first[2][0], again[2][0])
    assert first[0][1].tolist() != other[0][1].tolist()


def test_fewer_rows_or_groups_than_folds() -> None:
    few = Labels(np.repeat([0, 1, 2], [50, 20, 4]), CLASSES)
    with pytest.raises(UserError, match=r"^tuner\.folds=5: class 'c' has 4 of 74 rows.* 5 folds"):
        fold_rows(few, np.arange(74), 5, seed=0)
    with pytest.raises(UserError, match=r"^tuner\.folds=9: there are 8 rows"):
        fold_rows(QUANTITIES, np.arange(8), 9, seed=0)
    with pytest.raises(UserError, match=r"^tuner\.folds=4: there are 3 groups \(data\.group\)"):
        fold_rows(grouped([400, 300, 300]), np.arange(1000), 4, 0)


def grouped(counts: list[int], class_names: tuple[str, ...] = CLASSES) -> Labels:
    """`Y` with groups of so many rows, in random order."""
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    return Labels(Y, class_names, groups)


def check_apart(labels: Labels, *parts: Rows) -> None:
    assert labels.groups is not None
    sets: list[set[Any]] = [set(labels.groups[part].tolist()) for part in parts]
    assert sum(map(len, sets)) == len(set.union(*sets))


def test_no_group_stands_on_two_sides_and_the_parts_keep_about_their_sizes() -> None:
    labels = grouped([25] * 40)
    for seed in range(5):
        parts = split_rows(labels, 0.2, 0.1, seed)
        np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(1000))
        check_apart(labels, *parts)
        assert [len(part) for part in parts] == [700, 200, 100]
        for part in parts:
            shares = np.bincount(Y[part], minlength=3) / len(part)
            np.testing.assert_allclose(shares, [0.6, 0.3, 0.1], atol=0.05)
    np.testing.assert_array_equal(split_rows(labels, 0.2, 0.1, 4)[0], parts[0])
    unequal = sizes(grouped([200, 100, 100, *[20] * 30], ()), 0.2, 0.2)
    assert all(150 <= size <= 250 for size in unequal[1:])


@pytest.mark.parametrize("names", [CLASSES, ()])
def test_folds_keep_groups_together(names: tuple[str, ...]) -> None:
    labels, rows = grouped([10] * 100, names), np.arange(0, 1000, 2)
    folds = fold_rows(labels, rows, 4, 0)
    np.testing.assert_array_equal(np.sort(np.concatenate([v for _, v in folds])), rows)
    for train, validation in folds:
        check_apart(labels, train, validation)
        assert 90 <= len(validation) <= 160


def test_too_few_groups_are_refused() -> None:
    for counts in ([1000], [500, 500]):
        with pytest.raises(
            UserError, match=r"^data\.group: .*train set will be empty.* or groups$"
        ):
            split_rows(grouped(counts), 0.2, 0.2, 0)
    by_class = np.where(np.arange(1000) < 300, 3, Y)
    with pytest.raises(UserError, match=r"^data\.group: class '[abc]' has \d+ of 1000 rows, too"):
        split_rows(Labels(Y, CLASSES, by_class), 0.2, 0.2, 0)
