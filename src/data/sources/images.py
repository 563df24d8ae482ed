"""The image data sets that Keras downloads once and keeps in its own cache."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from src.config.schema import DataSettings
from src.data.dataset import Dataset, pixel_names
from src.data.sources.checks import refuse_unused
from src.errors import UserError

_DOWNLOAD_SILENCE_SECONDS = 20.0


def mnist(settings: DataSettings, seed: int) -> Dataset:  # noqa: ARG001 (one signature for all)
    """Handwritten digits: 60,000 + 10,000 rows of 28 × 28 pixels from 0 to 255, 10 classes."""
    import keras  # loads TensorFlow, which other sources do without

    return _dataset(settings, keras.datasets.mnist)


def fashion_mnist(settings: DataSettings, seed: int) -> Dataset:  # noqa: ARG001
    """Photographs of clothes: 60,000 + 10,000 rows of 28 × 28 pixels, 10 classes."""
    import keras  # loads TensorFlow, which other sources do without

    return _dataset(settings, keras.datasets.fashion_mnist)


def _dataset(settings: DataSettings, module: Any) -> Dataset:
    refuse_unused(settings)
    try:
        with _socket_timeout(_DOWNLOAD_SILENCE_SECONDS):
            (x, y), (x_test, y_test) = module.load_data()
    except Exception as error:  # Keras reports a failed download as a bare Exception
        raise UserError(
            f"data.source={settings.source}: could not be downloaded ({error}). Without a network, "
            "put the arrays x_train, y_train, x_test and y_test into an npz file and use "
            "data.source=npz data.path=FILE"
        ) from error
    return Dataset(
        name=settings.source,
        x=x.reshape(len(x), -1).astype(np.float32),
        y=y,
        feature_names=pixel_names(x.shape[1:]),
        x_test=x_test.reshape(len(x_test), -1).astype(np.float32),
        y_test=y_test,
        task="multiclass",
        image_maximum=255.0,
    )


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Limits how long a connection may be silent: Keras sets no limit, and a firewall may be."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
