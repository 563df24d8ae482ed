"""Scaling: numbers, constant columns, agreement with Keras' Normalization layer."""

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from src.data.preprocessing import Scaling, fit_scaling, resolve_scaling


def random_rows(rows: int = 500) -> NDArray[np.float32]:
    """Columns of very different units."""
    x = np.random.default_rng(0).normal(size=(rows, 4)) * [1, 1e-3, 1e4, 20] + [0, 5, -1e5, 300]
    return x.astype(np.float32)


def test_standard_scaling_is_the_mean_and_deviation_of_each_column() -> None:
    x = random_rows()
    scaling = fit_scaling(x, "standard")
    np.testing.assert_allclose(scaling.mean, x.astype(np.float64).mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(scaling.scale, x.astype(np.float64).std(axis=0), rtol=1e-6)
    assert scaling.mean.dtype == scaling.scale.dtype == np.float32
    scaled = scaling.apply(x)
    np.testing.assert_array_equal(scaled, (x - scaling.mean) / scaling.scale)
    np.testing.assert_allclose(scaled.mean(axis=0, dtype=np.float64), 0, atol=1e-2)
    np.testing.assert_allclose(scaled.std(axis=0, dtype=np.float64), 1, atol=1e-3)


def test_rows_beyond_one_chunk_count_as_the_others() -> None:
    x = random_rows(20_000)
    np.testing.assert_allclose(
        fit_scaling(x, "standard").scale, x.astype(np.float64).std(axis=0), rtol=1e-6
    )


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6, -3.3e37])
def test_a_constant_column_becomes_zero(value: float) -> None:
    x = random_rows(1000)
    x[:, 1] = value
    scaling = fit_scaling(x, "standard")
    assert scaling.scale[1] == 1
    np.testing.assert_array_equal(scaling.apply(x)[:, 1], 0)
    assert np.isfinite(scaling.apply(x)).all()


def test_one_row() -> None:
    scaling = fit_scaling(np.array([[3.0, 4.0]], np.float32), "standard")
    assert scaling.mean.tolist() == [3, 4]
    assert scaling.scale.tolist() == [1, 1]


def test_images_are_divided_by_their_maximum() -> None:
    x = np.array([[0, 51, 255], [255, 0, 102]], np.float32)
    for kind in ("auto", "none"):
        scaling = fit_scaling(x, kind, image_maximum=255.0)
        np.testing.assert_allclose(scaling.apply(x), [[0, 0.2, 1], [1, 0, 0.4]], rtol=1e-6)
    assert fit_scaling(x, "standard", 255.0).mean.tolist() == [127.5, 25.5, 178.5]


def test_none_leaves_tables_as_they_are() -> None:
    x = random_rows()
    np.testing.assert_array_equal(fit_scaling(x, "none").apply(x), x)


def test_auto_is_standard_for_tables_and_none_for_images() -> None:
    assert resolve_scaling("auto", None) == "standard"
    assert resolve_scaling("auto", 16.0) == "none"
    assert resolve_scaling("standard", 16.0) == "standard"
    x = random_rows()
    np.testing.assert_array_equal(fit_scaling(x, "auto").scale, fit_scaling(x, "standard").scale)


def test_apply_returns_new_contiguous_memory() -> None:
    x = np.asfortranarray(random_rows())
    before = x.copy()
    scaled = fit_scaling(x, "standard").apply(x)
    assert scaled.flags.c_contiguous
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(x, before)
    assert Scaling(np.zeros(4, np.float32), np.ones(4, np.float32)).apply(x[:0]).shape == (0, 4)


@pytest.mark.parametrize("image_maximum", [None, 255.0])
def test_keras_normalization_does_the_same(image_maximum: float | None) -> None:
    x = random_rows()
    x[:, 3] = 7
    scaling = fit_scaling(x, "auto", image_maximum)
    layer = keras.layers.Normalization(mean=scaling.mean, variance=scaling.scale**2)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(layer(x)), scaling.apply(x), rtol=1e-5, atol=1e-5
    )
