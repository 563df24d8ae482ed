"""Where the time of one trial goes, and whether memory grows over many trials.

    python -m tests.benchmarks.overhead
    python -m tests.benchmarks.overhead --memory 500                 one-epoch trials, one process
    python -m tests.benchmarks.overhead --memory 500 --workers auto

Both run the real search on digits. The breakdown stays in one process and times the project's own
functions from outside; trials in front, which pay for late imports, do not count. It is made twice:
for nets that all have the same structure and differ in rates alone, where an engine may reuse what
it has traced, and for nets of different widths.

What a trial costs beside its epochs is what trials of one epoch take, less one epoch, as long as
one more makes a trial: callbacks and logs of an epoch belong to it. The baseline is Keras as its
tutorials show it: the same nets, `compile` and `fit` with validation on the same rows, and nothing
around it, no search and no files. It leaves TensorFlow's settings as the project has them, which
favours it.
"""

import argparse
import functools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from src.config import load_config
from src.config.schema import RunSettings
from src.startup import start_tensorflow

start_tensorflow()

import keras  # noqa: E402

import callbacks  # noqa: E402
from hypermodels.base import TemplateHyperModel  # noqa: E402
from src.execution import trial_runner  # noqa: E402
from src.records import TrialRecord  # noqa: E402
from src.reporting.board import BoardListener  # noqa: E402
from src.reporting.hparams import HParamsListener  # noqa: E402
from src.reporting.tables import TablesListener  # noqa: E402
from src.search import run  # noqa: E402
from src.search.listener import SearchListener  # noqa: E402
from src.search.loop import SearchLoop  # noqa: E402
from src.search.preparation import prepare  # noqa: E402
from src.search.progress import SearchProgress  # noqa: E402
from src.tuners.oracle import SearchOracle  # noqa: E402
from tests.benchmarks.command import positive, surroundings, write_json  # noqa: E402
from tests.benchmarks.processes import (  # noqa: E402
    MEGABYTE,
    descendants,
    resident_bytes,
)
from tests.benchmarks.stopwatch import REST, Stopwatch  # noqa: E402

FIRST_EPOCH, EPOCH = "first epoch, tracing included", "later epochs"
FIRST_EVALUATION, EVALUATION = "first evaluation, tracing included", "later evaluations"
FIT = "fit: Keras's loop, callbacks"
PHASES = (
    *("build", "compile", FIRST_EPOCH, FIRST_EVALUATION, EPOCH, EVALUATION, FIT),
    *("TensorBoard: epochs", "TensorBoard: HParams", "files: weights", "files: state"),
    *("files: tables", "oracle", REST),
)
PINNED = (
    *("space.layers=2", "space.units=64", "space.normalization=none", "space.activation=relu"),
    *("space.dropout=0.2", "space.optimizer=adam", "space.batch_size=32", "space.taper=1.0"),
    *("space.regularizer=none", "space.label_smoothing=0.0", "space.initializer=glorot_uniform"),
    *("space.schedule=cosine", "space.plateau=true", "space.plateau_patience=5"),
    "space.early_stopping_patience=1000",  # on, but never triggered
)
NETS = {"same structure": (), "different widths": ("space.units={min: 33, max: 127}",)}
WHOLE, ONE_MORE, BESIDE = "whole trial", "one more epoch", "a trial beside its epochs"
BASELINE = "plain Keras"
WARM_UP = 2  # trials in front
SAMPLE_TRIALS = 20  # memory is read after each so many


def main() -> int:
    """Runs the benchmark and returns the exit status."""
    options = _options()
    console = Console(width=100)
    report: dict[str, Any] = {"surroundings": surroundings()}
    if options.memory:
        samples = _memory(options.memory, options.workers)
        growth = _growth(samples)
        report |= {"memory": [asdict(sample) for sample in samples], "growth": growth}
        console.print(_memory_table(samples, growth))
    else:
        stopwatch = Stopwatch()
        _time_everything(stopwatch)
        breakdowns = {
            title: _breakdown(stopwatch, options.trials, options.epochs, overrides)
            for title, overrides in NETS.items()
        }
        breakdowns[BASELINE] = _baseline(options.trials, options.epochs)
        report |= {"epochs": options.epochs, "milliseconds": breakdowns}
        console.print(_breakdown_table(breakdowns, options.trials, options.epochs))
    if options.json:
        write_json(options.json, report)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.overhead",
        description="Breaks the time of one trial down, or follows memory over many trials.",
    )
    parser.add_argument("--trials", type=positive, default=10, help="their median counts (10)")
    parser.add_argument("--epochs", type=positive, default=20, help="of each; at least 2 (20)")
    parser.add_argument(
        "--memory",
        type=positive,
        metavar="TRIALS",
        help="follow memory over so many one-epoch trials",
    )
    parser.add_argument("--workers", default="1", help="for --memory: auto or a number (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures too")
    options = parser.parse_args()
    if options.memory and options.memory < 2 * SAMPLE_TRIALS:
        parser.error(f"--memory: {options.memory} is too few; valid: at least {2 * SAMPLE_TRIALS}")
    if options.epochs < 2:
        parser.error("--epochs: 1 is too few; valid: at least 2")
    return options


def _engine(workers: str) -> list[str]:
    """The settings for so many workers."""
    if "workers" in RunSettings.model_fields:
        return [f"run.workers={workers}"]
    if workers != "1":
        sys.exit("error: --workers: not available without the key run.workers")
    return []


def _search(overrides: Sequence[str], listener: SearchListener) -> None:
    """Runs a search on digits in this process, as the command does."""
    with tempfile.TemporaryDirectory() as folder:
        settings = ["data.source=digits", *overrides, f"run.directory={folder}"]
        run(None, settings, [TablesListener(), HParamsListener(), BoardListener(), listener])


# The breakdown of one trial.


class _Epochs(keras.callbacks.Callback):
    """Makes phases of the training and the evaluation of each epoch."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        super().__init__()
        self._stopwatch = stopwatch
        self._epochs = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epochs += 1

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._stopwatch.begin(FIRST_EPOCH if self._epochs == 1 else EPOCH)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._stopwatch.end()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._stopwatch.begin(FIRST_EVALUATION if self._epochs == 1 else EVALUATION)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        self._stopwatch.end()


class _Laps(SearchListener):
    """Keeps the milliseconds of each phase for each trial; of later epochs, those of one."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        self.laps: list[dict[str, float]] = []
        self._stopwatch = stopwatch
        self._seconds, self._calls = stopwatch.seconds.copy(), stopwatch.calls.copy()

    def on_trial_end(self, record: TrialRecord, progress: SearchProgress) -> None:
        """Ends a lap."""
        self._stopwatch.charge()
        seconds, calls = self._stopwatch.seconds, self._stopwatch.calls
        lap = {phase: 1e3 * (seconds[phase] - self._seconds[phase]) for phase in PHASES}
        lap[WHOLE] = sum(lap.values())
        for phase in (EPOCH, EVALUATION):
            lap[phase] /= max(1, calls[phase] - self._calls[phase])
        self.laps.append(lap)
        self._seconds, self._calls = seconds.copy(), calls.copy()


def _time_everything(stopwatch: Stopwatch) -> None:
    """Makes phases of the project's functions."""
    stopwatch.time(TemplateHyperModel, "build", "build")
    stopwatch.time(keras.Model, "compile", "compile")
    stopwatch.time(trial_runner, "save_weights", "files: weights")
    for method in ("on_train_begin", "on_epoch_end", "close"):
        stopwatch.time(callbacks.TensorBoard, method, "TensorBoard: epochs")
    for method in ("on_trial_begin", "on_trial_end"):
        stopwatch.time(HParamsListener, method, "TensorBoard: HParams")
    stopwatch.time(TablesListener, "on_trial_end", "files: tables")
    stopwatch.time(SearchLoop, "_save", "files: state")
    for method in ("create_trial", "update_trial", "end_trial"):
        stopwatch.time(SearchOracle, method, "oracle")

    fit = TemplateHyperModel.fit

    @functools.wraps(fit)
    def watched_fit(*arguments: Any, callbacks: Sequence[Any] = (), **named: Any) -> Any:
        return fit(*arguments, callbacks=[_Epochs(stopwatch), *callbacks], **named)

    TemplateHyperModel.fit = watched_fit  # type: ignore[method-assign]
    stopwatch.time(TemplateHyperModel, "fit", FIT)


def _breakdown(
    stopwatch: Stopwatch, trials: int, epochs: int, overrides: Sequence[str]
) -> dict[str, float]:
    """Median milliseconds of each phase; those of later epochs and evaluations are of one."""

    def medians(epochs: int) -> dict[str, float]:
        laps = _Laps(stopwatch)
        limits = [f"tuner.max_trials={trials + WARM_UP}", f"training.epochs={epochs}"]
        _search([*PINNED, *overrides, *limits, "run.engine=serial", *_engine("1")], laps)
        counted = laps.laps[WARM_UP:]
        return {name: statistics.median(lap[name] for lap in counted) for name in counted[0]}

    found = medians(epochs)
    return found | _beside_epochs(medians(1)[WHOLE], found[WHOLE], epochs)


def _beside_epochs(one: float, whole: float, epochs: int) -> dict[str, float]:
    """From the milliseconds of a trial of one epoch and of one of `epochs`."""
    epoch = (whole - one) / (epochs - 1)
    return {ONE_MORE: epoch, BESIDE: one - epoch}


def _baseline(trials: int, epochs: int) -> dict[str, float]:
    """The same of Keras as its tutorials show it."""
    data = prepare(load_config("default", ["data.source=digits"])).data
    rows = data.arrays(data.train, data.validation)

    def milliseconds(units: int, epochs: int) -> float:
        clock = time.perf_counter()
        model = keras.Sequential([keras.Input(rows.x.shape[1:])])
        for _ in range(2):
            model.add(keras.layers.Dense(units, activation="relu"))
            model.add(keras.layers.Dropout(0.2))
        model.add(keras.layers.Dense(rows.problem.outputs, activation="softmax"))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        validation = (rows.x_validation, rows.y_validation)
        model.fit(rows.x, rows.y, 32, epochs, validation_data=validation, verbose=0)
        return 1e3 * (time.perf_counter() - clock)

    whole, one = (
        statistics.median([milliseconds(33 + n, many) for n in range(trials + WARM_UP)][WARM_UP:])
        for many in (epochs, 1)
    )
    return {WHOLE: whole} | _beside_epochs(one, whole, epochs)


def _breakdown_table(
    breakdowns: Mapping[str, Mapping[str, float]], trials: int, epochs: int
) -> Table:
    table = Table(
        title=f"one trial on digits, 2 layers, {epochs} epochs; ms, medians of {trials}",
        caption="a phase with 0 is not a call of its own in this version",
    )
    table.add_column("phase")
    for title in breakdowns:
        table.add_column(title, justify="right")
    for phase in (*PHASES, WHOLE, ONE_MORE, BESIDE):
        label = f"{phase}, each" if phase in (EPOCH, EVALUATION) else phase
        if phase == WHOLE:
            table.add_section()
        times = [figures.get(phase) for figures in breakdowns.values()]
        table.add_row(label, *["" if one is None else f"{one:.1f}" for one in times])
    base = breakdowns[BASELINE][BESIDE]
    shares = [f"{figures[BESIDE] / base:.2f}" for figures in breakdowns.values()]
    table.add_row("… as a share of the baseline's", *shares)
    return table


# Memory over many trials.


@dataclass(frozen=True)
class MemorySample:
    """The state of the search after some trials.

    Attributes:
        trials: ended so far.
        seconds_per_trial: wall-clock time since the sample before.
        parent_mb: resident memory of this process.
        workers_mb: of each worker, by process id: the processes below this one that have none below
            them, and so not the server that forks them; a helper is among them, and small.
        all_mb: of this process and all below it; pages that they share count in each.
    """

    trials: int
    seconds_per_trial: float
    parent_mb: float
    workers_mb: dict[int, float]
    all_mb: float

    @property
    def largest_worker_mb(self) -> float:
        """Resident memory of the largest worker; 0 without one."""
        return max(self.workers_mb.values(), default=0.0)


class _MemoryListener(SearchListener):
    """Takes a sample after each `SAMPLE_TRIALS` trials."""

    def __init__(self) -> None:
        self.samples: list[MemorySample] = []
        self._since = time.perf_counter()

    def on_trial_end(self, record: TrialRecord, progress: SearchProgress) -> None:
        """Takes a sample when it is time."""
        trials = len(progress.records)
        if trials % SAMPLE_TRIALS:
            return
        now = time.perf_counter()
        below = {pid: resident_bytes(pid) / MEGABYTE for pid in descendants(os.getpid())}
        workers = {pid: size for pid, size in below.items() if not descendants(pid)}
        parent = resident_bytes(os.getpid()) / MEGABYTE
        seconds = (now - self._since) / SAMPLE_TRIALS
        self.samples.append(
            MemorySample(trials, seconds, parent, workers, parent + sum(below.values()))
        )
        self._since = now


def _memory(trials: int, workers: str) -> list[MemorySample]:
    """Runs a search of one-epoch trials of small nets."""
    listener = _MemoryListener()
    limits = [f"tuner.max_trials={trials}", "training.epochs=1"]
    nets = ["space.layers=[1, 2]", "space.units={min: 16, max: 64}", "space.batch_size=128"]
    _search([*nets, *limits, *_engine(workers)], listener)
    return listener.samples


def _growth(samples: Sequence[MemorySample]) -> dict[str, float]:
    """MB per 100 trials: the slope of a straight line, without the first sample's warm-up."""
    counted = samples[1:] if len(samples) > 2 else samples
    trials = [sample.trials for sample in counted]
    curves = {
        "parent_mb": [sample.parent_mb for sample in counted],
        "largest_worker_mb": [sample.largest_worker_mb for sample in counted],
        "all_mb": [sample.all_mb for sample in counted],
    }
    return {name: 100 * float(np.polyfit(trials, curve, 1)[0]) for name, curve in curves.items()}


def _memory_table(samples: Sequence[MemorySample], growth: Mapping[str, float]) -> Table:
    table = Table(title="resident memory, MB")
    for header in (
        "trials",
        "s per trial",
        "parent",
        "largest worker",
        "all",
        "workers by process",
    ):
        table.add_column(header, justify="right")
    for sample in samples:
        table.add_row(
            str(sample.trials),
            f"{sample.seconds_per_trial:.2f}",
            f"{sample.parent_mb:.0f}",
            f"{sample.largest_worker_mb:.0f}",
            f"{sample.all_mb:.0f}",
            " ".join(f"{pid}: {size:.0f}" for pid, size in sample.workers_mb.items()),
        )
    table.add_section()
    table.add_row("per 100", "", *[f"{slope:+.1f}" for slope in growth.values()], "")
    return table


if __name__ == "__main__":
    sys.exit(main())
