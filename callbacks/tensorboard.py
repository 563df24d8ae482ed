"""Streams the scalars of each epoch to TensorBoard, about five times cheaper than Keras's own."""

import json
import numbers
import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np

from callbacks.event_file import EventFile, import_tensorboard
from callbacks.record_controls import CONTROLS

_STRING = 7  # TensorFlow's DT_STRING
FLUSH_SECONDS = 2.0  # scalars reach the disk at the first epoch's end after so long


class TensorBoard(keras.callbacks.Callback):
    """Writes the logs of each epoch as scalars, one event file a fit.

    A metric `m` is the scalar `m/train` and `val_m` is `m/validation`, so that TensorBoard groups
    the two; `learning_rate` and the other `CONTROLS` are themselves. The step is the number of
    epochs trained, from 1. Logs that are no numbers are left out.

    Args:
        directory: folder of the event files; made where it is missing.
        filename_suffix: ends the name of each event file, to tell whose it is.
        earlier: the epoch, from 0, and the logs of epochs of another fit that go before.
        full: write the layers of the model as a graph too, and a histogram of each weight after
            every epoch. That takes longer than the training of a small net.

    Raises:
        ImportError: if the package `tensorboard` is not installed.
        OSError: while it trains, if the file cannot be written.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        filename_suffix: str = "",
        earlier: Iterable[tuple[int, Mapping[str, Any]]] = (),
        full: bool = False,
    ) -> None:
        super().__init__()
        import_tensorboard()  # now rather than in the middle of a search
        self.directory = os.fspath(directory)
        self.filename_suffix = filename_suffix
        self.earlier = tuple(earlier)
        self.full = full
        self._file: EventFile | None = None
        self._flushed = 0.0

    def close(self) -> None:
        """Writes what is pending and closes the file; for when training raised, else harmless."""
        if self._file is not None:
            file, self._file = self._file, None
            file.close()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Opens a new event file."""
        self.close()
        self._file = EventFile(self.directory, self.filename_suffix)
        if self.full:
            self._file.add(_graph(self.model))
        for epoch, earlier in self.earlier:
            self._write(epoch, earlier)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the scalars of the epoch as one event."""
        assert self._file is not None
        self._write(epoch, logs or {})
        if self.full:
            _, summary, _ = import_tensorboard()
            values = [_histogram(weight.path, weight) for weight in self.model.trainable_weights]
            self._file.add(summary(value=values), step=epoch + 1)
        now = time.monotonic()
        if self._file is not None and now - self._flushed >= FLUSH_SECONDS:
            self._file.flush()
            self._flushed = now

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Closes the event file."""
        self.close()

    def _write(self, epoch: int, logs: Mapping[str, Any]) -> None:
        assert self._file is not None
        _, summary, _ = import_tensorboard()
        values = [
            summary.Value(tag=tag(name), simple_value=float(value))
            for name, value in logs.items()
            if isinstance(value, numbers.Real)
        ]
        self._file.add(summary(value=values), step=epoch + 1)


def tag(name: str) -> str:
    """Returns the scalar's tag for a name in the logs."""
    if name in CONTROLS:
        return name
    if name.startswith("val_"):
        return f"{name.removeprefix('val_')}/validation"
    return f"{name}/train"


def _histogram(name: str, weight: Any) -> Any:
    from tensorboard.plugins.histogram.summary_v2 import histogram_pb

    content = histogram_pb(name, np.asarray(weight.numpy()))
    return import_tensorboard()[1].FromString(content.SerializeToString()).value[0]


def _graph(model: keras.Model) -> Any:
    """The layers as TensorBoard's graph dashboard reads them, under `Conceptual graph`."""
    _, summary, _ = import_tensorboard()
    # Without what `to_json` adds of the compilation, which may hold any function.
    config = json.dumps(
        {"class_name": "Functional", "config": model.get_config()},
        default=keras.saving.serialize_keras_object,
    )
    value = summary.Value(tag="keras")
    value.metadata.plugin_data.plugin_name = "graph_keras_model"
    value.metadata.plugin_data.content = b"1"
    value.tensor.dtype = _STRING
    value.tensor.string_val.append(config.encode())
    return summary(value=[value])
