"""Leaks: columns that give the target away, and rows on both sides."""

from dataclasses import replace
from typing import Any

import numpy as np

from src.config.schema import DataSettings
from src.data.leaks import leak_notices, repeated_rows, telling_columns
from src.data.loading import Data, load_data


def data_of(source: str = "synthetic") -> Data:
    return load_data(DataSettings(source=source), 0)


def with_column(data: Data, column: np.ndarray[Any, Any]) -> Data:
    x = np.column_stack([data.x, column.astype(np.float32)])
    return replace(data, x=x, feature_names=(*data.feature_names, "extra"))


def noisy_codes(data: Data, wrong: float) -> np.ndarray[Any, Any]:
    """A code for each class, of which a share is another's."""
    random = np.random.default_rng(0)
    codes = data.y * 7.0 + 3
    changed = random.random(len(codes)) < wrong
    return np.where(changed, random.permutation(codes), codes)


def test_a_column_that_tells_the_class_is_named() -> None:
    data = data_of()
    assert telling_columns(data) == {}
    assert telling_columns(with_column(data, noisy_codes(data, 0.0))) == {"extra": 1.0}
    found = telling_columns(with_column(data, noisy_codes(data, 0.005)))
    assert 0.98 <= found["extra"] < 1
    assert telling_columns(with_column(data, noisy_codes(data, 0.2))) == {}
    (notice,) = leak_notices(with_column(data, noisy_codes(data, 0.0)))
    assert notice.startswith("'extra': tells the target almost perfectly alone (balanced accuracy")
    assert notice.endswith("leave it out")
    rare = np.where(np.arange(1000) % 50 == 0, 1, 0).astype(np.int32)
    assert telling_columns(replace(data, y=rare)) == {}  # though 98 % of a guess would be right


def test_a_column_that_tells_the_quantity_is_named() -> None:
    data = data_of("diabetes")
    assert leak_notices(data) == []
    noise = np.random.default_rng(0).normal(size=len(data.y))
    found = telling_columns(with_column(data, np.exp(data.y / 100) + 0.01 * noise))
    assert found["extra"] > 0.98
    assert telling_columns(with_column(data, data.y + 60 * noise)) == {}


def test_public_data_have_no_column_that_tells_the_target() -> None:
    for source in ("digits", "breast_cancer", "iris"):
        assert telling_columns(data_of(source)) == {}


def test_rows_on_both_sides_are_counted() -> None:
    data = data_of()
    assert repeated_rows(data) == 0
    x, y = data.x.copy(), data.y.copy()
    x[data.train[0], 2] = np.nan  # missing values are equal to each other
    x[data.test[:6]], y[data.test[:6]] = x[data.train[:6]], y[data.train[:6]]
    y[data.test[1]] = 1 - y[data.test[1]]  # the same columns, but another target
    x[data.test[7]], y[data.test[7]] = x[data.validation[0]], y[data.validation[0]]
    repeated = replace(data, x=x, y=y)
    assert repeated_rows(repeated) == 6
    (notice,) = leak_notices(repeated)
    assert notice.startswith("6 of 200 test rows (3.0%) are also among the training")
    assert repeated_rows(replace(repeated, test=np.empty(0, np.int64))) == 0
