"""What tuners find in real trainings: best score and test metric on digits and phoneme, over seeds.

    python -m tests.benchmarks.real_searches --json real.json
    python -m tests.benchmarks.real_searches --tuners gp tpe random --data digits --seeds 3

Each search is the command itself with its default space. The data are split by the seed too, so
that the tuners are compared seed by seed: the last lines are the mean differences to the last tuner
with their standard errors.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks import project
from tests.benchmarks.collect_trainings import DATA
from tests.benchmarks.command import positive, surroundings, write_json
from tests.benchmarks.processes import CommandError


@dataclass(frozen=True)
class Found:
    """What one search found.

    Attributes:
        data: name of the data.
        tuner: its name.
        seed: of the search and of the split.
        best: the best trial's validation accuracy.
        mean: mean of all trials' validation accuracies.
        test: test accuracy of the exported model.
    """

    data: str
    tuner: str
    seed: int
    best: float
    mean: float
    test: float


def main() -> int:
    """Runs the searches and returns the exit status."""
    options = _options()
    found: list[Found] = []
    environment = surroundings()
    for seed in range(1, options.seeds + 1):
        for data in options.data:
            for tuner in options.tuners:
                try:
                    found.append(_search(data, tuner, seed, options))
                except CommandError as error:
                    print(f"error: {error}", file=sys.stderr)
                    return 1
                print(found[-1], file=sys.stderr, flush=True)
        if options.json:
            rows = [asdict(one) for one in found]
            write_json(options.json, {"surroundings": environment, "searches": rows})
    Console(width=100).print(_table(found, options.tuners))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.real_searches",
        description="Compares tuners on real trainings.",
    )
    parser.add_argument("--tuners", nargs="+", default=["gp", "random"], help="gp random")
    parser.add_argument(
        "--data", nargs="+", choices=["digits", "phoneme"], default=["digits", "phoneme"]
    )
    parser.add_argument("--folder", type=Path, default=DATA, help="where phoneme.csv is")
    parser.add_argument("--seeds", type=positive, default=5, help="searches of each (5)")
    parser.add_argument("--trials", type=positive, default=30, help="of a search (30)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures too")
    parser.add_argument("--set", nargs="+", default=[], metavar="key=value", help="more settings")
    return parser.parse_args()


def _search(data: str, tuner: str, seed: int, options: argparse.Namespace) -> Found:
    source = ["data.source=digits"]
    if data == "phoneme":
        source = ["data.source=csv", f"data.path={options.folder / 'phoneme.csv'}"]
    settings = [
        *(*source, f"tuner.name={tuner}", f"tuner.max_trials={options.trials}", f"seed={seed}"),
        *("run.workers=1", "run.baselines=false", "run.keep_top=1", *options.set),
    ]
    with tempfile.TemporaryDirectory() as folder:
        search = project.tune(Path(folder), settings)
    return Found(data, tuner, seed, search.outcome.score, search.mean_score, search.test_accuracy)


def _table(found: Sequence[Found], tuners: Sequence[str]) -> Table:
    table = Table(title="accuracy, mean ± standard error")
    for header in ("data", "tuner", "best validation", "mean validation", "test"):
        table.add_column(header)
    for data in dict.fromkeys(one.data for one in found):
        rows = {
            tuner: [asdict(one) for one in found if (one.data, one.tuner) == (data, tuner)]
            for tuner in tuners
        }
        for tuner in tuners:
            columns = [[row[name] for row in rows[tuner]] for name in ("best", "mean", "test")]
            table.add_row(data, tuner, *map(_text, columns))
        for tuner in tuners[:-1]:
            differences = [
                [a[name] - b[name] for a, b in zip(rows[tuner], rows[tuners[-1]], strict=True)]
                for name in ("best", "mean", "test")
            ]
            table.add_row(data, f"{tuner} − {tuners[-1]}", *map(_text, differences))
        table.add_section()
    return table


def _text(values: Sequence[float]) -> str:
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{statistics.fmean(values):.4f} ± {error:.4f}"


if __name__ == "__main__":
    sys.exit(main())
