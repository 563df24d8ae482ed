"""Shapes and content of the data sets that scikit-learn ships, and of those it draws."""

import numpy as np
import pytest

from src.config.schema import DataSettings
from src.data.loading import load_data


@pytest.mark.parametrize(
    ("source", "shape", "counts"),
    [
        ("digits", (1797, 64), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]),
        ("breast_cancer", (569, 30), [212, 357]),
        ("wine", (178, 13), [59, 71, 48]),
        ("iris", (150, 4), [50, 50, 50]),
    ],
)
def test_classes(source: str, shape: tuple[int, int], counts: list[int]) -> None:
    data = load_data(DataSettings(source=source), seed=0)
    assert (data.name, data.x.shape, data.task_inferred) == (source, shape, False)
    assert len(set(data.feature_names)) == shape[1]
    assert np.bincount(data.y).tolist() == counts
    if source == "digits":
        assert (data.x.min(), data.x.max(), data.image_maximum) == (0, 16, 16.0)
        assert data.feature_names[:2] == ("pixel_0_0", "pixel_0_1")


def test_diabetes_is_a_regression_in_its_own_units() -> None:
    data = load_data(DataSettings(source="diabetes"), seed=0)
    assert (data.task, data.x.shape, data.class_names) == ("regression", (442, 10), ())
    assert data.y.mean() == pytest.approx(152.13, abs=0.01)
    assert data.x[:, data.feature_names.index("age")].max() == 79


def test_the_seed_draws_synthetic_rows() -> None:
    first, again, *others = (
        load_data(DataSettings(source="synthetic"), seed) for seed in (0, 0, 1, 2**32)
    )
    assert (first.x.shape, str(first.x.dtype)) == ((1000, 10), "float32")
    assert first.class_names == ("0", "1")
    np.testing.assert_array_equal(first.x, again.x)
    assert not any(np.array_equal(first.x, other.x) for other in others)
