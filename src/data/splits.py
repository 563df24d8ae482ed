"""Seeded splits into training, validation and test rows, and folds; stratified for classes.

Where rows belong to groups, such as the visits of one patient, no group stands on two sides.
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
Groups = NDArray[np.int64]

GROUP_DRAWS = 50  # of which the one is taken that comes closest to the sizes and proportions


@dataclass(frozen=True, eq=False)
class Split:
    """Sorted row numbers of the three parts, int64; `test` may be empty."""

    train: Rows
    validation: Rows
    test: Rows


def split_rows(
    y: NDArray[Any],
    class_names: tuple[str, ...],
    validation_fraction: float,
    test_fraction: float,
    seed: int,
    groups: Groups | None = None,
) -> Split:
    """Splits the rows of `y` at random. The test rows do not depend on the validation fraction.

    Of groups, the parts have about the sizes and proportions that the fractions say.

    Args:
        y: `(rows,)` class codes, or raw values for regression.
        class_names: the classes, whose proportions every part keeps; empty for regression.
        validation_fraction: of all rows, above 0 and below 1; at least one row.
        test_fraction: of all rows, below 1; 0 leaves `test` empty.
        seed: the configuration's seed.
        groups: `(rows,)`: rows with the same number stay together; None for rows that stand alone.

    Raises:
        UserError: if the fractions leave nothing to train on, a class has too few rows, or there
            are fewer groups than parts.
    """
    if validation_fraction + test_fraction >= 1:
        raise UserError(
            f"data.validation_fraction={validation_fraction} and data.test_fraction="
            f"{test_fraction} together leave nothing to train on; valid: a sum below 1"
        )
    sizes = {
        "validation": max(1, round(len(y) * validation_fraction)),
        "test": max(1, round(len(y) * test_fraction)) if test_fraction else 0,
    }
    sizes = {"train": len(y) - sum(sizes.values()), **sizes}
    _check_sizes(sizes, y, class_names)
    if groups is not None:
        return _split_groups(y, class_names, sizes, seed, groups)

    development, test = np.arange(len(y), dtype=np.int64), np.empty(0, np.int64)
    if sizes["test"]:
        development, test = train_test_split(
            development,
            test_size=sizes["test"],
            random_state=derived_seed(seed, Stream.TEST_SPLIT),
            stratify=y if class_names else None,
        )
    # rounding may give a part all the rows of a rare class; scikit-learn needs two of each
    _check_classes_left(y[development], 2, y, class_names)
    train, validation = train_test_split(
        development,
        test_size=sizes["validation"],
        random_state=derived_seed(seed, Stream.VALIDATION_SPLIT),
        stratify=y[development] if class_names else None,
    )
    _check_classes_left(y[train], 1, y, class_names)
    return Split(np.sort(train), np.sort(validation), np.sort(test))


def fold_rows(
    y: NDArray[Any],
    rows: Rows,
    class_names: tuple[str, ...],
    count: int,
    seed: int,
    groups: Groups | None = None,
) -> tuple[tuple[Rows, Rows], ...]:
    """Returns `count` ≥ 2 pairs of training and validation rows; each row validates once.

    Args:
        y: the labels of the whole data set, as in `split_rows`.
        rows: the sorted row numbers to share out.
        class_names: as in `split_rows`.
        count: the number of folds.
        seed: the configuration's seed.
        groups: of all rows, as in `split_rows`.

    Raises:
        UserError: if there are fewer rows than folds, in all or of one class, or fewer groups.
    """
    if len(rows) < count:
        raise UserError(
            f"tuner.folds={count}: there are {_rows(len(rows))}; valid: at most as many folds"
        )
    counts = np.bincount(y[rows], minlength=len(class_names)) if class_names else np.empty(0, int)
    for name, class_rows in zip(class_names, counts, strict=True):
        if class_rows < count:
            most = max(1, min(counts))
            raise UserError(
                f"tuner.folds={count}: class '{name}' has {_rows(class_rows)} in training and "
                f"validation together, and every fold needs one. Valid here: at most {most}"
                f"{' (no cross-validation)' if most == 1 else ''}"
            )
    kinds = (StratifiedKFold, KFold) if groups is None else (StratifiedGroupKFold, GroupKFold)
    own_groups = None if groups is None else groups[rows]
    if own_groups is not None and len(np.unique(own_groups)) < count:
        raise UserError(
            f"tuner.folds={count}: data.group has {len(np.unique(own_groups))} groups in training "
            "and validation together; valid: at most as many folds"
        )
    splitter = kinds[0 if class_names else 1](
        count, shuffle=True, random_state=derived_seed(seed, Stream.FOLDS)
    )
    folds = tuple(
        (rows[train], rows[validation])
        for train, validation in splitter.split(rows, y[rows], own_groups)
    )
    if groups is not None:
        for train, _ in folds:
            _check_grouped(train, y, class_names, f"tuner.folds={count}: a fold")
    return folds


def _split_groups(
    y: NDArray[Any],
    class_names: tuple[str, ...],
    sizes: dict[str, int],
    seed: int,
    groups: Groups,
) -> Split:
    parts = sum(size > 0 for size in sizes.values())
    if (count := len(np.unique(groups))) < parts:
        raise UserError(f"data.group: there are {count} groups to share among {parts} parts")
    rest, test = np.arange(len(y), dtype=np.int64), np.empty(0, np.int64)
    if sizes["test"]:
        test_seed = derived_seed(seed, Stream.TEST_SPLIT)
        rest, test = _closest_draw(rest, sizes["test"], y, class_names, test_seed, groups)
    validation_seed = derived_seed(seed, Stream.VALIDATION_SPLIT)
    train, validation = _closest_draw(
        rest, sizes["validation"], y, class_names, validation_seed, groups
    )
    _check_grouped(train, y, class_names, "data.group: the training part")
    return Split(train, validation, test)


def _closest_draw(
    rows: Rows,
    size: int,
    y: NDArray[Any],
    class_names: tuple[str, ...],
    seed: int,
    groups: Groups,
) -> tuple[Rows, Rows]:
    """Parts `rows` in two; the second has about `size` rows and the proportions of all."""
    if len(np.unique(groups[rows])) < 2:
        raise UserError("data.group: one group holds all rows that are left to share; valid: more")
    wanted = np.bincount(y[rows]) * size / len(rows) if class_names else np.array([float(size)])
    draws = GroupShuffleSplit(GROUP_DRAWS, test_size=size / len(rows), random_state=seed)

    def distance(part: Rows) -> float:
        found = np.bincount(y[rows[part]], minlength=len(wanted)) if class_names else [len(part)]
        return float(np.abs(wanted - found).sum())

    # What GroupShuffleSplit draws is a share of the groups, however many rows each has.
    rest, part = min(draws.split(rows, groups=groups[rows]), key=lambda pair: distance(pair[1]))
    return np.sort(rows[rest]), np.sort(rows[part])


def _check_grouped(train: Rows, y: NDArray[Any], class_names: tuple[str, ...], place: str) -> None:
    """Raises `UserError` if a class has no row to train on, as all stand in groups elsewhere."""
    if not class_names:
        return
    missing = np.flatnonzero(np.bincount(y[train], minlength=len(class_names)) == 0)
    if len(missing):
        raise UserError(
            f"{place} has no row of class '{class_names[missing[0]]}': all of them stand in a few "
            "groups. Valid: more groups with each class, other fractions, or another seed"
        )


def _check_sizes(sizes: dict[str, int], y: NDArray[Any], class_names: tuple[str, ...]) -> None:
    parts = {part: size for part, size in sizes.items() if size or part == "train"}
    _check_classes_left(y, len(parts), y, class_names, f"the {len(parts)} parts {', '.join(parts)}")
    least = max(1, len(class_names))
    for part, size in parts.items():
        if size < least:
            need = f"one of each of the {least} classes" if class_names else "at least one"
            raise UserError(
                f"data.validation_fraction and data.test_fraction give the {part} part {size} of "
                f"{len(y)} rows, and it needs {need}. Valid: other fractions or more rows"
            )


def _check_classes_left(
    y_left: NDArray[Any],
    least: int,
    y: NDArray[Any],
    class_names: tuple[str, ...],
    parts: str = "the parts",
) -> None:
    """Raises `UserError` if fewer than `least` rows of a class are left."""
    if not class_names:
        return
    left = np.bincount(y_left, minlength=len(class_names))
    scarce = np.flatnonzero(left < least)
    if len(scarce):
        counts = np.bincount(y, minlength=len(class_names))
        others = f" (and {len(scarce) - 1} more classes)" if len(scarce) > 1 else ""
        raise UserError(
            f"data: class '{class_names[scarce[0]]}' has {_rows(counts[scarce[0]])}{others}, too "
            f"few to share among {parts}. Give it more rows, leave it out, merge it with another, "
            "or choose other fractions; for a quantity set data.task=regression"
        )


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
