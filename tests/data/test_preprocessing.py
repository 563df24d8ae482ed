"""Scaling: numbers, constant columns, rows that are scaled when they are read."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from src.config.schema import DataSettings
from src.data.loading import ScaledRows, load_data, map_data
from src.data.preprocessing import Scaling, fit_scaling
from src.errors import UserError


def random_rows(rows: int = 500) -> NDArray[np.float32]:
    """Columns of very different units."""
    x = np.random.default_rng(0).normal(size=(rows, 4)) * [1, 1e-3, 1e4, 20] + [0, 5, -1e5, 300]
    return x.astype(np.float32)


@pytest.mark.parametrize("rows", [500, 20_000])  # one piece, and many
def test_standard_scaling_is_the_mean_and_deviation_of_each_column(rows: int) -> None:
    x = np.asfortranarray(random_rows(rows))
    before = x.copy()
    scaling = fit_scaling(x, "standard")
    np.testing.assert_allclose(scaling.mean, x.astype(np.float64).mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(scaling.scale, x.astype(np.float64).std(axis=0), rtol=1e-6)
    assert scaling.mean.dtype == scaling.scale.dtype == np.float32
    scaled = scaling.apply(x)
    np.testing.assert_array_equal(scaled, (x - scaling.mean) / scaling.scale)
    assert scaled.flags.c_contiguous
    assert scaled.ctypes.data % 64 == 0  # TensorFlow takes it without a copy
    np.testing.assert_array_equal(x, before)


def test_a_constant_column_becomes_zero() -> None:
    for value in (0.1, -3.3e37):
        x = random_rows(3000)
        x[:, 1] = value
        scaling = fit_scaling(x, "standard")
        assert scaling.scale[1] == 1
        np.testing.assert_array_equal(scaling.apply(x)[:, 1], 0)
        assert np.isfinite(scaling.apply(x)).all()
    one = fit_scaling(np.array([[3.0, 4.0]], np.float32), "standard")
    assert (one.mean.tolist(), one.scale.tolist()) == ([3, 4], [1, 1])


def test_scaling_is_resolved() -> None:
    for settings, scaling, largest in (
        ({"source": "digits"}, "none", 1.0),
        ({"source": "digits", "scaling": "standard"}, "standard", None),
        ({"source": "wine"}, "standard", None),
        ({"source": "wine", "scaling": "none"}, "none", 1680.0),
    ):
        data = load_data(DataSettings.model_validate(settings), seed=0)
        assert data.scaling == scaling
        x = data.arrays(np.arange(len(data.x)), data.test[:0]).x
        assert x.max() == largest if largest else x.std() == pytest.approx(1, abs=0.05)
    with pytest.raises(UserError, match=r"^data\.scaling: 'robust' is for tables"):
        load_data(DataSettings(source="iris", scaling="robust"), seed=0)


@pytest.mark.parametrize("source", ["digits", "diabetes"])
def test_what_a_fit_streams_is_what_it_would_hold(tmp_path: Path, source: str) -> None:
    data = map_data(load_data(DataSettings(source=source), seed=3), tmp_path)
    held = data.arrays(data.train, data.validation)
    streamed = data.arrays(data.train, data.validation, stream=True)
    assert isinstance(streamed.x, ScaledRows)
    chosen = np.array([4, 0, 4])
    np.testing.assert_array_equal(streamed.x[chosen], held.x[chosen])
    for name in ("x", "x_validation", "y", "y_validation"):
        np.testing.assert_array_equal(getattr(streamed, name)[:], getattr(held, name))
    assert isinstance(streamed.scaling, Scaling)
    assert isinstance(held.scaling, Scaling)
    np.testing.assert_array_equal(streamed.scaling.scale, held.scaling.scale)
    assert streamed.problem == held.problem
