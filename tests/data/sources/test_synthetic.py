"""Generated classes: shape and seed."""

import numpy as np

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
