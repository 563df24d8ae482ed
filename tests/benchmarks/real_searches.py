"""What tuners find in real trainings, and what they need for it: digits, phoneme, letter; 5 seeds.

    python -m tests.benchmarks.real_searches --json real.json
    python -m tests.benchmarks.real_searches --json real.json --keep --only bohb --data digits
    python -m tests.benchmarks.real_searches --jobs 1            where seconds are to be trusted

Each search is the command itself with its default space, 27 epochs at most and one worker. The rows
are split by the seed too, so that tuners are compared seed by seed. Random search runs 40 trials,
and so does `gp`; the others stop as soon as they have random's best score, by `limits.target`, or
have trained as many epochs as random did, by `limits.epochs`. Random search itself knows only after
all its trials that it has its best score; what counts for it is all that it trained. With two
searches at once, all of it takes about an hour on two processors.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from src.store.run_directory import RunDirectory
from tests.benchmarks.collect_trainings import DATA
from tests.benchmarks.collect_trainings import SETTINGS as SPLITS
from tests.benchmarks.command import positive, surroundings, write_json
from tests.benchmarks.processes import CommandError, run_python

TRIALS = 40
FEWER = 30  # trials after which best scores are compared too
COMMON = (
    *("training.epochs=27", "run.workers=1", "run.keep_top=1"),
    *("data.test_fraction=0.2", "run.name=search"),
)
ITERATIONS = "tuner.hyperband_iterations=9"  # more than the epochs are enough for
CONTENDERS: dict[str, tuple[str, ...]] = {
    "random": ("tuner.name=random", f"tuner.max_trials={TRIALS}"),
    "gp": ("tuner.name=gp", f"tuner.max_trials={TRIALS}"),
    "gp + median": ("tuner.name=gp", "tuner.max_trials=400", "pruner.name=median"),
    "hyperband": ("tuner.name=hyperband", ITERATIONS),
    "bohb": ("tuner.name=bohb", ITERATIONS),
}
WHOLE = ("random", "gp")  # these are not stopped


@dataclass(frozen=True)
class Found:
    """What one search found.

    Attributes:
        data: name of the data.
        tuner: the contender.
        seed: of the search and of the split.
        best: the best trial's validation accuracy.
        best_of_fewer: of the first 30 trials.
        target: random's best score with this seed.
        trials: how many it ran.
        epochs: trained in all.
        seconds: from its first trial's start to its last one's end.
        epochs_to_target: trained until a trial had the target; None if none had.
        seconds_to_target: the same, in seconds.
    """

    data: str
    tuner: str
    seed: int
    best: float
    best_of_fewer: float
    target: float
    trials: int
    epochs: int
    seconds: float
    epochs_to_target: int | None
    seconds_to_target: float | None


def main() -> int:
    """Runs the searches and returns the exit status."""
    options = _options()
    found: list[Found] = []
    if options.keep and options.json.exists():
        found = [Found(**row) for row in json.loads(options.json.read_text())["searches"]]
    environment, known = surroundings(), tuple(found)
    pairs = [(data, seed) for seed in range(1, options.seeds + 1) for data in options.data]
    try:
        with ThreadPoolExecutor(options.jobs) as pool:
            one_split = partial(_of_one_split, known=known, options=options)
            for more in pool.map(one_split, *zip(*pairs, strict=True)):
                found += more
                if options.json:
                    rows = [asdict(one) for one in found]
                    write_json(options.json, {"surroundings": environment, "searches": rows})
    except CommandError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for data in options.data:
        Console(width=120).print(_table(data, found))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.real_searches",
        description="Compares tuners on real trainings.",
    )
    names, data = list(CONTENDERS), ["digits", "phoneme", "letter"]
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="beside random")
    parser.add_argument("--data", nargs="+", choices=data, default=data)
    parser.add_argument("--folder", type=Path, default=DATA, help="where the CSV files are")
    parser.add_argument("--seeds", type=positive, default=5, help="searches of each (5)")
    parser.add_argument("--jobs", type=positive, default=2, help="searches at once (2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures too")
    parser.add_argument("--keep", action="store_true", help="go on with those of an earlier --json")
    options = parser.parse_args()
    if options.keep and not options.json:
        parser.error("--keep goes on with the file of --json")
    return options


def _of_one_split(
    data: str, seed: int, known: Sequence[Found], options: argparse.Namespace
) -> list[Found]:
    """The searches that are not known yet, random's first: it sets the target."""
    there = {one.tuner: one for one in known if (one.data, one.seed) == (data, seed)}
    more: list[Found] = []
    for tuner in dict.fromkeys(["random", *options.only]):
        if tuner in there:
            continue
        settings = [*_source(data, options.folder), *CONTENDERS[tuner], f"seed={seed}"]
        if tuner not in WHOLE:
            rule = there["random"]
            settings += [f"limits.target={rule.target!r}", f"limits.epochs={rule.epochs}"]
        target = there["random"].target if "random" in there else None
        there[tuner] = _search(data, tuner, seed, settings, target)
        more.append(there[tuner])
        print(there[tuner], file=sys.stderr, flush=True)
    return more


def _source(data: str, folder: Path) -> list[str]:
    if data == "digits":
        return [*COMMON, "data.source=digits"]
    return [*COMMON, "data.source=csv", f"data.path={folder / data}.csv", *SPLITS[data]]


def _search(
    data: str, tuner: str, seed: int, settings: Sequence[str], target: float | None
) -> Found:
    """Runs the command; without a target, its best score is one."""
    with tempfile.TemporaryDirectory() as folder:
        run_python(["-m", "src.tune", f"run.directory={folder}", *settings])
        run = RunDirectory(Path(folder) / "search")
        trials, history = pd.read_csv(run.trials_table), pd.read_csv(run.history_table)
    if (failed := trials[trials["status"] != "COMPLETED"]["reason"]).size:
        raise CommandError(f"{len(failed)} trials failed; the first: {failed.iloc[0]}")
    started, ended = (pd.to_datetime(trials[name]) for name in ("started", "ended"))
    seconds = (ended - started.iloc[0]).dt.total_seconds()
    trained = history.groupby("trial_id").size().reindex(trials["trial_id"]).cumsum().to_numpy()
    best = float(trials["score"].max())
    target = best if target is None else target
    reached = next((n for n, score in enumerate(trials["score"]) if score >= target), None)
    return Found(
        *(data, tuner, seed, best, float(trials["score"][:FEWER].max()), target),
        *(len(trials), int(trained[-1]), float(seconds.iloc[-1])),
        None if reached is None else int(trained[reached]),
        None if reached is None else float(seconds.iloc[reached]),
    )


def _table(data: str, found: Sequence[Found]) -> Table:
    table = Table(title=f"{data}: mean ± standard error over seeds")
    columns = ("tuner", "seeds", f"best of {FEWER}", f"best of {TRIALS}", "reached", "epochs")
    for header in (*columns, "× random's", "seconds", "× random's"):
        table.add_column(header, justify="left" if header == "tuner" else "right")
    rules = {one.seed: one for one in found if (one.data, one.tuner) == (data, "random")}
    for tuner in CONTENDERS:
        rows = [one for one in found if (one.data, one.tuner) == (data, tuner)]
        if not rows:
            continue
        whole = tuner in WHOLE
        random = tuner == "random"
        # One that did not get there counts with all that it trained.
        epochs = [one.epochs if random else one.epochs_to_target or one.epochs for one in rows]
        seconds = [one.seconds if random else one.seconds_to_target or one.seconds for one in rows]
        table.add_row(
            tuner,
            str(len(rows)),
            _text([one.best_of_fewer for one in rows], 4) if whole else "",
            _text([one.best for one in rows], 4) if whole else "",
            "" if random else f"{sum(one.epochs_to_target is not None for one in rows)}",
            _text(epochs, 0),
            _text([n / rules[one.seed].epochs for n, one in zip(epochs, rows, strict=True)], 2),
            _text(seconds, 0),
            _text([s / rules[one.seed].seconds for s, one in zip(seconds, rows, strict=True)], 2),
        )
    return table


def _text(values: Sequence[float], digits: int) -> str:
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{statistics.fmean(values):.{digits}f} ± {error:.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
