"""TensorBoard's event files, written in the thread that asks and with Python's own files.

TensorBoard's `EventFileWriter` writes from a thread of its own, through TensorFlow. There a full
disk shows as an error that is no `OSError`, in a thread where nobody expects one, and a close may
pass over it.
"""

import os
import socket
import time
from itertools import count
from pathlib import Path
from typing import Any

_NUMBERS = count()


class EventFile:
    """A new event file, or one that goes on.

    Args:
        directory: its folder; made where it is missing.
        suffix: ends the file's name.
        path: of a file in that folder, to add to; without one, a new file.

    Raises:
        ImportError: if the package `tensorboard` is not installed.
        OSError: here, and in every method, if the file cannot be written.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        suffix: str = "",
        path: Path | None = None,
    ) -> None:
        _, _, record_writer = import_tensorboard()
        folder = Path(directory)
        if path is None:
            folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads the files of a folder in the order of their names.
        place = f"{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_NUMBERS)}"
        self.path = path or folder / f"events.out.tfevents.{place}{suffix}"
        self._file = self.path.open("wb" if path is None else "ab")
        self._writer = record_writer(self._file)
        if path is None:
            self._add(file_version="brain.Event:2")

    def add(self, summary: Any, step: int = 0) -> None:
        """Adds an event; it reaches the file with `flush` or `close` at the latest.

        Args:
            summary: a `Summary` of `tensorboard.compat.proto`.
            step: epochs trained.
        """
        self._add(step=step, summary=summary)

    def flush(self) -> None:
        """Writes what is pending."""
        self._file.flush()

    def close(self) -> None:
        """Writes what is pending and closes the file; may be called again."""
        self._file.close()

    def _add(self, **content: Any) -> None:
        event, _, _ = import_tensorboard()
        self._writer.write(event(wall_time=time.time(), **content).SerializeToString())


def import_tensorboard() -> tuple[Any, Any, Any]:
    """Returns TensorBoard's `Event`, `Summary` and `RecordWriter`.

    Raises:
        ImportError: naming the package, if it is not installed.
    """
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError as error:
        raise ImportError(
            "callbacks.TensorBoard needs the package tensorboard: pip install tensorboard"
        ) from error
    return Event, Summary, RecordWriter
