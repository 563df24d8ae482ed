"""Runs get folders of their own, and files are replaced whole or not at all."""

import os
import stat
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from src.errors import UserError
from src.store import run_directory
from src.store.run_directory import RunDirectory


class StoppedClock(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> "StoppedClock":
        return cls(2031, 2, 3, 4, 5, 6, tzinfo=tz)


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_directory, "datetime", StoppedClock)


@pytest.mark.usefixtures("stopped")
def test_runs_of_the_same_second_get_names_of_their_own(tmp_path: Path) -> None:
    runs = [RunDirectory.create(str(tmp_path / "logs"), "auto", "grid") for _ in range(3)]
    stem = "2031-02-03_04-05-06_grid"
    assert [run.name for run in runs] == [stem, f"{stem}-2", f"{stem}-3"]
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == [r.name for r in runs]


@pytest.mark.usefixtures("stopped")
def test_an_automatic_name_passes_by_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "2031-02-03_04-05-06_grid").symlink_to(tmp_path / "gone")
    assert RunDirectory.create(str(tmp_path), "auto", "grid").name.endswith("_grid-2")


def test_a_taken_name_is_refused_and_nothing_overwritten(tmp_path: Path) -> None:
    first = RunDirectory.create(str(tmp_path), "mine", "grid")
    first.config.write_text("seed: 1\n")
    with pytest.raises(UserError) as caught:
        RunDirectory.create(str(tmp_path), "mine", "grid")
    assert str(caught.value) == (
        f"run.name: 'mine' is taken: {tmp_path / 'mine'} exists, and no run is overwritten; "
        "give another name, or 'auto'"
    )
    assert first.config.read_text() == "seed: 1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", ".hidden", "-x", "ä", "a b", "a\n"])
def test_names_that_are_no_safe_folders_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"(?s)^run\.name: .* is not valid; at most 100"):
        RunDirectory.create(str(tmp_path / "logs"), name, "grid")
    assert list(tmp_path.iterdir()) == []


def test_names_of_100_characters_are_the_longest(tmp_path: Path) -> None:
    assert RunDirectory.create(str(tmp_path), "a" * 100, "grid").name == "a" * 100
    with pytest.raises(UserError, match=r"run\.name"):
        RunDirectory.create(str(tmp_path), "a" * 101, "grid")


@pytest.mark.parametrize("name", ["auto", "mine"])
def test_a_file_where_the_directory_should_be_is_named(name: str, tmp_path: Path) -> None:
    file = tmp_path / "logs"
    file.write_text("not a folder")
    for directory in (file, file / "deeper"):
        with pytest.raises(UserError) as caught:
            RunDirectory.create(str(directory), name, "grid")
        message = str(caught.value)
        assert message.startswith(f"run.directory: '{directory}' cannot hold a run: ")
        assert message.endswith(str(directory))
    assert file.read_text() == "not a folder"


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("permissions do not bind this user")
        with pytest.raises(UserError, match=r"^run\.directory: .*Permission denied"):
            RunDirectory.create(str(tmp_path), "auto", "grid")
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_every_path_lies_in_the_run(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert run.weights("0007", 1, 2) == tmp_path / "trials/0007/execution1-fold2.weights.npz"
    assert run.training_state("0007", 1).parent == run.trial("0007")
    layout = {
        run.config: "config.yaml",
        run.database: "search.sqlite3",
        run.trials_table: "trials.csv",
        run.history_table: "history.csv",
        run.tensorboard: "tensorboard",
        run.model: "best/model.keras",
        run.hyperparameters: "best/hyperparameters.yaml",
        run.metrics: "best/metrics.json",
        run.predictions: "best/predictions.csv",
    }
    assert {path.relative_to(tmp_path).as_posix() for path in layout} == set(layout.values())
    assert all(path == tmp_path / relative for path, relative in layout.items())
