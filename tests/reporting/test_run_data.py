"""A run is read however unfinished or damaged, with a notice for each file that is not whole."""

import shutil
import sqlite3
from contextlib import closing
from html import escape
from pathlib import Path
from typing import Any

import pytest

from src.reporting.page.document import run_page
from src.reporting.run_data import RunData, read_run
from src.reporting.story import tell
from src.store.database import Store
from src.store.lock import RunLock
from src.store.run_directory import RunDirectory
from tests.reporting.made_up import make_run


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a forest finds is tested where importance is."""
    monkeypatch.setattr("src.reporting.analysis.importance.TREES", 4)


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
    "name", ["search.sqlite3", "config.yaml", "best/metrics.json", "best/predictions.csv"]
)
def test_a_damaged_or_missing_file_is_named_and_the_rest_is_shown(
    run: RunDirectory, name: str
) -> None:
    path = run.path / name
    for content in (b"\0\xff{[garbage", b"[[[[[[", b"", None):
        path.unlink() if content is None else path.write_bytes(content)
        data = read_run(run)
        # An empty file is an empty mapping, and a search that runs has nothing in best/.
        told = not ((content == b"" and name == "config.yaml") or (content is None and "/" in name))
        assert any(path.name in notice for notice in data.notices) == told, data.notices
        assert len(data.trials) == (0 if name == "search.sqlite3" else 8)
        # Both config.yaml and the state have them.
        assert (data.objective, data.settings["training.epochs"]) == ("val_accuracy", 3)
    page = page_of(data)
    assert all(escape(notice.split(": ")[0]) in page for notice in data.notices)


@pytest.mark.parametrize(
    "change",
    [
        """UPDATE state SET value='{"space": 3}' WHERE name='identity'""",
        """UPDATE state SET value='["objective.secondary"]' WHERE name='config'""",
        """UPDATE state SET value='{"objective.secondary": ["x"]}' WHERE name='config'""",
        "UPDATE trials SET result=json_set(result, '$.started', 1e300)",
        "UPDATE trials SET trial_id='../x' WHERE trial_id='0003'",
        "UPDATE trials SET history='[[]]' WHERE trial_id='0003'",
    ],
)
def test_a_strange_value_in_the_state_is_a_notice(run: RunDirectory, change: str) -> None:
    with closing(sqlite3.connect(run.database)) as connection, connection:
        connection.execute(change)
    data = read_run(run)
    assert "search.sqlite3: is damaged" in data.notices[0]
    page_of(data)


@pytest.mark.parametrize("value", ["null", '"x"', "1e308"])
def test_strange_epochs_leave_a_page(run: RunDirectory, value: str) -> None:
    with closing(sqlite3.connect(run.database)) as connection, connection:
        change = "UPDATE trials SET history=json_set(history, '$[1].val_loss', json(?))"
        connection.execute(change, (value,))
    data = read_run(run)
    assert len(data.history) == 24
    page_of(data)


def test_a_transaction_that_is_open_neither_shows_nor_blocks(run: RunDirectory) -> None:
    with Store(run.database) as store:
        with store.transaction():
            store.set({"exported": None})
            assert read_run(run).winner is not None
        assert read_run(run).winner is None


@pytest.mark.parametrize(
    ("trials", "end", "shown"),
    [
        (0, "interrupted", "No trial has completed"),
        (4, "failing", "4 trials of 4 failed"),
        (2, None, "2 trials of 2 failed"),
    ],
)
def test_a_search_that_went_wrong_is_a_page(
    trials: int, end: Any, shown: str, tmp_path: Path
) -> None:
    data = read_run(make_run(tmp_path, trials=trials, score=lambda _: None, end=end))
    assert data.state == (end or "killed")
    page = page_of(data)
    assert shown in page
    assert ("loss became nan" in page) == (trials > 0)
    assert "src.tune --resume" in page


def test_who_searches_is_seen_without_taking_the_lock(run: RunDirectory) -> None:
    with RunLock(run.lock):
        before = run.lock.stat().st_mtime_ns
        data = read_run(run)
        assert data.state == "running"
        assert run.lock.stat().st_mtime_ns == before
        assert "still running" in page_of(data)
    assert read_run(run).state == "finished"
