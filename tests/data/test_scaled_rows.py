"""Rows that are scaled when they are read: those that scaling all of them at once gives."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from src.config.schema import DataSettings
from src.data.loading import load_data
from src.data.mapped import map_data
from src.data.preprocessing import Scaling, fit_scaling
from src.data.scaled_rows import ScaledRows


def test_any_rows_are_those_of_the_whole_scaled_array() -> None:
    spread = np.array([1, 100, 1e-4], np.float32)
    x: NDArray[np.float32] = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    x *= spread
    chosen = np.array([3, 49, 7, 20, 21])
    scaling = fit_scaling(x[chosen], "standard")
    rows, whole = ScaledRows(x, chosen, scaling), scaling.apply(x[chosen])
    assert len(rows) == 5
    assert rows.shape == whole.shape == (5, 3)
    assert rows.dtype == whole.dtype == np.float32
    np.testing.assert_array_equal(rows[:], whole)
    np.testing.assert_array_equal(rows[1:3], whole[1:3])
    np.testing.assert_array_equal(rows[np.array([4, 0, 4])], whole[[4, 0, 4]])
    np.testing.assert_array_equal(ScaledRows(x, chosen)[1:], x[chosen[1:]])


@pytest.mark.parametrize("source", ["digits", "diabetes", "breast_cancer"])
def test_what_a_fit_streams_is_what_it_would_hold(tmp_path: Path, source: str) -> None:
    data = map_data(load_data(DataSettings(source=source), seed=3), tmp_path)
    held = data.arrays(data.train, data.validation)
    streamed = data.arrays(data.train, data.validation, stream=True)
    assert isinstance(streamed.x, ScaledRows)
    assert isinstance(streamed.x_validation, ScaledRows)
    np.testing.assert_array_equal(streamed.x[:], held.x)
    np.testing.assert_array_equal(streamed.x_validation[:], held.x_validation)
    np.testing.assert_array_equal(streamed.y, held.y)
    np.testing.assert_array_equal(streamed.y_validation, held.y_validation)
    assert isinstance(streamed.scaling, Scaling)
    assert isinstance(held.scaling, Scaling)
    np.testing.assert_array_equal(streamed.scaling.mean, held.scaling.mean)
    np.testing.assert_array_equal(streamed.scaling.scale, held.scaling.scale)
    assert streamed.problem == held.problem
