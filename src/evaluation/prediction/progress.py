"""How many rows are done, on a terminal."""

import sys
import time
from types import TracebackType
from typing import Self

INTERVAL_SECONDS = 0.2


class RowCount:
    """Counts rows; on a terminal, a line of standard error tells how many there are so far.

    Args:
        total: how many there will be; None if that is not known.

    Attributes:
        rows: how many were added.
    """

    def __init__(self, total: int | None) -> None:
        self.rows = 0
        self._total = total
        self._is_shown = sys.stderr.isatty()
        self._began = self._shown = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._is_shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def add(self, rows: int) -> None:
        """Counts some more."""
        self.rows += rows
        now = time.monotonic()
        if self._is_shown and now - self._shown >= INTERVAL_SECONDS:
            of = "" if self._total is None else f" of {self._total:,}"
            speed = self.rows / (now - self._began)
            text = f"\r\033[K{self.rows:,}{of} rows, {speed:,.0f} a second"
            print(text, end="", file=sys.stderr, flush=True)
            self._shown = now
