"""Predicts the rows of a file: `python -m src.predict RUN FILE [--output FILE] [--proba]`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from src.commands import DONE, exit_status
from src.errors import UserError
from src.text import short_number


def main(arguments: Sequence[str] | None = None) -> int:
    """Predicts the rows of one file; returns the exit status, which `--help` explains."""
    options = _parser().parse_args(arguments)
    return exit_status(lambda: _predict(options), "stopped; no file was written")


def _predict(options: argparse.Namespace) -> int:
    # What needs no TensorFlow comes first, so that mistakes do not wait for it.
    import numpy as np
    import pandas as pd

    from src.data.sources.rows_to_predict import open_rows
    from src.evaluation.metrics import evaluate
    from src.evaluation.outputs import predict, prediction_columns
    from src.evaluation.prediction import check_output, find_model, load_model, prediction_file

    model = find_model(options.run)
    task, names, threshold = model.task, model.class_names, model.threshold
    if options.proba and not names:
        raise UserError("--proba: is for classes, and the model predicts values; leave it out")
    chunks, notices = open_rows(Path(options.file), model)
    check_output(options.output)
    for notice in notices:
        print(f"notice: {notice}", file=sys.stderr)
    network = load_model(model)

    count, with_target = 0, []
    try:
        with prediction_file(options.output) as file:
            for rows, inputs, truth in chunks:
                outputs = predict(network, inputs, rows)
                table = pd.DataFrame(prediction_columns(task, names, outputs, threshold))
                shown = list(table) if options.proba else ["prediction"]
                table[shown].to_csv(file, index=False, header=not count, lineterminator="\n")
                count += rows
                if truth is not None:
                    known = truth >= 0 if names else np.isfinite(truth)
                    with_target.append((truth[known], outputs[known]))
    except BrokenPipeError:  # as with `| head`, which has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    if with_target:
        truth, outputs = map(np.concatenate, zip(*with_target, strict=True))
        left_out = count - len(truth)
        without = f"; {left_out:,} without a target that the model knows" if left_out else ""
        told = [f"metrics on {len(truth):,} of {count:,} rows{without}"]
        scores = evaluate(task, truth, outputs, threshold) if len(truth) else {}
        told += [f"  {name:<18} {short_number(value)}" for name, value in scores.items()]
        print("\n".join(told), file=sys.stderr if options.output == "-" else sys.stdout)
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m src.predict",
        description="Predicts the rows of a file with the model that a search has exported.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
FILE is a CSV, JSON lines or Parquet file, packed or not, or a folder or a pattern of them, and may
be larger than memory, or an npz file with an array x or x_test. Columns are found by their names;
their order does not matter, nor do a CSV file's separator and encoding; others are ignored. New
categories and missing values are allowed.

The result is CSV, a line for each row of FILE in its order: `prediction`, a label as in the
training file, or a value in the target's units. Where FILE has the target, metrics are shown.

exit status: 0 done; 1 the disk is full or unwritable; 2 a mistake in FILE or the command line, or a
run without a model; 130 stopped by Ctrl-C, SIGTERM or SIGHUP
""",
    )
    parser.add_argument("run", metavar="RUN", help="a run, or a folder that src.retrain made")
    parser.add_argument("file", metavar="FILE", help="the rows: CSV, JSON lines, Parquet or npz")
    output = "a new file; without it, or with -, standard output"
    parser.add_argument("--output", metavar="FILE", default="-", help=output)
    parser.add_argument("--proba", action="store_true", help="add the probability of each label")
    return parser


if __name__ == "__main__":
    sys.exit(main())
