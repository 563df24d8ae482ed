"""How much memory a large table takes, from the file to arrays to train on.

    python -m tests.benchmarks.large_table [--rows 500000] [--columns 100] [--json FILE]
    python -m tests.benchmarks.large_table --against ../checkout-of-an-older-commit

Writes a CSV file of numbers, some of them missing, and categories; then, in a fresh process, loads
it, encodes the training and validation rows and trains a small net on them for an epoch, as a trial
does. The peak of the process beyond what its imports take is compared with the table as float32.
With another checkout, both measure the same file in turn, three times: medians, and how many times
as fast this one is.
"""

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.benchmarks.command import positive, surroundings, write_json
from tests.benchmarks.processes import REPOSITORY, run_python

TEXTS = 10  # in a hundred columns
BATCH = 1024  # rows of a step
BLOCK = 20_000  # rows written at a time
MEASURE = "--measure"


def main() -> None:
    """Writes the table, measures and prints."""
    parser = argparse.ArgumentParser(description="Memory and time that a large table takes.")
    parser.add_argument("--rows", type=positive, default=500_000)
    parser.add_argument("--columns", type=positive, default=100, help="the target not counted")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes the figures there too")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="compares another commit")
    parser.add_argument(MEASURE, type=Path, metavar="CSV", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        print(json.dumps(measure(options.measure)))
        return
    checkouts = [REPOSITORY, *([options.against] if options.against else [])]
    figures: list[list[dict[str, Any]]] = [[] for _ in checkouts]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.csv"
        write_table(path, options.rows, options.columns)
        megabytes = path.stat().st_size / 1e6
        arguments = ["-m", "tests.benchmarks.large_table", MEASURE, str(path)]
        for _ in range(3 if options.against else 1):
            for found, checkout in zip(figures, checkouts, strict=True):
                found.append(json.loads(run_python(arguments, checkout).output.splitlines()[-1]))
    array = options.rows * options.columns * 4
    reports = [
        {
            "times_the_array": {n: b / array for n, b in medians(found, "peaks").items()},
            "seconds": medians(found, "seconds"),
            "encoded_columns": found[0]["encoded_columns"],
        }
        for found in figures
    ]
    report = {
        "rows": options.rows,
        "columns": options.columns,
        "file_megabytes": megabytes,
        "array_megabytes": array / 1e6,
        **reports[0],
        **surroundings(),
    }
    if options.against:
        report["against"] = reports[1]
        seconds = [one["seconds"] for one in reports]
        report["times_as_fast"] = {name: seconds[1][name] / seconds[0][name] for name in seconds[0]}
    print(json.dumps(report, indent=2))
    if options.json is not None:
        write_json(options.json, report)


def medians(figures: list[dict[str, Any]], kind: str) -> dict[str, float]:
    """The medians of one kind of figure, by step."""
    return {
        step: statistics.median(one[kind][step] for one in figures) for step in figures[0][kind]
    }


def write_table(path: Path, rows: int, columns: int) -> None:
    """Writes a table of which each tenth column holds texts, each fifth integers."""
    random = np.random.default_rng(0)
    names = [f"column {number}" for number in range(columns)]
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        numbers = random.normal(size=(count, columns)).round(4)
        gaps = random.random(numbers.shape) < 0.02
        values = np.where(gaps, np.nan, numbers)
        cells: dict[str, Any] = dict(zip(names, values.T, strict=True))
        for place, name in enumerate(names):
            if place % TEXTS == 0:
                kinds = 5 if place % (2 * TEXTS) else 200
                cells[name] = [f"kind {n}" for n in random.integers(0, kinds, count)]
            elif place % TEXTS == 5:
                cells[name] = random.integers(0, 1000, count)
        cells["target"] = np.where(numbers[:, 1] > 0, "yes", "no")
        frame = pd.DataFrame(cells)
        frame.to_csv(path, mode="a", header=start == 0, index=False)


def measure(path: Path) -> dict[str, object]:
    """Loads and encodes the table; the peaks in bytes beyond the imports after each step."""
    from src.startup import start_tensorflow

    start_tensorflow()
    import keras_tuner as kt
    import tensorflow as tf

    from hypermodels.mlp import MLP
    from src.config.schema import DataSettings
    from src.data.loading import load_data

    tf.linalg.matmul(tf.ones((9, 9)), tf.ones((9, 9))).numpy()  # starts the device
    before, started = _peak(), time.perf_counter()
    data = load_data(DataSettings(source="csv", path=str(path)), seed=0)
    peaks, seconds = {"loading": _peak() - before}, {"loading": time.perf_counter() - started}
    started = time.perf_counter()
    arrays = data.arrays(data.train, data.validation)
    peaks["encoding"] = _peak() - before
    seconds["encoding"] = time.perf_counter() - started
    started = time.perf_counter()
    hypermodel = MLP(arrays.problem)
    hp = kt.HyperParameters()
    hypermodel.declare_hyperparameters(hp)
    hp.values["batch_size"] = BATCH
    validation = (arrays.x_validation, arrays.y_validation)
    hypermodel.fit(hp, hypermodel.build(hp), arrays.x, arrays.y, validation_data=validation)
    peaks["training"] = _peak() - before
    seconds["training"] = time.perf_counter() - started
    return {"peaks": peaks, "seconds": seconds, "encoded_columns": arrays.x.shape[1]}


def _peak() -> int:
    """The most memory that this process has held, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()
