"""What tuners find with a budget of epochs: full trainings against rungs of short ones, no models.

    python -m tests.benchmarks.budget_quality --json budgets.json --png budgets.png
    python -m tests.benchmarks.budget_quality --only bohb gp --problems letter --seeds 5
    python -m tests.benchmarks.budget_quality --json budgets.json --keep

Trainings are forests fitted to the learning curves of this project's MLP on two data sets (see
`searching/README.md`); a full one has 27 epochs. Budgets count every epoch of every trial. Judged
is the incumbent, the trial with the best score so far: by what it would score after a full
training, and by what it scores as it is. `--keep` goes on with the searches of an earlier `--json`.
The problems with noise have to be asked for. All others take a quarter of an hour, or twice that on
a busy machine.
"""

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.benchmarks.command import positive, read_searches, surroundings, write_json
from tests.benchmarks.search_quality import ONE_THREAD

FULL = 27  # epochs of a full training
FIRST_SEED = 1


def main() -> int:
    """Runs the benchmark and returns the exit status."""
    os.environ |= dict.fromkeys(ONE_THREAD, "1") | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    # Imported after that: NumPy reads it once.
    from tests.benchmarks.searching.budget_summary import draw, summaries, table
    from tests.benchmarks.searching.budgets import PROBLEMS, TUNED
    from tests.benchmarks.searching.curves import fidelity

    options = _options(TUNED, PROBLEMS)
    searches = read_searches(options.json) if options.keep else {}
    wanted = [
        f"{tuner}|{problem}|{seed}|{options.trainings}"
        for seed in range(options.first_seed, options.first_seed + options.seeds)
        for tuner in options.only
        for problem in options.problems
    ]
    left = [key for key in wanted if key not in searches]
    environment = surroundings()
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(_search, key): key for key in left}
        for number, future in enumerate(as_completed(futures), start=1):
            searches[futures[future]] = future.result()
            print(f"{number} of {len(left)}: {futures[future]}", file=sys.stderr, flush=True)
            if options.json:  # so that `--keep` has something to keep
                write_json(options.json, {"searches": searches})
    rows = summaries(searches, FULL)
    console = Console(width=150)
    console.print(table(rows))
    if options.json:
        forests = {
            name: {epochs: asdict(found) for epochs, found in fidelity(name).items()}
            for name in options.problems
        }
        summary = [asdict(row) for row in rows]
        report = {"surroundings": environment, "forests": forests, "summary": summary}
        write_json(options.json, report | {"searches": searches})
    if options.png:
        draw(searches, FULL, options.png)
    return 0


def _options(tuners: tuple[str, ...], problems: tuple[str, ...]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.budget_quality",
        description="Compares tuners by what they find with a budget of epochs.",
    )
    parser.add_argument("--only", nargs="+", choices=tuners, default=list(tuners))
    parser.add_argument("--problems", nargs="+", choices=problems, default=list(problems[:2]))
    parser.add_argument("--seeds", type=positive, default=20, help="searches of each (20)")
    parser.add_argument("--first-seed", type=positive, default=FIRST_SEED, help="of them (1)")
    parser.add_argument("--trainings", type=positive, default=60, help="the budget, in full (60)")
    parser.add_argument("--jobs", type=positive, default=2, help="searches at once (2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures too")
    parser.add_argument("--png", type=Path, metavar="FILE", help="draw the regrets")
    parser.add_argument("--keep", action="store_true", help="take over what --json has already")
    options = parser.parse_args()
    if options.keep and options.json is None:
        parser.error("--keep needs --json")
    return options


def _search(key: str) -> dict[str, Any]:
    from tests.benchmarks.searching.budgets import search

    tuner, problem, seed, trainings = key.split("|")
    return asdict(search(tuner, problem, int(seed), int(trainings)))


if __name__ == "__main__":
    sys.exit(main())
