"""Collects real trainings, for the benchmark of the oracles and for whoever models their curves.

    python -m tests.benchmarks.collect_trainings letter phoneme
    python -m tests.benchmarks.collect_trainings letter --data FOLDER --workers 2

Random search over the default space on a public data set, as a user would run it, but without early
stopping: hyperparameters, every epoch's validation score and loss, and the seconds of an epoch go
into tests/benchmarks/searching/tables/. On two processors each data set takes about 15 minutes.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from src.store.run_directory import RunDirectory
from tests.benchmarks.command import positive
from tests.benchmarks.processes import CommandError, run_python
from tests.benchmarks.searching import trainings

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SETTINGS = {
    # 6,000 rows to train on, 4,000 to validate on
    "letter": ("data.task=multiclass", "data.test_fraction=0.5"),
    "phoneme": (),
}
COMMON = (
    *("tuner.name=random", "training.epochs=27", "space.early_stopping_patience=0"),
    *("run.keep_top=1", "run.name=trainings", "seed=1"),
)


def main() -> int:
    """Runs the command and returns the exit status."""
    options = _options()
    for name in options.names:
        table = options.data / f"{name}.csv"
        if not table.exists():
            print(f"error: {table} is not there; say where with --data", file=sys.stderr)
            return 2
        with tempfile.TemporaryDirectory() as folder:
            settings = (
                *("data.source=csv", f"data.path={table}", *SETTINGS[name], *COMMON),
                *(f"tuner.max_trials={options.trials}", f"run.workers={options.workers}"),
                f"run.directory={folder}",
            )
            try:
                run_python(["-m", "src.tune", *settings])
            except CommandError as error:
                print(f"error: {error}", file=sys.stderr)
                return 1
            collect(name, Path(folder) / "trainings", options.output)
    return 0


def collect(name: str, run: Path, folder: Path) -> None:
    """Makes the table of a run, and says what is in it."""
    table = trainings.from_run(RunDirectory(run))
    path = folder / f"{name}.npz"
    trainings.save(table, path)
    best = table.best
    print(
        f"{path}: {len(best)} trainings of {table.scores.shape[1]} epochs, {table.objective} "
        f"{best.min():.3f} to {best.max():.3f}, {path.stat().st_size / 1024:.0f} kB"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.collect_trainings",
        description="Collects real trainings into tables.",
    )
    parser.add_argument("names", nargs="+", choices=sorted(SETTINGS), help="data sets")
    parser.add_argument("--data", type=Path, default=DATA, metavar="FOLDER", help="their CSV files")
    parser.add_argument("--trials", type=positive, default=400, help="trainings of each (400)")
    parser.add_argument("--workers", type=positive, default=2, help="at once (2)")
    parser.add_argument(
        "--output",
        type=Path,
        default=trainings.FOLDER,
        metavar="FOLDER",
        help="where the tables go",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
