"""What the snapshot costs, written twice a trial, and how long a resume takes to read it.

    python -m tests.benchmarks.snapshot
    python -m tests.benchmarks.snapshot --trials 100 1000 --json snapshot.json

The trials are made up: 20 hyperparameters, 10 metrics and 30 epochs each, with a real oracle and
the project's own files, on the disk of the temporary folder. Of each figure the smallest of the
repeats counts. `plain write` is one synced write of as many bytes without anything around it.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from src.startup import start_tensorflow

start_tensorflow()

import keras_tuner as kt  # noqa: E402

from src.records import FitResult, TrialRecord, TrialResult, TrialSpec  # noqa: E402
from src.search.events import SearchProgress  # noqa: E402
from src.store.history import HistoryFile  # noqa: E402
from src.store.run_directory import RunDirectory  # noqa: E402
from src.store.snapshot import Snapshot, read_snapshot, restore_result  # noqa: E402
from src.tuners.random_search import RandomOracle  # noqa: E402
from tests.benchmarks.command import positive, surroundings, write_json  # noqa: E402

HYPERPARAMETERS, METRICS, EPOCHS = 20, 10, 30
NAMES = [f"metric_{number}" for number in range(METRICS // 2)]
OBJECTIVE = "val_metric_0"


@dataclass(frozen=True)
class Cost:
    """What a search of so many trials pays.

    Attributes:
        trials: that had ended.
        megabytes: size of the snapshot.
        milliseconds_per_trial: of both writes: when a trial begins, and when it ends.
        state_milliseconds: of those, what making the text of both took, without the disk.
        plain_write_milliseconds: a synced write of as many bytes.
        read_seconds: reading and checking the file.
        restore_seconds: the oracle's `restore`.
        history_seconds: reading history.csv and making the results.
    """

    trials: int
    megabytes: float
    milliseconds_per_trial: float
    state_milliseconds: float
    plain_write_milliseconds: float
    read_seconds: float
    restore_seconds: float
    history_seconds: float


def main() -> int:
    """Runs the benchmark and returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.snapshot",
        description="Times the snapshot of searches with many trials.",
    )
    parser.add_argument("--trials", type=positive, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--repeats", type=positive, default=5, help="the smallest counts (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures too")
    options = parser.parse_args()
    costs = [_cost(trials, options.repeats) for trials in options.trials]
    Console(width=110).print(_table(costs))
    if options.json:
        figures = [asdict(cost) for cost in costs]
        write_json(options.json, {"surroundings": surroundings(), "snapshot": figures})
    return 0


def _cost(trials: int, repeats: int) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder))
        oracle = _oracle()
        progress = SearchProgress(oracle.objective, trials)
        history = HistoryFile(run.history_table, ["loss", "val_loss", *NAMES], executions=1)
        snapshot = Snapshot(run, _head(), history.checksum)
        for number in range(trials):
            progress.records.append(_end(oracle, oracle.create_trial("slot0"), number))
        history.replace(progress.records)

        def write() -> None:
            snapshot.write(oracle, progress, {}, None)

        both: list[float] = []
        text: list[float] = []
        plain: list[float] = []
        for number in range(repeats):
            if number == 0:
                write()  # what has ended is turned into text once
            trial = oracle.create_trial("slot0")
            began = _seconds(write)
            record = _end(oracle, trial, trials + number)
            progress.records.append(record)
            ended = _seconds(write)
            history.append(record)
            both.append(began + ended)
            text.append(2 * _seconds(lambda: snapshot.text(oracle, progress, {}, None)))
            content = run.snapshot.read_bytes()
            plain.append(_seconds(lambda: _write(Path(folder) / "plain", content)))  # noqa: B023

        size = run.snapshot.stat().st_size / 1e6
        read = min(_seconds(lambda: read_snapshot(run)) for _ in range(repeats))
        saved = read_snapshot(run)
        trial_rows = [row | {"values": row["hyperparameters"]["values"]} for row in saved.trials]
        restore = min(
            _seconds(lambda: _oracle().restore(saved.oracle, trial_rows)) for _ in range(repeats)
        )
        checksums = {record["trial_id"]: record["history"] for record in saved.records}

        def restore_history() -> None:
            rows = history.read(checksums)
            for state in saved.records:
                restore_result(state, rows[state["trial_id"]])

        rows = min(_seconds(restore_history) for _ in range(repeats))
    writing, making, plainly = (1e3 * min(times) for times in (both, text, plain))
    return Cost(trials, size, writing, making, plainly, read, restore, rows)


def _oracle() -> RandomOracle:
    space = kt.HyperParameters()
    for number in range(HYPERPARAMETERS // 4):
        space.Float(f"float_{number}", 1e-5, 1e-1, sampling="log")
        space.Int(f"int_{number}", 1, 1000, sampling="log")
        space.Choice(f"choice_{number}", ["relu", "tanh", "gelu", "silu"])
        space.Boolean(f"boolean_{number}")
    objective = kt.Objective(OBJECTIVE, "max")
    return RandomOracle(objective=objective, max_trials=None, hyperparameters=space, seed=7)


def _end(oracle: RandomOracle, trial: Any, number: int) -> TrialRecord:
    score = (number * 7919 % 10_007) / 10_007
    oracle.update_trial(trial.trial_id, {OBJECTIVE: score}, step=EPOCHS)
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
    metrics = {f"{prefix}{name}": score / 3 for name in NAMES for prefix in ("", "val_")}
    fits = (FitResult(0, 0, score, EPOCHS, EPOCHS, metrics, 2**31, None),)
    keys = {"execution": 0, "fold": 0, "batch_size": 32, "learning_rate": score / 7}
    rows = tuple(keys | {"epoch": epoch + 1} | metrics for epoch in range(EPOCHS))
    result = TrialResult("COMPLETED", fits, "", "", rows, 12345, 1.7e9, 3.21, "0")
    values = trial.hyperparameters.get_config()
    return TrialRecord(TrialSpec(trial.trial_id, trial.trial_id, None, values, 0, EPOCHS), result)


def _head() -> dict[str, Any]:
    return {
        "fingerprint": "0" * 64,
        "config": {f"key.{number}": "value" for number in range(80)},
        "config_text": "key: value\n" * 150,
        "identity": {"space": _oracle().hyperparameters.get_config()},
        "versions": {"python": "3"},
    }


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _seconds(what: Callable[[], Any]) -> float:
    start = time.perf_counter()
    what()
    return time.perf_counter() - start


def _table(costs: Sequence[Cost]) -> Table:
    table = Table(title=f"the snapshot: {HYPERPARAMETERS} hyperparameters, {METRICS} metrics")
    for header in (
        *("trials", "MB", "ms a trial", "of it text", "plain write, ms"),
        *("read, s", "restore, s", "history, s"),
    ):
        table.add_column(header, justify="right")
    for cost in costs:
        table.add_row(
            f"{cost.trials:,}",
            f"{cost.megabytes:.2f}",
            f"{cost.milliseconds_per_trial:.1f}",
            f"{cost.state_milliseconds:.1f}",
            f"{cost.plain_write_milliseconds:.1f}",
            f"{cost.read_seconds:.2f}",
            f"{cost.restore_seconds:.2f}",
            f"{cost.history_seconds:.2f}",
        )
    return table


if __name__ == "__main__":
    raise SystemExit(main())
