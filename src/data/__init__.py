"""Data: sources of rows, the task they pose, splits and preprocessing. Light to import.

A source is a function `(settings: DataSettings, seed: int) -> Dataset`. One of your own is one new
file and one line in `SOURCES`; `src.data.loading.load_data` does the rest.
"""

SOURCES: dict[str, str] = {
    "breast_cancer": "src.data.sources.builtin:breast_cancer",
    "csv": "src.data.sources.csv_file:csv",
    "diabetes": "src.data.sources.builtin:diabetes",
    "digits": "src.data.sources.builtin:digits",
    "fashion_mnist": "src.data.sources.images:fashion_mnist",
    "iris": "src.data.sources.builtin:iris",
    "mnist": "src.data.sources.images:mnist",
    "npz": "src.data.sources.npz_file:npz",
    "parquet": "src.data.sources.parquet_file:parquet",
    "synthetic": "src.data.sources.synthetic:synthetic",
    "wine": "src.data.sources.builtin:wine",
}
