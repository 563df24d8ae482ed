"""Scores of the default search on digits over several seeds, to compare two versions of the code.

    python -m tests.benchmarks.quality --json before.json
    python -m tests.benchmarks.quality --against before.json         after a change
    python -m tests.benchmarks.quality --seeds 10 tuner.name=bayesian

A change of the training that costs quality shows first in the mean over all trials, which chance
moves less than the best one. Two versions that compute the same give the same figures.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks import project
from tests.benchmarks.command import positive, surroundings, write_json
from tests.benchmarks.processes import CommandError


@dataclass(frozen=True)
class Quality:
    """What one search found.

    Attributes:
        best: the best trial's validation score.
        mean: mean of all trials' validation scores.
        test: test accuracy of the exported model.
        epochs: trained by all trials together.
        seconds: of the whole command.
    """

    best: float
    mean: float
    test: float
    epochs: int
    seconds: float


def main() -> int:
    """Runs the benchmark and returns the exit status."""
    options = _options()
    before = _read(options.against) if options.against else {}
    qualities: dict[str, Quality] = {}
    environment = surroundings()
    try:
        for seed in range(1, options.seeds + 1):
            qualities[str(seed)] = _search(seed, options.overrides)
            print(f"seed {seed} of {options.seeds}", file=sys.stderr, flush=True)
    except CommandError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    Console(width=100).print(_table(qualities, before))
    if options.json:
        seeds = {seed: asdict(quality) for seed, quality in qualities.items()}
        report = {"surroundings": environment, "overrides": options.overrides, "seeds": seeds}
        write_json(options.json, report)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.quality",
        description="Scores of the default search over several seeds.",
    )
    parser.add_argument("--seeds", type=positive, default=5, help="how many (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures too")
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="show the differences to an earlier --json"
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings of the search")
    return parser.parse_intermixed_args()


def _read(path: Path) -> dict[str, Quality]:
    seeds = json.loads(path.read_text())["seeds"]
    return {seed: Quality(**quality) for seed, quality in seeds.items()}


def _search(seed: int, overrides: Sequence[str]) -> Quality:
    with tempfile.TemporaryDirectory() as folder:
        search = project.tune(Path(folder), [*overrides, f"seed={seed}"])
    return Quality(
        best=search.outcome.score,
        mean=search.mean_score,
        test=search.test_accuracy,
        epochs=search.outcome.trial_epochs,
        seconds=search.process.seconds,
    )


def _table(qualities: Mapping[str, Quality], before: Mapping[str, Quality]) -> Table:
    """A row a seed, their mean ± standard deviation, and the mean difference ± its error."""
    table = Table(title="the default search")
    for header in ("seed", "best val", "mean val", "test", "epochs", "seconds"):
        table.add_column(header, justify="right")
    for seed, quality in qualities.items():
        table.add_row(seed, *_texts(asdict(quality)))
    rows = [asdict(quality) for quality in qualities.values()]
    table.add_section()
    _add_summary(table, "mean ± std", rows, standard_error=False)
    both = [seed for seed in qualities if seed in before]
    if both:
        differences = [
            {name: value - old[name] for name, value in asdict(qualities[seed]).items()}
            for seed in both
            for old in [asdict(before[seed])]
        ]
        title = "now − before ± error"
        _add_summary(table, title, differences, standard_error=True)
    return table


def _add_summary(
    table: Table, title: str, rows: Sequence[Mapping[str, float]], *, standard_error: bool
) -> None:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    means = _texts({name: statistics.fmean(column) for name, column in columns.items()})
    if len(rows) == 1:
        table.add_row(title, *means)
        return
    root = len(rows) ** 0.5 if standard_error else 1.0
    spreads = _texts({name: statistics.stdev(column) / root for name, column in columns.items()})
    table.add_row(title, *[f"{m} ± {s}" for m, s in zip(means, spreads, strict=True)])


def _texts(row: Mapping[str, float]) -> list[str]:
    """Accuracies with four digits; epochs and seconds with none and one."""
    digits = {"epochs": 0, "seconds": 1}
    return [f"{value:.{digits.get(name, 4)}f}" for name, value in row.items()]


if __name__ == "__main__":
    sys.exit(main())
