"""Shapes and content of the data sets that scikit-learn ships."""

import numpy as np
import pytest

from src.config.schema import DataSettings
from src.data.loading import load_data


@pytest.mark.parametrize(
    ("source", "shape", "task", "counts"),
    [
        ("digits", (1797, 64), "multiclass", [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]),
        ("breast_cancer", (569, 30), "binary", [212, 357]),
        ("wine", (178, 13), "multiclass", [59, 71, 48]),
        ("iris", (150, 4), "multiclass", [50, 50, 50]),
    ],
)
def test_classes(source: str, shape: tuple[int, int], task: str, counts: list[int]) -> None:
    data = load_data(DataSettings(source=source), seed=0)
    assert data.name == source
    assert data.x.shape == shape
    assert data.x.dtype == np.float32
    assert len(data.feature_names) == len(set(data.feature_names)) == shape[1]
    assert data.task == task
    assert not data.task_inferred
    assert data.class_names == tuple(map(str, range(len(counts))))
    assert np.bincount(data.y).tolist() == counts
    assert data.image_maximum == (16.0 if source == "digits" else None)


def test_diabetes_is_a_regression_in_its_own_units() -> None:
    data = load_data(DataSettings(source="diabetes"), seed=0)
    assert data.x.shape == (442, 10)
    assert data.task == "regression"
    assert data.class_names == ()
    assert data.y.mean() == pytest.approx(152.13, abs=0.01)
    age = data.x[:, data.feature_names.index("age")]
    assert (age.min(), age.max()) == (19, 79)


def test_pixels_of_digits_go_from_0_to_16() -> None:
    data = load_data(DataSettings(), seed=0)
    assert (data.x.min(), data.x.max()) == (0, 16)
    assert data.feature_names[:2] == ("pixel_0_0", "pixel_0_1")
