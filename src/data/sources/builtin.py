"""The small data sets that scikit-learn ships: always there, no download."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import datasets

from hypermodels.problem import Task
from src.config.schema import DataSettings
from src.data.dataset import Dataset
from src.data.sources.checks import refuse_unused


def digits(settings: DataSettings, seed: int) -> Dataset:  # noqa: ARG001 (one signature for all)
    """Handwritten digits: 1,797 rows of 8 × 8 pixels from 0 to 16, 10 classes."""
    return _dataset(settings, datasets.load_digits, "multiclass", image_maximum=16.0)


def breast_cancer(settings: DataSettings, seed: int) -> Dataset:  # noqa: ARG001
    """Breast cancer diagnoses: 569 rows, 30 features, 0 malignant, 1 benign."""
    return _dataset(settings, datasets.load_breast_cancer, "binary")


def wine(settings: DataSettings, seed: int) -> Dataset:  # noqa: ARG001
    """Wines of three growers: 178 rows, 13 features, 3 classes."""
    return _dataset(settings, datasets.load_wine, "multiclass")


def iris(settings: DataSettings, seed: int) -> Dataset:  # noqa: ARG001
    """Iris flowers: 150 rows, 4 features, 3 classes."""
    return _dataset(settings, datasets.load_iris, "multiclass")


def diabetes(settings: DataSettings, seed: int) -> Dataset:  # noqa: ARG001
    """Disease progression after a year: 442 rows, 10 features in their own units, regression."""
    return _dataset(settings, lambda: datasets.load_diabetes(scaled=False), "regression")


def _dataset(
    settings: DataSettings,
    load: Callable[[], Any],
    task: Task,
    image_maximum: float | None = None,
) -> Dataset:
    refuse_unused(settings)
    bunch = load()
    return Dataset(
        name=settings.source,
        x=np.ascontiguousarray(bunch.data, dtype=np.float32),
        y=bunch.target,
        feature_names=tuple(map(str, bunch.feature_names)),
        task=task,
        image_maximum=image_maximum,
    )
