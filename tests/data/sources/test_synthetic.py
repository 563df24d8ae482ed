"""Generated classes: shape, seed, and that a small network can learn them."""

import numpy as np
from sklearn.neural_network import MLPClassifier

from src.config.schema import DataSettings
from src.data.loading import load_data


def test_the_seed_draws_the_rows() -> None:
    first, again, other, large = (
        load_data(DataSettings(source="synthetic"), seed) for seed in (0, 0, 1, 2**32)
    )
    assert first.x.shape == (1000, 10)
    assert first.x.dtype == np.float32
    assert first.class_names == ("0", "1")
    assert (first.task, first.task_inferred) == ("binary", False)
    np.testing.assert_array_equal(first.x, again.x)
    assert not np.array_equal(first.x, other.x)
    assert not np.array_equal(first.x, large.x)


def test_a_small_network_learns_them() -> None:
    data = load_data(DataSettings(source="synthetic"), 42)
    arrays = data.arrays(data.development, data.test)
    model = MLPClassifier((16,), learning_rate_init=0.003, batch_size=64, random_state=0)
    for _ in range(12):
        model.partial_fit(arrays.x, arrays.y, classes=[0, 1])
    assert model.score(arrays.x_validation, arrays.y_validation) > 0.85
