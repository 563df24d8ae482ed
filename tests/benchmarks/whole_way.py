"""The whole way of a user's table: hold rows back, tune, retrain, predict, and compare the scores.

python -m tests.benchmarks.whole_way DATA [--trials N] [--epochs N] [--json FILE]

DATA is a folder with adult.csv, letter.csv and california_houses.csv. A fifth of each table is held
back before the search, which never sees it. Its score, of what `predict` writes, is set beside the
95 % interval of the search's test rows. That interval is about the mean of all rows to come; the
held-back rows are a sample too, so their score lies in it a little less often than 95 times of 100.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, root_mean_squared_error

from src.store.run_directory import Retrained, RunDirectory
from tests.benchmarks.command import positive, write_json
from tests.benchmarks.processes import run_python

HELD_BACK = 0.2


@dataclass(frozen=True)
class Table:
    """A table and how to search it.

    Attributes:
        target: the column to predict.
        metric: that is compared.
        overrides: for the search.
    """

    target: str
    metric: str
    overrides: tuple[str, ...] = ()


TABLES = {
    "adult": Table("income", "accuracy"),
    "letter": Table("target", "accuracy", ("data.task=multiclass",)),
    "california_houses": Table("target", "rmse"),
}


@dataclass(frozen=True)
class Comparison:
    """What a table came to.

    Attributes:
        table: its name.
        metric: what the numbers are.
        test: of the search's winner on its test rows.
        interval: the 95 % interval of that.
        held_back: of the winner on the rows that were held back.
        inside: whether that lies in the interval.
        expected: where a sample of as many rows has its score 95 times of 100.
        as_expected: whether it has.
        retrained_test: mean over the seeds of `retrain`.
        retrained_deviation: over the seeds.
        ensemble_test: of the average of the models.
        ensemble_held_back: the same on the rows that were held back.
        seconds: of tune, retrain and one predict.
    """

    table: str
    metric: str
    test: float
    interval: tuple[float, float]
    held_back: float
    inside: bool
    expected: tuple[float, float]
    as_expected: bool
    retrained_test: float
    retrained_deviation: float
    ensemble_test: float
    ensemble_held_back: float
    seconds: tuple[float, float, float]


def main(arguments: list[str] | None = None) -> int:
    """Runs the commands for each table; status 1 if a score is not as expected."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.whole_way")
    parser.add_argument("data", type=Path, help="a folder with the tables")
    parser.add_argument("--trials", type=positive, default=3)
    parser.add_argument("--epochs", type=positive, default=10)
    parser.add_argument("--seeds", type=positive, default=3)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args(arguments)
    found = []
    for name in options.tables:
        with tempfile.TemporaryDirectory() as folder:
            found.append(compare(name, options, Path(folder)))
        print(_line(found[-1]), flush=True)
    if options.json is not None:
        write_json(options.json, {"tables": [asdict(comparison) for comparison in found]})
    return 0 if all(comparison.as_expected for comparison in found) else 1


def compare(name: str, options: argparse.Namespace, folder: Path) -> Comparison:
    """Goes the whole way with one table."""
    table = TABLES[name]
    rest, held = hold_back(options.data / f"{name}.csv", folder)
    tuned = run_python(
        [
            *("-m", "src.tune", "data.source=csv", f"data.path={rest}"),
            *(f"data.target={table.target}", *table.overrides, f"run.directory={folder}"),
            *("run.name=run", f"tuner.max_trials={options.trials}"),
            f"training.epochs={options.epochs}",
        ]
    )
    run = RunDirectory(folder / "run")
    retrained = run_python(
        ["-m", "src.retrain", str(run.path), "--seeds", str(options.seeds), "--ensemble"]
    )
    predicted = run_python(
        ["-m", "src.predict", str(run.path), str(held), "--output", str(folder / "best.csv")]
    )
    [made] = run.retrained.iterdir()
    run_python(["-m", "src.predict", str(made), str(held), "--output", str(folder / "all.csv")])
    summary = json.loads(Retrained(made).summary.read_text())
    reported = json.loads(run.metrics.read_text())
    test, (low, high) = reported["test"][table.metric], reported["test_interval"][table.metric]
    rows = int((pd.read_csv(run.predictions)["split"] == "test").sum())
    wider = np.sqrt(1 + rows / len(pd.read_csv(held)))
    least, most = (float(test + wider * (end - test)) for end in (low, high))
    held_back = score(held, folder / "best.csv", table)
    return Comparison(
        table=name,
        metric=table.metric,
        test=test,
        interval=(low, high),
        held_back=held_back,
        inside=low <= held_back <= high,
        expected=(least, most),
        as_expected=least <= held_back <= most,
        retrained_test=summary["mean"][table.metric],
        retrained_deviation=summary["standard_deviation"][table.metric],
        ensemble_test=summary["ensemble"][table.metric],
        ensemble_held_back=score(held, folder / "all.csv", table),
        seconds=(tuned.seconds, retrained.seconds, predicted.seconds),
    )


def hold_back(source: Path, folder: Path) -> tuple[Path, Path]:
    """Writes the rows for the search and those held back, every cell as it stands in the file."""
    frame = pd.read_csv(source, dtype=str, keep_default_na=False)
    held = frame.sample(frac=HELD_BACK, random_state=1)
    paths = (folder / source.name, folder / "held_back.csv")
    for path, part in zip(paths, (frame.drop(held.index), held), strict=True):
        part.to_csv(path, index=False)
    return paths


def score(held: Path, predictions: Path, table: Table) -> float:
    """The metric, computed from the two files alone."""
    truth = pd.read_csv(held)[table.target].to_numpy()
    prediction = pd.read_csv(predictions)["prediction"].to_numpy()
    judge: Any = accuracy_score if table.metric == "accuracy" else root_mean_squared_error
    return float(np.float64(judge(truth, prediction)))


def _line(found: Comparison) -> str:
    def shown(value: float) -> str:
        return f"{value:,.0f}" if abs(value) > 100 else f"{value:.4f}"

    low, high = found.interval
    verdict = "inside" if found.inside else "outside"
    expected = "as" if found.as_expected else "NOT as"
    mean, deviation = shown(found.retrained_test), shown(found.retrained_deviation)
    return (
        f"{found.table}: {found.metric} of the test rows {shown(found.test)} ({shown(low)} to "
        f"{shown(high)}), of the rows held back {shown(found.held_back)}, {verdict}, {expected} "
        f"expected; retrained {mean} ± {deviation}, ensemble {shown(found.ensemble_test)}, on the "
        f"rows held back {shown(found.ensemble_held_back)}; seconds "
        + " + ".join(f"{seconds:.0f}" for seconds in found.seconds)
    )


if __name__ == "__main__":
    sys.exit(main())
