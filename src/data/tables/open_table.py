"""A file with named columns that is open for reading, whatever its format."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from src.data.tables.columns import TextForm


@dataclass(frozen=True)
class OpenTable:
    """A file that is open for reading.

    Attributes:
        names: its columns, distinct.
        chunks: gives the rows in pieces, of the columns that it is asked for.
        notices: what was done about its form, a sentence each.
        form: of a CSV file.
    """

    names: tuple[str, ...]
    chunks: Callable[[Sequence[str] | None], Iterator[pd.DataFrame]]
    notices: tuple[str, ...] = ()
    form: TextForm | None = None
