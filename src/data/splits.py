"""Seeded splits into training, validation and test rows, and folds; stratified for classes.

Rows of one group, such as the visits of one patient, are never on two sides of a split.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    train_test_split,
)

from src.errors import UserError
from src.seeds import Stream, derived_seed

Rows = NDArray[np.int64]

GROUP_DRAWS = 50  # the draw that comes closest to the wanted size and proportions is taken


@dataclass(frozen=True, eq=False)
class Labels:
    """The facts about all rows that a split respects."""

    y: NDArray[Any]  # `(rows,)` class codes, or raw values for regression
    class_names: tuple[str, ...]  # whose proportions every part keeps; none for regression
    groups: Rows | None = None  # rows with the same number stay together


def split_rows(
    labels: Labels, validation_fraction: float, test_fraction: float, seed: int
) -> tuple[Rows, Rows, Rows]:
    """Returns sorted training, validation and test rows, drawn at random.

    The test rows do not depend on the validation fraction; a fraction of 0 gives none. With groups,
    the parts have about the sizes and proportions that are asked for. Raises `UserError` if a part
    or a class has too few rows, or there are fewer groups than parts.
    """
    count, key = len(labels.y), "data" if labels.groups is None else "data.group"
    fractions = {"validation": validation_fraction, "test": test_fraction}
    sizes = {part: max(1, round(count * share)) for part, share in fractions.items() if share}
    rest, test = np.arange(count, dtype=np.int64), np.empty(0, np.int64)
    parts = f"{len(sizes) + 1} parts train, {', '.join(sizes)}"
    _check_classes(labels, rest, len(sizes) + 1, key, parts)
    try:
        if test_fraction:
            rest, test = _draw(labels, rest, sizes["test"], derived_seed(seed, Stream.TEST_SPLIT))
        validation_seed = derived_seed(seed, Stream.VALIDATION_SPLIT)
        train, validation = _draw(labels, rest, sizes["validation"], validation_seed)
    except ValueError as error:  # scikit-learn says how many rows or groups are too few for what
        raise UserError(
            f"{key}: data.validation_fraction={validation_fraction} and data.test_fraction="
            f"{test_fraction} cannot split {count} rows: "
            f"{str(error).rstrip('.')}. Valid: other fractions, or more rows or groups"
        ) from error
    _check_classes(labels, train, 1, key, parts)
    return np.sort(train), np.sort(validation), np.sort(test)


def fold_rows(labels: Labels, rows: Rows, count: int, seed: int) -> tuple[tuple[Rows, Rows], ...]:
    """Returns `count` ≥ 2 pairs of training and validation rows; each of `rows` validates once.

    Raises `UserError` if there are fewer rows than folds, in all or of one class, or fewer groups.
    """
    key, parts = f"tuner.folds={count}", f"{count} folds"
    groups = None if labels.groups is None else labels.groups[rows]
    units = len(rows) if groups is None else len(np.unique(groups))
    if units < count:
        raise UserError(
            f"{key}: there are {units} {'rows' if groups is None else 'groups (data.group)'} in "
            "training and validation together. Valid: at most as many folds"
        )
    _check_classes(labels, rows, count, key, parts)
    kinds = (StratifiedKFold, KFold) if groups is None else (StratifiedGroupKFold, GroupKFold)
    splitter = kinds[0 if labels.class_names else 1](
        count, shuffle=True, random_state=derived_seed(seed, Stream.FOLDS)
    )
    pairs = splitter.split(rows, labels.y[rows], groups)
    folds = tuple((rows[train], rows[validation]) for train, validation in pairs)
    for train, _ in folds:
        _check_classes(labels, train, 1, key, parts)
    return folds


def _draw(labels: Labels, rows: Rows, size: int, seed: int) -> tuple[Rows, Rows]:
    """Draws `size` of the rows, with groups about so many; returns the rest and the drawn rows."""
    y, is_classes = labels.y[rows], bool(labels.class_names)
    if labels.groups is None:
        rest, part = train_test_split(
            rows, test_size=size, random_state=seed, stratify=y if is_classes else None
        )
        return rest, part
    groups = labels.groups[rows]
    wanted = np.bincount(y) * size / len(rows) if is_classes else np.array([float(size)])

    def distance(part: Rows) -> float:
        found = np.bincount(y[part], minlength=len(wanted)) if is_classes else [len(part)]
        return float(np.abs(wanted - found).sum())

    # GroupShuffleSplit draws a share of the groups, however many rows each has.
    draws = GroupShuffleSplit(GROUP_DRAWS, test_size=size / len(rows), random_state=seed)
    rest, part = min(draws.split(rows, groups=groups), key=lambda pair: distance(pair[1]))
    return rows[rest], rows[part]


def _check_classes(labels: Labels, rows: Rows, least: int, key: str, parts: str) -> None:
    """Raises `UserError` if the rows have fewer than `least` of a class."""
    names = labels.class_names
    counts = np.bincount(labels.y[rows], minlength=len(names)) if names else np.empty(0)
    scarce = np.flatnonzero(counts < least)
    if len(scarce):
        others = f" (and {len(scarce) - 1} more classes)" if len(scarce) > 1 else ""
        raise UserError(
            f"{key}: class '{names[scarce[0]]}' has {(labels.y == scarce[0]).sum()} of "
            f"{len(labels.y)} rows{others}, too few rows or groups for {parts}. Valid: more of "
            "them, without that class, or other fractions; for a quantity data.task=regression"
        )
