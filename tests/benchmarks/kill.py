"""Kills searches at random moments, resumes them to their end, and compares them with their twins.

    python -m tests.benchmarks.kill                   ten kills of each search, some thirty minutes
    python -m tests.benchmarks.kill --kills 20 --only hyperband --seed 7

Every search runs by the real command, and again and again by `--resume`, after SIGKILL to the
parent alone, a worker, the fork server or all processes, and after SIGINT, SIGTERM and SIGHUP: in
start-up, between trials, inside trials and in the export. In the end every file must be that of a
search that nobody touched: tables, TensorBoard's events, weights, state, exported model. No
process or lock may be left, nor temporary files but those of a rehearsal. The exit status is 1 if
anything differs.
"""

import argparse
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.command import positive, surroundings, write_json
from tests.benchmarks.kill_plan import PHASES, SEARCHES, SIGKILLS, SIGNALS, plan
from tests.benchmarks.killing import Campaign, Report

KILLS_PER_SEARCH = 10
MOST = KILLS_PER_SEARCH * len(SEARCHES)  # by default each search is killed so often


def main() -> int:
    """Runs the campaigns and returns the exit status."""
    options = _options()
    # A shell starts what runs in the background without SIGINT, and nohup without SIGHUP; that
    # would be inherited, while handlers are not.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, lambda *_: None)
    console = Console(width=120)
    started = time.monotonic()
    reports: list[Report] = []
    numbers = iter(range(10**6))
    lock = threading.Lock()

    def work(folder: Path) -> None:
        while sum(len(report.kills) for report in reports) < options.kills:
            with lock:
                number = next(numbers)
            name = options.only or list(SEARCHES)[number % len(SEARCHES)]
            report = _campaign(name, options.seed + number, folder / str(number))
            with lock:
                reports.append(report)
                _show(console, report, number)

    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        with ThreadPoolExecutor(options.parallel) as pool:
            tasks = [pool.submit(work, Path(folder)) for _ in range(options.parallel)]
        for task in tasks:
            task.result()
    console.print(_kills_table(reports))
    console.print(_searches_table(reports))
    problems = sum(len(report.problems) for report in reports)
    minutes = (time.monotonic() - started) / 60
    console.print(f"{problems} differences found in {minutes:.1f} minutes")
    if options.json:
        write_json(
            options.json,
            {
                "surroundings": surroundings(),
                "minutes": minutes,
                "searches": [vars(report) for report in reports],
            },
        )
    return 1 if problems else 0


def _campaign(name: str, seed: int, folder: Path) -> Report:
    rng = random.Random(seed)
    engine = "serial" if "serial" in name else "process"
    kills = plan(rng, KILLS_PER_SEARCH, engine)
    return Campaign(name, [f"seed={seed}"], kills, folder).run()


def _show(console: Console, report: Report, number: int) -> None:
    kills = ", ".join(f"{target} {phase}" for target, phase in report.kills)
    console.print(f"{number}: {report.name}: {kills}; {report.trials} trials compared")
    for problem in report.problems:
        console.print(f"   {problem}", style="red", markup=False, highlight=False)


def _kills_table(reports: Sequence[Report]) -> Table:
    counts = Counter(kill for report in reports for kill in report.kills)
    table = Table(title=f"{counts.total()} kills by target and by what the search was doing")
    table.add_column("target")
    for heading in (*PHASES, "all"):
        table.add_column(heading, justify="right")
    for target in (*SIGKILLS, *SIGNALS):
        prefix = "SIGKILL to " if target in SIGKILLS else ""
        row = [counts[target, phase] for phase in PHASES]
        table.add_row(f"{prefix}{target}", *map(str, [*row, sum(row)]))
    table.add_section()
    columns = [sum(counts[target, phase] for target in (*SIGKILLS, *SIGNALS)) for phase in PHASES]
    table.add_row("all", *map(str, [*columns, sum(columns)]))
    return table


def _searches_table(reports: Sequence[Report]) -> Table:
    table = Table(title="searches")
    table.add_column("search")
    for heading in ("searches", "kills", "resumes", "anew", "rivals", "trials", "differences"):
        table.add_column(heading, justify="right")
    for name, rows in _by_name(reports):
        table.add_row(name, *map(str, _sums(rows)))
    table.add_section()
    table.add_row("all", *map(str, _sums(reports)))
    return table


def _by_name(reports: Sequence[Report]) -> Iterator[tuple[str, list[Report]]]:
    for name in SEARCHES:
        rows = [report for report in reports if report.name == name]
        if rows:
            yield name, rows


def _sums(reports: Sequence[Report]) -> list[int]:
    return [
        len(reports),
        *(sum(len(report.kills) for report in reports),),
        *(sum(getattr(report, name) for report in reports) for name in _SUMMED),
        sum(len(report.problems) for report in reports),
    ]


_SUMMED = ("resumes", "anew", "rivals", "trials")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.kill",
        description=(__doc__ or "").partition("\n")[0],
    )
    parser.add_argument("--kills", type=positive, default=MOST, help=f"in all, about ({MOST})")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and of the searches")
    parser.add_argument("--parallel", type=positive, default=2, help="searches side by side")
    parser.add_argument("--only", choices=SEARCHES, help="one search instead of all in turn")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
