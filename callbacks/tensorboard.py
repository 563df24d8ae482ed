"""Streams the scalars of each epoch to TensorBoard, about five times cheaper than Keras's own."""

import numbers
import os
import socket
import time
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import keras
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from callbacks.schedule_logger import SCHEDULED

FLUSH_SECONDS = 2.0  # scalars reach the disk at the first epoch's end after so long
_NUMBERS = count()


class TensorBoard(keras.callbacks.Callback):
    """Writes the logs of each epoch as scalars, one event file a fit.

    A metric `m` is the scalar `m/train` and `val_m` is `m/validation`, so that TensorBoard groups
    the two; `SCHEDULED` names are themselves. The step is the number of epochs trained, from 1.
    Logs that are no numbers are left out. A file that cannot be written is an `OSError`. `earlier`
    has the number, from 0, and the logs of the epochs of another fit that go before.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        filename_suffix: str = "",
        earlier: Iterable[tuple[int, Mapping[str, Any]]] = (),
    ) -> None:
        super().__init__()
        self.directory, self.filename_suffix = os.fspath(directory), filename_suffix
        self.earlier = tuple(earlier)
        self._file: EventFile | None = None
        self._flushed = 0.0

    def close(self) -> None:
        """Closes the file; for when training raised, else harmless."""
        if self._file is not None:
            self._file.close()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.close()
        self._file = EventFile(self.directory, self.filename_suffix)
        for epoch, earlier in self.earlier:
            self._file.add(_scalars(earlier), step=epoch + 1)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        assert self._file is not None
        self._file.add(_scalars(logs or {}), step=epoch + 1)
        now = time.monotonic()
        if now - self._flushed >= FLUSH_SECONDS:
            self._file.flush()
            self._flushed = now

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.close()


class EventFile:
    """A new event file in `directory`, or an existing one at `path`; may raise `OSError`.

    It is written in the calling thread. TensorBoard's `EventFileWriter` writes in a thread of its
    own, in which a full disk may go unnoticed.
    """

    def __init__(
        self, directory: str | os.PathLike[str], suffix: str = "", path: Path | None = None
    ) -> None:
        # TensorBoard reads the files of a folder in the order of their names.
        place = f"{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_NUMBERS)}"
        self.path = path or Path(directory) / f"events.out.tfevents.{place}{suffix}"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("wb" if path is None else "ab")
        self._writer = RecordWriter(self._file)
        if path is None:
            self._add(file_version="brain.Event:2")

    def add(self, summary: Any, step: int = 0) -> None:
        """Adds a `Summary` of `tensorboard.compat.proto`; `flush` or `close` writes it."""
        self._add(step=step, summary=summary)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Writes what is pending; may be called again."""
        self._file.close()

    def _add(self, **content: Any) -> None:
        self._writer.write(Event(wall_time=time.time(), **content).SerializeToString())


def tag(name: str) -> str:
    """Returns the scalar's tag for a name in the logs."""
    if name in SCHEDULED:
        return name
    metric = name.removeprefix("val_")
    return f"{name}/train" if metric == name else f"{metric}/validation"


def _scalars(logs: Mapping[str, Any]) -> Any:
    values = {n: float(value) for n, value in logs.items() if isinstance(value, numbers.Real)}
    return Summary(value=[Summary.Value(tag=tag(n), simple_value=values[n]) for n in values])
