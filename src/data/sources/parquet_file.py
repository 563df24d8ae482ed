"""Tables of your own in Parquet files; needs the package pyarrow."""

from src.config.schema import DataSettings
from src.data.dataset import Dataset
from src.data.sources.tables import table_dataset
from src.data.tables.parquet_files import open_parquet


def parquet(settings: DataSettings, seed: int) -> Dataset:  # noqa: ARG001 (one signature for all)
    """Reads `data.path`, and `data.test_path` where there are separate test rows.

    Numbers, booleans, texts and timestamps come with their types; `table_dataset` tells what
    becomes of the columns.

    Raises:
        UserError: if pyarrow is not installed; or naming the file, the columns, what was found and
            what is valid.
    """
    return table_dataset(settings, open_parquet)
