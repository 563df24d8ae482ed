"""Generated classes: shape, seed, and that they can be learnt."""

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

from src.config.schema import DataSettings, SyntheticSettings
from src.data.loading import load_data
from src.errors import UserError


def settings(rows: int, features: int, classes: int) -> DataSettings:
    return DataSettings(
        source="synthetic",
        synthetic=SyntheticSettings(rows=rows, features=features, classes=classes),
    )


@pytest.mark.parametrize(
    ("rows", "features", "classes"), [(200, 2, 2), (300, 2, 4), (300, 3, 3), (500, 40, 20)]
)
def test_shape(rows: int, features: int, classes: int) -> None:
    data = load_data(settings(rows, features, classes), seed=0)
    assert data.x.shape == (rows, features)
    assert data.x.dtype == np.float32
    assert len(data.class_names) == classes
    assert data.task == ("binary" if classes == 2 else "multiclass")
    assert not data.task_inferred


def test_the_seed_draws_the_rows() -> None:
    first, again, other, large = (
        load_data(DataSettings(source="synthetic"), seed).x for seed in (0, 0, 1, 2**32)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, large)


@pytest.mark.parametrize("seed", [0, 1, 42])
def test_a_small_network_learns_the_default(seed: int) -> None:
    data = load_data(DataSettings(source="synthetic"), seed)
    arrays = data.arrays(data.development, data.test)
    model = MLPClassifier((16,), learning_rate_init=0.001, batch_size=32, random_state=0)
    for _ in range(30):
        model.partial_fit(arrays.x, arrays.y, classes=[0, 1])
    assert model.score(arrays.x_validation, arrays.y_validation) > 0.85


def test_more_classes_than_the_features_can_hold() -> None:
    with pytest.raises(UserError, match=r"data\.synthetic\.classes=5: .*features=2.* at most 4"):
        load_data(settings(100, 2, 5), seed=0)
