"""How long TensorBoard takes to load a large run, and the report to be written.

python -m tests.benchmarks.board [--trials N] [--epochs N]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from src.startup import start_tensorflow

start_tensorflow()

from src.store.run_directory import RunDirectory  # noqa: E402
from tests.benchmarks.command import positive, surroundings, write_json  # noqa: E402
from tests.reporting.made_up import make_run  # noqa: E402

STATUSES = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
LONGEST = 300.0  # seconds


def main() -> int:
    """Runs the benchmark and returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.board",
        description="Makes up a run and times how TensorBoard loads it and the report of it.",
    )
    parser.add_argument("--trials", type=positive, default=500)
    parser.add_argument("--epochs", type=positive, default=50)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder), trials=options.trials, epochs=options.epochs, scalars=True)
        figures = _figures(run, options.trials)
    table = Table(title=f"{options.trials} trials × {options.epochs} epochs")
    table.add_column("")
    table.add_column("", justify="right")
    for name, value in figures.items():
        table.add_row(name, f"{value:,.2f}" if isinstance(value, float) else f"{value:,}")
    Console(width=100).print(table)
    if options.json:
        write_json(options.json, {"surroundings": surroundings(), "board": figures})
    return 0


def _figures(run: RunDirectory, trials: int) -> dict[str, float]:
    files = [path for path in run.tensorboard.rglob("events.*") if path.is_file()]
    figures: dict[str, float] = {
        "event files": len(files),
        "event files, MB": sum(path.stat().st_size for path in files) / 1e6,
    }
    figures |= _board(run, trials)
    start = time.perf_counter()
    command = [sys.executable, "-m", "src.report", str(run.path), "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    figures["report, s"] = time.perf_counter() - start
    figures["report, MB"] = run.report.stat().st_size / 1e6
    return figures


def _board(run: RunDirectory, trials: int) -> dict[str, float]:
    """Starts TensorBoard as users do, and asks as its pages do until everything is there."""
    command = [sys.executable, "-m", "tensorboard.main", "--host", "127.0.0.1", "--port", "0"]
    start = time.perf_counter()
    with subprocess.Popen(
        [*command, "--logdir", str(run.tensorboard)], stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stderr is not None
            url = next(
                line.partition("http://")[2].split("/")[0].split()[0]
                for line in server.stderr
                if "http://" in line
            )
            ready = time.perf_counter() - start

            def tags() -> bool:
                found: dict[str, Any] = _ask(url, "scalars/tags")
                return sum(name != "." for name in found) >= trials

            _wait(tags)
            loaded = time.perf_counter() - start
            _wait(lambda: len(_rows(url, trials)) >= trials)
            begin = time.perf_counter()
            rows = _rows(url, trials)
            return {
                "TensorBoard starts, s": ready,
                "scalars of all trials are there, s": loaded,
                "HParams too, s": begin - start,
                "HParams table asked again, s": time.perf_counter() - begin,
                "HParams rows": len(rows),
            }
        finally:
            server.terminate()


def _rows(url: str, trials: int) -> Any:
    experiment = _ask(url, "hparams/experiment", {"experimentName": "", "hparamsLimit": 0})
    columns = [
        {"metric": m["name"], "includeInResult": True} for m in experiment.get("metricInfos", [])
    ]
    body: dict[str, Any] = {"experimentName": "", "allowedStatuses": STATUSES, "colParams": columns}
    body |= {"startIndex": 0, "sliceSize": trials}
    return _ask(url, "hparams/session_groups", body).get("sessionGroups", [])


def _ask(url: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://{url}/data/plugin/{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return json.load(response)
    except urllib.error.HTTPError:  # HParams before the experiment is loaded
        return {}


def _wait(done: Callable[[], bool]) -> None:
    end = time.monotonic() + LONGEST
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(f"TensorBoard did not load the run in {LONGEST:g} seconds")
        time.sleep(0.1)


if __name__ == "__main__":
    raise SystemExit(main())
