"""What `python -m src.predict` costs: memory and time on a large file, and its start.

python -m tests.benchmarks.prediction [--megabytes N] [--json FILE]

A table of numbers and texts is searched for a moment. Then two generated CSV files are predicted,
of which one is ten times the other, with the target and without; and a single row, in turn with
`import tensorflow` and `keras.models.load_model` alone.
"""

import argparse
import resource
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.benchmarks.command import positive, surroundings, write_json
from tests.benchmarks.processes import MEGABYTE, run_python

COLUMNS = 8
REPEATS = 3
BY_HAND = "import sys, tensorflow, keras\nkeras.models.load_model(sys.argv[1], compile=False)\n"


def main(arguments: list[str] | None = None) -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.prediction")
    parser.add_argument("--megabytes", type=positive, default=200, help="of the large file")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args(arguments)
    figures: dict[str, object] = dict(surroundings())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "train.csv", MEGABYTE // 10)
        run_python(
            [
                *("-m", "src.tune", "--config", "quick", "data.source=csv"),
                *(f"data.path={folder / 'train.csv'}", "data.target=answer"),
                *(f"run.directory={folder}", "run.name=run", "tuner.max_trials=1"),
                "training.epochs=2",
            ]
        )
        for size in (options.megabytes / 10, options.megabytes):
            for has_target in (True, False):
                path, output = folder / "rows.csv", folder / "predictions.csv"
                rows = write_rows(path, int(size * MEGABYTE), has_target=has_target)
                command = ["-m", "src.predict", str(folder / "run"), str(path)]
                done = run_python([*command, "--output", str(output)])
                output.unlink()
                key = f"{size:g} MB {'with' if has_target else 'without'} the target"
                peak = (done.peak_rss or 0) / MEGABYTE
                figures[key] = {"rows": rows, "seconds": done.seconds, "peak_megabytes": peak}
                print(
                    f"{key}: {rows:,} rows in {done.seconds:.1f} s, {rows / done.seconds:,.0f} a "
                    f"second, peak {peak:,.0f} MB",
                    flush=True,
                )
        path = folder / "row.csv"
        write_rows(path, 100)
        model = str(folder / "run" / "best" / "model.keras")
        commands = {
            "by hand": ["-c", BY_HAND, model],
            "predict": ["-m", "src.predict", str(folder / "run"), str(path)],
        }
        starts: dict[str, list[float]] = {key: [] for key in commands}
        for _ in range(REPEATS):
            for key, command in commands.items():
                before = processor_seconds()
                run_python(command)
                starts[key].append(processor_seconds() - before)
    for key, seconds in starts.items():
        figures[f"{key}, processor seconds for two rows"] = min(seconds)
        print(f"{key}, two rows: {min(seconds):.2f} processor seconds at least")
    if options.json is not None:
        write_json(options.json, figures)
    return 0


def processor_seconds() -> float:
    """Of all commands that have ended: steadier than a clock on a machine with other work."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write_rows(path: Path, size: int, *, has_target: bool = True) -> int:
    """Writes a table of about `size` bytes; returns the number of its rows."""
    rng = np.random.default_rng(0)
    rows = 2000
    x = rng.normal(size=(rows, COLUMNS))
    texts = rng.choice(["red", "green", "blue", ""], rows)
    answer = np.where(x[:, 0] + (texts == "red") > 0, "yes", "no")
    lines = []
    for numbers, text, label in zip(x, texts, answer, strict=True):
        cells = [*(f"{number:.4f}" for number in numbers), str(text)]
        lines.append(",".join([*cells, str(label)] if has_target else cells))
    names = [*(f"x{number}" for number in range(COLUMNS)), "colour"]
    block = "\n".join(lines) + "\n"
    written = 0
    with path.open("w") as file:
        file.write(",".join([*names, "answer"] if has_target else names) + "\n")
        while written < size:
            if size - written < len(block):
                fewer = max(2, int((size - written) / len(block) * rows))
                file.write("\n".join(lines[:fewer]) + "\n")
                return written // len(block) * rows + fewer
            file.write(block)
            written += len(block)
    return written // len(block) * rows


if __name__ == "__main__":
    sys.exit(main())
