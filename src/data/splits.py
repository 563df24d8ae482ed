"""Seeded splits into training, validation and test rows, and folds; stratified for classes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

from src.data.seeds import Stream, derived_seed
from src.errors import UserError

Rows = NDArray[np.int64]


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
) -> Split:
    """Splits the rows of `y` at random. The test rows do not depend on the validation fraction.

    Args:
        y: `(rows,)` class codes, or raw values for regression.
        class_names: the classes, whose proportions every part keeps; empty for regression.
        validation_fraction: of all rows, above 0 and below 1; at least one row.
        test_fraction: of all rows, below 1; 0 leaves `test` empty.
        seed: the configuration's seed.

    Raises:
        UserError: if the fractions leave nothing to train on, or a class has too few rows.
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
    y: NDArray[Any], rows: Rows, class_names: tuple[str, ...], count: int, seed: int
) -> tuple[tuple[Rows, Rows], ...]:
    """Returns `count` ≥ 2 pairs of training and validation rows; each row validates once.

    Args:
        y: the labels of the whole data set, as in `split_rows`.
        rows: the sorted row numbers to share out.
        class_names: as in `split_rows`.
        count: the number of folds.
        seed: the configuration's seed.

    Raises:
        UserError: if there are fewer rows than folds, in all or of one class.
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
    splitter = (StratifiedKFold if class_names else KFold)(
        count, shuffle=True, random_state=derived_seed(seed, Stream.FOLDS)
    )
    return tuple(
        (rows[train], rows[validation]) for train, validation in splitter.split(rows, y[rows])
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
