"""TensorBoard's event files, written in the calling thread and with Python's own files.

TensorBoard's `EventFileWriter` writes in a thread, in which a full disk may go unnoticed.
"""

import os
import socket
import time
from itertools import count
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter

_NUMBERS = count()


class EventFile:
    """A new file in `directory`, or an existing one at `path` to add to; may raise `OSError`."""

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
        """Writes what is pending and closes the file; may be called again."""
        self._file.close()

    def _add(self, **content: Any) -> None:
        self._writer.write(Event(wall_time=time.time(), **content).SerializeToString())
