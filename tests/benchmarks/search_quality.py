"""How good the oracles are, and what a proposal costs: whole searches of functions, no models.

    python -m tests.benchmarks.search_quality --json quality.json --png quality.png
    python -m tests.benchmarks.search_quality --only gp tpe --problems mixed --seeds 5
    python -m tests.benchmarks.search_quality --json quality.json --keep
    python -m tests.benchmarks.search_quality --first-seed 1001

The problems are Branin, Hartmann's in six dimensions, a mixed space with logarithms, categories and
a conditional, and two forests fitted to real trainings of this project's MLP (see
`searching/README.md`). Regret is how far the best score is from the best that there is; of the
forests in percentage points. Stock Bayesian optimisation is slow, and has fewer seeds. `--keep`
goes on with the searches of an earlier `--json`; `--first-seed` takes other seeds than those with
which an oracle was developed. All of it takes about an hour on two processors.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.benchmarks.command import positive, read_searches, surroundings, write_json

# Of the processes that search: several threads would only make processor time a matter of luck.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LONG = 500  # trials of the searches that show what a later proposal costs
LONG_PROBLEM = "mixed"


def main() -> int:
    """Runs the benchmark and returns the exit status."""
    os.environ |= dict.fromkeys(ONE_THREAD, "1") | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    # Imported after that: NumPy reads it once.
    from tests.benchmarks.searching.contenders import CONTENDERS, PROBLEMS
    from tests.benchmarks.searching.summary import draw, summaries, table

    options = _options(list(CONTENDERS), list(PROBLEMS))
    searches = read_searches(options.json) if options.keep else {}
    wanted = [key for key in _wanted(options, CONTENDERS) if key not in searches]
    environment = surroundings()
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(_search, key): key for key in wanted}
        for number, future in enumerate(as_completed(futures), start=1):
            searches[futures[future]] = future.result()
            print(f"{number} of {len(wanted)}: {futures[future]}", file=sys.stderr, flush=True)
            if options.json:  # so that `--keep` has something to keep
                write_json(options.json, {"searches": searches})
    found = summaries(searches)
    console = Console(width=120)
    console.print(table(found))
    if options.json:
        summary = [asdict(row) for row in found]
        report = {"surroundings": environment, "summary": summary, "searches": searches}
        write_json(options.json, report)
    if options.png:
        draw(searches, options.png)
    return 0


def _options(contenders: list[str], problems: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.search_quality",
        description="Compares the oracles on functions.",
    )
    parser.add_argument("--only", nargs="+", choices=contenders, default=contenders)
    parser.add_argument("--problems", nargs="+", choices=problems, default=problems)
    parser.add_argument("--seeds", type=positive, default=20, help="searches of each (20)")
    parser.add_argument(
        "--first-seed", type=positive, default=1, metavar="SEED", help="others follow it (1)"
    )
    parser.add_argument("--trials", type=positive, default=100, help="of a search (100)")
    parser.add_argument("--jobs", type=positive, default=2, help="searches at once (2)")
    parser.add_argument(
        "--no-long", action="store_true", help=f"leave out the searches of {LONG} trials"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures too")
    parser.add_argument("--png", type=Path, metavar="FILE", help="draw the regrets")
    parser.add_argument("--keep", action="store_true", help="take over what --json has already")
    options = parser.parse_args()
    if options.keep and options.json is None:
        parser.error("--keep needs --json")
    return options


def _wanted(options: argparse.Namespace, contenders: Mapping[str, Any]) -> Iterator[str]:
    """Searches as `contender|problem|seed|trials`, those of the first seeds first."""
    first: int = options.first_seed
    for number in range(options.seeds):
        for name in options.only:
            if number < (contenders[name].seeds or options.seeds):
                for problem in options.problems:
                    yield f"{name}|{problem}|{first + number}|{options.trials}"
    for name in options.only:
        if contenders[name].tuner and not options.no_long and LONG_PROBLEM in options.problems:
            yield f"{name}|{LONG_PROBLEM}|{first}|{LONG}"


def _search(key: str) -> dict[str, Any]:
    from tests.benchmarks.searching.contenders import search

    name, problem, seed, trials = key.split("|")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of stock Bayesian optimisation's fits
        return asdict(search(name, problem, int(seed), int(trials)))


if __name__ == "__main__":
    sys.exit(main())
