"""A file with named columns that is open for reading, whatever its format."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from src.data.tables.columns import TextForm
from src.data.tables.missing_values import blank_out


@dataclass(frozen=True)
class OpenTable:
    """A file that is open for reading.

    Attributes:
        names: its columns, distinct.
        chunks: gives the rows in pieces, of the columns that it is asked for.
        notices: what was done about its form, a sentence each.
        form: of a CSV file.
        late_notices: what is to be said once the rows have been read.
        left_out: columns of the file that are none of a table.
    """

    names: tuple[str, ...]
    chunks: Callable[[Sequence[str] | None], Iterator[pd.DataFrame]]
    notices: tuple[str, ...] = ()
    form: TextForm | None = None
    late_notices: Callable[[], Sequence[str]] = tuple
    left_out: tuple[str, ...] = ()

    def without(self, texts: Sequence[str]) -> "OpenTable":
        """Returns the table where cells with these texts, or their value, are missing."""
        if not texts:
            return self

        def chunks(wanted: Sequence[str] | None) -> Iterator[pd.DataFrame]:
            for frame in self.chunks(wanted):
                yield pd.DataFrame({name: blank_out(frame[name], texts) for name in frame.columns})

        return replace(self, chunks=chunks)
