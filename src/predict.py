"""Predicts the rows of a file: `python -m src.predict RUN FILE [--output FILE] [--proba]`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from src.commands import DONE, exit_status
from src.errors import UserError
from src.text import short_number

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from src.evaluation.prediction.rows import Rows
    from src.evaluation.prediction.running_metrics import RunningMetrics

ROWS_AT_ONCE = 4096  # of one forward pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Predicts the rows of one file from the command line and returns the exit status.

    0: done. 1: a full disk. 2: a mistake in the file or the command line, or a run without a model.
    130: stopped by Ctrl-C, SIGTERM or SIGHUP.
    """
    options = _parser().parse_args(arguments)
    return exit_status(lambda: _interruptible(options), "stopped; no file was written")


def _interruptible(options: argparse.Namespace) -> int:
    from src.signals import Interruption

    with Interruption():  # TensorFlow may swallow a Ctrl-C
        return _predict(options)


def _predict(options: argparse.Namespace) -> int:
    # Imported step by step: what needs no TensorFlow, mistakes above all, does not wait for it.
    from src.evaluation.prediction.exported import find_model
    from src.evaluation.prediction.loading import load_network
    from src.evaluation.prediction.output import PredictionFile, prediction_table
    from src.evaluation.prediction.progress import RowCount
    from src.evaluation.prediction.rows import is_known, open_rows
    from src.evaluation.prediction.running_metrics import RunningMetrics

    model = find_model(options.run)
    if options.proba and not model.class_names:
        raise UserError("--proba: is for classes, and the model predicts values; leave it out")
    rows = open_rows(Path(options.file), model)
    output = PredictionFile(options.output)
    for notice in rows.notices:
        print(f"notice: {notice}", file=sys.stderr)

    network = load_network(model)
    metrics = RunningMetrics(model.task, len(model.class_names), model.threshold)
    try:
        with RowCount(rows.total) as count, output:
            for part in rows.chunks():
                prediction = _predictions(network, part)
                output.write(prediction_table(model, prediction, probabilities=options.proba))
                if part.truth is not None:
                    known = is_known(part.truth)
                    metrics.add(part.truth[known], prediction[known])
                count.add(part.count)
    except BrokenPipeError:  # as with `| head`, which has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    if rows.has_target:
        _show(metrics, count.rows, sys.stderr if output.path is None else sys.stdout)
    return DONE


def _predictions(network: "keras.Model", part: "Rows") -> "NDArray[Any]":
    import numpy as np

    def piece(start: int) -> Any:
        some = slice(start, start + ROWS_AT_ONCE)
        if isinstance(part.inputs, dict):
            return {name: values[some] for name, values in part.inputs.items()}
        return part.inputs[some]

    starts = range(0, part.count, ROWS_AT_ONCE)
    return np.concatenate([network.predict_on_batch(piece(start)) for start in starts])


def _show(metrics: "RunningMetrics", rows: int, file: TextIO) -> None:
    """Prints the metrics, and on how many rows."""
    without = rows - metrics.rows
    left_out = f"; {without:,} without a target that the model knows" if without else ""
    print(f"metrics on {metrics.rows:,} of {rows:,} rows{left_out}", file=file)
    if metrics.rows:
        for name, value in metrics.result().items():
            print(f"  {name:<18} {short_number(value)}", file=file)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m src.predict",
        description="Predicts the rows of a file with the model that a search has exported.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
FILE is a CSV file (gzip too), a Parquet file, or an npz file with an array x or x_test. Columns are
found by their names: the order does not matter, others are passed over, and categories that the
training rows did not have, and missing values, are no mistake. It may be larger than memory.

The result is CSV, a line for each row of FILE in its order: `prediction`, a label as it stood in
the training file, or a value in the target's units. Where FILE has the target too, metrics are
shown.

exit status: 0 done; 1 the disk is full or unwritable; 2 a mistake in FILE or the command line, or a
run without a model; 130 stopped by Ctrl-C, SIGTERM or SIGHUP
""",
    )
    parser.add_argument(
        "run",
        metavar="RUN",
        help="a run's folder, or its name; or the folder of a model that src.retrain made",
    )
    parser.add_argument("file", metavar="FILE", help="the rows: CSV, Parquet or npz")
    parser.add_argument(
        "--output",
        metavar="FILE",
        default="-",
        help="a file that is not there yet; without it, or with -, standard output",
    )
    parser.add_argument("--proba", action="store_true", help="add the probability of each label")
    return parser


if __name__ == "__main__":
    sys.exit(main())
