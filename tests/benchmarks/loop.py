"""How many trials a second the search loop manages, where training takes no time.

    python -m tests.benchmarks.loop                            2,000 trials, one after the other
    python -m tests.benchmarks.loop --trials 10000
    python -m tests.benchmarks.loop --trials 10000 --pending 1000
    python -m cProfile -s cumulative -m tests.benchmarks.loop  where the time goes

Random search over the default space, with an executor whose trials end at once: five epochs with
made-up metrics and a small file of weights each. The oracle, the state on the disk, the tables,
TensorBoard's files and the console's lines are those of the command. A trial counts when all
listeners have been told. Trials that are pending when the last one is proposed end together, and
do not count. The figures depend on the disk of `--folder`: the state is synced after every trial.
"""

import argparse
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from src.startup import start_tensorflow

start_tensorflow()

from tests.benchmarks.command import positive, surroundings, write_json  # noqa: E402
from tests.benchmarks.instant import run_search  # noqa: E402
from tests.benchmarks.processes import MEGABYTE, resident_bytes  # noqa: E402

PARTS = 10  # of a search whose speed is shown
PART = 1000  # trials at the start and at the end that are compared; half of them all if fewer


def main() -> int:
    """Runs the benchmark and returns the exit status."""
    options = _options()
    trials, pending = options.trials, options.pending
    clock = measure(trials, pending, options.folder)
    part = min(PART, trials // 2)
    parts = {
        "all": clock.between(0, trials),
        f"the first {part:,}": clock.between(0, part),
        f"the last {part:,}": clock.between(trials - part, trials),
    }
    table = Table(title=f"{trials:,} trials, {pending:,} pending at once")
    for heading in ("trials", "a second", "processor, ms a trial"):
        table.add_column(heading, justify="right")
    edges = [trials * number // PARTS for number in range(PARTS + 1)]
    for first, last in pairwise(sorted(set(edges))):
        speed = clock.between(first, last)
        table.add_row(f"{first + 1:,} to {last:,}", f"{speed.a_second:.1f}", f"{speed.ms:.1f}")
    table.add_section()
    for name, speed in parts.items():
        table.add_row(name, f"{speed.a_second:.1f}", f"{speed.ms:.1f}")
    console = Console(width=100)
    console.print(table)
    console.print(f"memory grew by {clock.megabytes:.1f} MB")
    if options.json:
        figures: dict[str, Any] = {name: asdict(speed) for name, speed in parts.items()}
        figures |= {"trials": trials, "pending": pending, "megabytes": clock.megabytes}
        write_json(options.json, {"surroundings": surroundings(), "loop": figures})
    return 0


@dataclass(frozen=True)
class Speed:
    """How fast some trials were.

    Attributes:
        a_second: trials a second.
        ms: processor time of this process a trial, in milliseconds.
    """

    a_second: float
    ms: float


class Clock:
    """Notes when trials end.

    The first trial does not count, because it pays for late imports.
    """

    def __init__(self) -> None:
        self._times: list[float] = []
        self._processor: list[float] = []
        self._bytes: list[int] = []

    def note_end(self) -> None:
        """A trial has ended."""
        self._times.append(time.perf_counter())
        self._processor.append(time.process_time())
        self._bytes.append(resident_bytes(os.getpid()))

    def between(self, first: int, last: int) -> Speed:
        """The speed from one number of ended trials to another."""
        wall = self._times[last] - self._times[first]
        processor = self._processor[last] - self._processor[first]
        return Speed((last - first) / wall, 1000 * processor / (last - first))

    @property
    def megabytes(self) -> float:
        """How much the memory of this process grew."""
        return (self._bytes[-1] - self._bytes[0]) / MEGABYTE


def measure(trials: int, pending: int, folder: Path | None = None) -> Clock:
    """Runs a search.

    Args:
        trials: that count.
        pending: how many are pending at once.
        folder: takes the run; None for the temporary folder.
    """
    clock = Clock()
    with tempfile.TemporaryDirectory(dir=folder) as place:
        run_search(Path(place), trials + pending, pending, clock.note_end)
    return clock


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.loop",
        description=(__doc__ or "").partition("\n")[0],
    )
    parser.add_argument("--trials", type=positive, default=2000, help="how many (2000)")
    parser.add_argument("--pending", type=positive, default=1, help="at once (1)")
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="takes the run meanwhile")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
