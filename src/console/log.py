"""The log of a search: a text file in the run's folder, a line an event, with its time."""

from datetime import datetime
from pathlib import Path


class SearchLog:
    """Adds lines to a file that is not held open between them.

    Args:
        path: of the file; lines of an earlier search stay.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, text: str) -> None:
        """Adds a line; what would break it or steer a terminal becomes a blank.

        Raises:
            OSError: if the file cannot be written.
        """
        plain = "".join(c if c.isprintable() else " " for c in text.strip())
        now = datetime.now().isoformat(sep=" ", timespec="seconds")
        with self.path.open("a", encoding="utf-8", errors="replace") as file:
            file.write(f"{now}  {plain}\n")
