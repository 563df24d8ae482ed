"""Tables of your own in CSV files, as they come."""

from pathlib import Path

from src.config.schema import DataSettings
from src.config.separators import SEPARATORS
from src.data.dataset import Dataset
from src.data.sources.tables import table_dataset
from src.data.tables.open_table import OpenTable
from src.data.tables.text_files import open_text


def csv(settings: DataSettings, seed: int) -> Dataset:  # noqa: ARG001 (one signature for all)
    """Reads `data.path`, and `data.test_path` where there are separate test rows.

    Separator (comma, semicolon, tab, bar), encoding, gzip and whether the first line names the
    columns are found out, unless `data.separator`, `data.encoding` and `data.header` settle it.
    `table_dataset` tells what becomes of the columns.

    Raises:
        UserError: naming the file, the columns, what was found and what is valid.
    """

    def open_file(path: Path, where: str) -> OpenTable:
        text = open_text(
            path,
            where,
            settings.header,
            separator=_given(SEPARATORS.get(settings.separator, settings.separator)),
            encoding=_given(settings.encoding),
        )
        return OpenTable(text.names, text.chunks, text.notices, text.form, text.late_notices)

    return table_dataset(settings, open_file)


def _given(setting: str) -> str | None:
    return None if setting == "auto" else setting
