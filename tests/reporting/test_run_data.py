"""A run is read however unfinished or damaged, with a notice for each file that is not whole."""

import os
import shutil
import socket
from pathlib import Path

import pandas as pd
import pytest

from src.reporting.page.document import run_page
from src.reporting.run_data import RunData, read_run
from src.reporting.story import tell
from src.store.lock import RunLock, is_held
from src.store.run_directory import RunDirectory
from tests.reporting.made_up import make_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return make_run(tmp_path_factory.mktemp("logs"), trials=8, epochs=3)


@pytest.fixture
def run(made: RunDirectory, tmp_path: Path) -> RunDirectory:
    """A run to damage."""
    return RunDirectory(Path(shutil.copytree(made.path, tmp_path / "run")))


def page_of(data: RunData) -> str:
    """A page comes of whatever was read."""
    page = run_page(data, tell(data))
    assert "<h1>run</h1>" in page
    return page


def test_a_whole_run_is_read_without_a_notice(run: RunDirectory) -> None:
    data = read_run(run)
    assert data.notices == ()
    assert (data.objective, data.direction, data.state) == ("val_accuracy", "max", "finished")
    assert data.completed["score"].is_monotonic_decreasing
    assert data.winner == data.completed["trial_id"].iloc[0]
    assert data.validation_rows == 30
    assert data.limits["learning_rate"] == (1e-9, 10.0)
    domains = {domain.name: domain for domain in data.space}
    assert domains["learning_rate"].log
    assert (domains["units"].low, domains["units"].high) == (32, 256)
    assert domains["momentum"].conditions == (("optimizer", ("momentum", "nesterov")),)
    assert "l1" not in domains  # no trial can have it


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("search.json", "search.json"),
        ("trials.csv", "trials.csv"),
        ("history.csv", "history.csv"),
        ("config.yaml", "config.yaml"),
        ("best/metrics.json", "metrics.json"),
        ("best/predictions.csv", "predictions.csv"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"\0\xff{[garbage", b"[[[[[["])
def test_a_damaged_file_is_named_and_the_rest_is_shown(
    run: RunDirectory, name: str, expected: str, content: bytes
) -> None:
    (run.path / name).write_bytes(content)
    data = read_run(run)
    if not (name == "config.yaml" and content == b""):  # that is an empty mapping
        assert any(expected in notice for notice in data.notices), data.notices
    assert (len(data.trials) == 8) == (name != "trials.csv")
    page_of(data)


@pytest.mark.parametrize("name", ["search.json", "trials.csv", "history.csv", "config.yaml"])
def test_a_missing_file_leaves_the_rest(run: RunDirectory, name: str) -> None:
    (run.path / name).unlink()
    page_of(read_run(run))


def test_without_a_snapshot_the_space_is_what_the_table_shows(run: RunDirectory) -> None:
    run.snapshot.unlink()
    data = read_run(run)
    assert "learning_rate" in {domain.name for domain in data.searched}
    assert data.objective == "val_accuracy"  # config.yaml records it too


def test_a_search_without_a_trial_is_a_page(tmp_path: Path) -> None:
    data = read_run(make_run(tmp_path, trials=0, end="interrupted"))
    assert data.state == "interrupted"
    page = page_of(data)
    assert "No trial has completed" in page
    assert "src.tune --resume" in page


def test_all_trials_failed_is_a_page_with_the_reason(tmp_path: Path) -> None:
    data = read_run(make_run(tmp_path, trials=4, score=lambda _: None, end="failing"))
    page = page_of(data)
    assert "4 trials of 4 failed" in page
    assert "loss became nan" in page


def test_who_searches_is_seen_without_taking_the_lock(run: RunDirectory) -> None:
    with RunLock(run.lock):
        before = run.lock.stat().st_mtime_ns
        data = read_run(run)
        assert data.state == "running"
        assert run.lock.stat().st_mtime_ns == before
        assert "still running" in page_of(data)
    assert read_run(run).state == "finished"


def test_a_lock_whose_process_is_gone_is_not_held(tmp_path: Path) -> None:
    lock = tmp_path / "search.lock"
    gone = os.fork()
    if not gone:
        os._exit(0)
    os.waitpid(gone, 0)
    lock.write_text(f"process {gone} on {socket.gethostname()} since 2026-01-01\n")
    assert not is_held(lock)
    lock.write_text("process 1 on elsewhere since 2026-01-01\n")
    assert is_held(lock)
    lock.write_text("anything")
    assert not is_held(lock)


def test_a_killed_search_says_so(tmp_path: Path) -> None:
    data = read_run(make_run(tmp_path, trials=2, end=""))
    assert data.state == "killed"
    assert "src.tune --resume" in tell(data).command


@pytest.mark.parametrize(("first", "value"), [(0, ""), (1, "inf"), (2, "1e308"), (3, "x")])
def test_any_value_in_any_column_leaves_a_page(run: RunDirectory, first: int, value: str) -> None:
    """Half of a column is replaced, one column after the other; each value has its own columns."""
    for path in (run.trials_table, run.history_table, run.predictions):
        text = path.read_text()
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        for name in table.columns[first::9]:
            changed = table.copy()
            changed.loc[::2, name] = value
            changed.to_csv(path, index=False)
            page_of(read_run(run))
        path.write_text(text)
