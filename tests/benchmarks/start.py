"""How long the command takes to its first trained epoch, beside TensorFlow's own import.

    python -m tests.benchmarks.start
    python -m tests.benchmarks.start --runs 9

Each is a fresh process, and they take turns. The first epoch is dated by the event that TensorBoard
gets of it.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from src.startup import import_keras
from src.store.run_directory import RunDirectory
from tests.benchmarks.command import positive
from tests.benchmarks.processes import CommandError, run_python

IMPORT = "import tensorflow"
TUNE = ("-m", "src.tune", "data.source=digits", "tuner.max_trials=2")
COMMANDS = {
    IMPORT: ("-c", IMPORT),
    "first epoch, run.workers=auto": (*TUNE, "run.workers=auto"),
    "first epoch, run.workers=1": (*TUNE, "run.workers=1"),
    "python -m src.tune --help": ("-m", "src.tune", "--help"),
}


def main() -> int:
    """Runs the benchmark and returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.start",
        description="Times the way from the command to the first trained epoch.",
    )
    parser.add_argument("--runs", type=positive, default=5, help="the median counts (5)")
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    try:
        for _ in range(parser.parse_args().runs):
            for name, times in seconds.items():
                times.append(_seconds(COMMANDS[name]))
    except CommandError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    table = Table(title="seconds, medians")
    for header in ("", "seconds", "beside the import", "from", "to"):
        table.add_column(header, justify="right" if header else "left")
    base = statistics.median(seconds[IMPORT])
    for name, times in seconds.items():
        median = statistics.median(times)
        figures = (median, median - base, min(times), max(times))
        table.add_row(
            name,
            *[f"{figure:+.2f}" if n == 1 else f"{figure:.2f}" for n, figure in enumerate(figures)],
        )
    Console(width=100).print(table)
    return 0


def _seconds(arguments: tuple[str, ...]) -> float:
    """From the start of a command to its first epoch's end, or to its own if it trains nothing."""
    if TUNE[1] not in arguments or "--help" in arguments:
        return run_python(arguments).seconds
    with tempfile.TemporaryDirectory() as folder:
        started = time.time()
        run_python([*arguments, f"run.directory={folder}", "run.name=run"])
        return _first_epoch(RunDirectory(Path(folder) / "run")) - started


def _first_epoch(run: RunDirectory) -> float:
    """When the first event of an epoch was written, in seconds since 1970."""
    import_keras()  # TensorBoard's reader would import it with all its messages
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    return min(
        float(event.wall_time)
        for path in run.tensorboard.glob("*/events.*")
        for event in EventFileLoader(str(path)).Load()
        if event.step == 1 and any(value.tag == "loss/train" for value in event.summary.value)
    )


if __name__ == "__main__":
    sys.exit(main())
