"""Epochs a second of this project beside a tutorial's Keras Tuner script and scikit-learn.

    python -m tests.benchmarks.throughput
    python -m tests.benchmarks.throughput --trials 100 --runs 1      a long search
    python -m tests.benchmarks.throughput --data both --json throughput.json

All contenders search the same nets on the same rows, with the same epochs and batch size, each in
a fresh process. They take turns, so that a busy machine disturbs them alike. The project's time
with start-up includes the export of the best model and its test, which the others do without.
"""

import argparse
import dataclasses
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from src.config import load_config
from src.data.loading import load_data
from tests.benchmarks import project
from tests.benchmarks.command import positive, surroundings, write_json
from tests.benchmarks.job import (
    BATCH_SIZE,
    DROPOUT,
    LAYERS,
    LEARNING_RATE,
    UNITS,
    Job,
    Outcome,
)
from tests.benchmarks.processes import (
    MEGABYTE,
    REPOSITORY,
    CommandError,
    Finished,
    run_python,
)

REFERENCE = "tutorial"
FASHION_MNIST = REPOSITORY.parent / "shared" / "data" / "fashion_mnist.npz"
FASHION_ROWS = {"train": 20_000, "test": 2_000}  # a fifth of the first are validation rows
SIZES = {"digits": (24, 20), "fashion_mnist": (8, 5)}  # trials and epochs
SPACE = (
    f"space.layers={list(LAYERS)}",
    f"space.units={list(UNITS)}",
    "space.taper=1.0",
    "space.activation=relu",
    "space.normalization=none",
    f"space.dropout={{min: {DROPOUT[0]}, max: {DROPOUT[1]}}}",
    "space.regularizer=none",
    "space.optimizer=adam",
    f"space.learning_rate={{min: {LEARNING_RATE[0]}, max: {LEARNING_RATE[1]}}}",
    f"space.batch_size={BATCH_SIZE}",
    "space.label_smoothing=0.0",
    "space.schedule=[constant, cosine]",
    "space.plateau=false",
    "space.early_stopping_patience=0",
)


@dataclass(frozen=True)
class Figures:
    """What one search of one contender came to.

    Attributes:
        epochs_per_second: from the first trial's start to the last trial's end.
        trials_per_minute: the same time.
        epochs_per_second_in_all: from the process's start to its end.
        trials_per_minute_in_all: the same time.
        seconds_in_all: that time.
        peak_rss_mb: most resident memory of all processes; None where there is no `/proc`.
        peak_pss_mb: the same, shared pages counted once.
        score: best validation accuracy.
    """

    epochs_per_second: float
    trials_per_minute: float
    epochs_per_second_in_all: float
    trials_per_minute_in_all: float
    seconds_in_all: float
    peak_rss_mb: float | None
    peak_pss_mb: float | None
    score: float


def main() -> int:
    """Runs the benchmark and returns the exit status."""
    options = _options()
    console = Console(width=120)
    report: dict[str, Any] = {"surroundings": surroundings()}
    for data in SIZES if options.data == "both" else (options.data,):
        if data == "fashion_mnist" and not FASHION_MNIST.is_file():
            console.print("fashion_mnist is skipped: there is no ../shared/data/fashion_mnist.npz")
            continue
        default_trials, default_epochs = SIZES[data]
        trials, epochs = options.trials or default_trials, options.epochs or default_epochs
        try:
            figures = _measure(data, trials, epochs, options.runs, options.contenders)
        except CommandError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        title = f"{data}: {trials} trials × {epochs} epochs; runs: {options.runs}, medians shown"
        console.print(_table(title, figures, options.contenders))
        report[data] = {"trials": trials, "epochs": epochs} | _report(figures)
    if options.json:
        write_json(options.json, report)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.throughput",
        description="Compares the throughput of this project with that of others.",
    )
    parser.add_argument("--data", choices=[*SIZES, "both"], default="digits")
    parser.add_argument("--trials", type=positive, help="24; 8 on fashion_mnist")
    parser.add_argument("--epochs", type=positive, help="of each trial: 20; 5 on fashion_mnist")
    parser.add_argument("--runs", type=positive, default=3, help="the median counts (3)")
    parser.add_argument(
        "--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), metavar="NAME"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run's figures too")
    return parser.parse_args()


def _measure(
    data: str, trials: int, epochs: int, runs: int, contenders: Sequence[str]
) -> dict[str, list[Figures]]:
    """Lets the contenders take turns; returns the figures of each one's runs."""
    figures: dict[str, list[Figures]] = {name: [] for name in contenders if _is_available(name)}
    for seed in range(1, runs + 1):
        with tempfile.TemporaryDirectory() as folder:
            settings = _data_settings(data, Path(folder))
            arrays = _write_arrays(settings, seed, Path(folder) / "arrays.npz")
            for name, done in figures.items():
                own = Path(folder) / name
                own.mkdir()
                job = Job(arrays, str(own), trials, epochs, seed)
                print(f"{data}: run {seed} of {runs}, {name}", file=sys.stderr, flush=True)
                done.append(_figures(job, *CONTENDERS[name](job, settings)))
    return figures


def _data_settings(data: str, folder: Path) -> list[str]:
    """The project's overrides for the data; Fashion-MNIST becomes a smaller file in `folder`."""
    if data == "digits":
        return ["data.source=digits"]
    path = folder / "fashion_mnist.npz"
    with np.load(FASHION_MNIST) as whole:
        parts = {
            f"{kind}_{part}": whole[f"{kind}_{part}"][:rows]
            for part, rows in FASHION_ROWS.items()
            for kind in ("x", "y")
        }
    np.savez(path, **parts)
    return ["data.source=npz", f"data.path={path}"]


def _write_arrays(settings: Sequence[str], seed: int, path: Path) -> str:
    """Writes the rows that the project trains and validates on, for the other contenders."""
    data = load_data(load_config(None, settings).data, seed)
    arrays = data.arrays(data.train, data.validation)
    np.savez(
        path,
        x=arrays.x,
        y=arrays.y,
        x_validation=arrays.x_validation,
        y_validation=arrays.y_validation,
    )
    return str(path)


def _module(name: str) -> Callable[[Job, Sequence[str]], tuple[Finished, Outcome]]:
    """A contender that is a module here."""

    def run(job: Job, _: Sequence[str]) -> tuple[Finished, Outcome]:
        path = Path(job.folder) / "job.json"
        job.save(path)
        process = run_python(["-m", name, str(path)])
        return process, Outcome.from_json(process.output.splitlines()[-1])

    return run


def _project(*engine: str) -> Callable[[Job, Sequence[str]], tuple[Finished, Outcome]]:
    """This project's command with an engine's settings."""

    def run(job: Job, settings: Sequence[str]) -> tuple[Finished, Outcome]:
        overrides = [f"seed={job.seed}", f"training.epochs={job.epochs}", *settings, *SPACE]
        limits = ["tuner.name=random", f"tuner.max_trials={job.trials}"]
        search = project.tune(Path(job.folder), [*overrides, *limits, *engine])
        return search.process, search.outcome

    return run


CONTENDERS: dict[str, Callable[[Job, Sequence[str]], tuple[Finished, Outcome]]] = {
    REFERENCE: _module("tests.benchmarks.tutorial"),
    "serial": _project("run.engine=serial", *(["run.workers=1"] if project.HAS_WORKERS else [])),
    "workers": _project("run.workers=auto"),
    "scikit-learn": _module("tests.benchmarks.scikit_learn"),
}


def _is_available(name: str) -> bool:
    return name != "workers" or project.HAS_WORKERS


def _figures(job: Job, process: Finished, outcome: Outcome) -> Figures:
    searching = outcome.ended - outcome.started
    return Figures(
        epochs_per_second=outcome.trial_epochs / searching,
        trials_per_minute=60 * job.trials / searching,
        epochs_per_second_in_all=outcome.trial_epochs / process.seconds,
        trials_per_minute_in_all=60 * job.trials / process.seconds,
        seconds_in_all=process.seconds,
        peak_rss_mb=process.peak_rss and process.peak_rss / MEGABYTE,
        peak_pss_mb=process.peak_pss and process.peak_pss / MEGABYTE,
        score=outcome.score,
    )


def _medians(runs: Sequence[Figures]) -> dict[str, float | None]:
    """The median of each figure; None where it was not measured."""
    rows = [dataclasses.asdict(figures) for figures in runs]
    return {
        name: None if None in (values := [row[name] for row in rows]) else statistics.median(values)
        for name in rows[0]
    }


def _ratios(
    medians: Mapping[str, float | None], reference: Mapping[str, float | None]
) -> dict[str, float]:
    """How many times the reference's epochs a second, without start-up and with it."""
    names = ("epochs_per_second", "epochs_per_second_in_all")
    return {name: (medians[name] or 0.0) / (reference[name] or 1.0) for name in names}


def _table(title: str, figures: Mapping[str, list[Figures]], contenders: Sequence[str]) -> Table:
    table = Table(title=title, caption="in all: from the process's start to its end")
    table.add_column("contender", no_wrap=True)
    for header in (
        *("epochs\n/s", "trials\n/min", "× tuto-\nrial"),
        *("epochs/s\nin all", "trials/min\nin all", "× tutorial\nin all", "seconds\nin all"),
        *("RSS\nMB", "PSS\nMB", "best val\naccuracy"),
    ):
        table.add_column(header, justify="right", no_wrap=True)
    reference = _medians(figures[REFERENCE]) if REFERENCE in figures else None
    for name in contenders:
        if name not in figures:
            table.add_row(name, *["n/a"] * 10)
            table.caption = f"{table.caption}\n{name}: not available without the key run.workers"
            continue
        medians = _medians(figures[name])
        ratios = _ratios(medians, reference) if reference else {}
        table.add_row(
            name,
            _text(medians["epochs_per_second"], 1),
            _text(medians["trials_per_minute"], 1),
            _text(ratios.get("epochs_per_second"), 1),
            _text(medians["epochs_per_second_in_all"], 1),
            _text(medians["trials_per_minute_in_all"], 1),
            _text(ratios.get("epochs_per_second_in_all"), 1),
            _text(medians["seconds_in_all"], 1),
            _text(medians["peak_rss_mb"], 0),
            _text(medians["peak_pss_mb"], 0),
            _text(medians["score"], 4),
        )
    return table


def _text(number: float | None, digits: int) -> str:
    return "–" if number is None else f"{number:,.{digits}f}"


def _report(figures: Mapping[str, list[Figures]]) -> dict[str, Any]:
    """Every contender's runs, medians and ratios as plain data."""
    medians = {name: _medians(runs) for name, runs in figures.items()}
    reference = medians.get(REFERENCE)
    return {
        name: {
            "runs": [dataclasses.asdict(run) for run in runs],
            "median": medians[name],
            "ratio": _ratios(medians[name], reference) if reference else None,
        }
        for name, runs in figures.items()
    }


if __name__ == "__main__":
    sys.exit(main())
