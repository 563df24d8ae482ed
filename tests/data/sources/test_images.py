"""Keras' image data sets: content from a stand-in, and a download that really fails."""

import socket
from pathlib import Path

import keras
import numpy as np
import pytest

from src.config.schema import DataSettings
from src.data.loading import load_data
from src.errors import UserError


@pytest.mark.parametrize("source", ["mnist", "fashion_mnist"])
def test_images_are_flattened_rows_with_separate_test_rows(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.random.default_rng(0).integers(0, 256, size=(50, 28, 28), dtype=np.uint8)
    labels = np.tile(np.arange(10, dtype=np.uint8), 5)
    parts = ((images[:40], labels[:40]), (images[40:], labels[40:]))
    monkeypatch.setattr(getattr(keras.datasets, source), "load_data", lambda: parts)
    data = load_data(DataSettings(source=source, validation_fraction=0.25), seed=0)
    assert (data.name, data.task, data.image_maximum) == (source, "multiclass", 255.0)
    np.testing.assert_array_equal(data.x, images.reshape(50, 784))
    np.testing.assert_array_equal(data.y, labels)
    assert data.test.tolist() == list(range(40, 50))
    assert data.feature_names[29] == "pixel_1_1"
    x = data.arrays(data.train, data.validation).x
    np.testing.assert_allclose(x, images[data.train].reshape(30, 784) / 255, rtol=1e-6)


def test_a_failed_download_says_what_to_do_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))  # nothing cached
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens on this port
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(UserError) as raised:
        load_data(DataSettings(source="mnist"), seed=0)
    for part in ("data.source=mnist", "refused", "x_train", "data.source=npz data.path=FILE"):
        assert part in str(raised.value)
    assert socket.getdefaulttimeout() is None
