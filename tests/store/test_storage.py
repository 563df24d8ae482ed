"""Real file systems that are full, folders that are gone, links that lead out of a run."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from src.errors import UserError
from src.records import TrialRecord
from src.reporting import report_listeners
from src.search import run
from src.search.listener import SearchListener
from src.search.progress import SearchProgress
from src.search.resume import open_run
from src.search.workflow import SearchOutcome
from src.store.run_directory import RunDirectory
from tests.conftest import TINY
from tests.selection import slow_but

SIX = "tuner.max_trials=6"


class SmallDisk:
    """A file system of its own, in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self._mount("-t", "tmpfs", "tmpfs", "-o", "size=4m")

    def fill(self, left: int) -> None:
        """Leaves so many bytes, about."""
        free = shutil.disk_usage(self.path).free
        (self.path / "ballast").write_bytes(b"\0" * max(0, free - left))

    def _mount(self, *arguments: str) -> None:
        subprocess.run(["mount", *arguments, str(self.path)], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    try:
        made = SmallDisk(tmp_path / "disk")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this user cannot mount a file system: {error}")
    yield made
    subprocess.run(["umount", "--lazy", str(made.path)], check=True)


class After(SearchListener):
    """Does something once, when so many trials have ended."""

    def __init__(self, trials: int, action: Any) -> None:
        self.trials, self.action = trials, action

    def on_trial_end(self, record: TrialRecord, progress: SearchProgress) -> None:
        if len(progress.records) == self.trials:
            self.action()


def search(folder: Path, *listeners: SearchListener, name: str = "run") -> SearchOutcome:
    overrides = [*TINY, SIX, f"run.directory={folder}", f"run.name={name}"]
    return run("quick", overrides, [*listeners, *report_listeners()])


def scores(run_: RunDirectory) -> list[str]:
    return pd.read_csv(run_.trials_table, dtype=str)["score"].tolist()


def test_a_full_file_system_stops_the_search_which_goes_on_later(
    disk: SmallDisk, tmp_path: Path
) -> None:
    whole = search(tmp_path / "twin")
    outcome = search(disk.path, After(2, lambda: disk.fill(left=8_000)))
    assert outcome.end.kind == "failing"
    assert "No space left on device" in outcome.end.reason
    assert str(disk.path / "run") in outcome.end.reason
    assert outcome.winner is None
    (disk.path / "ballast").unlink()
    resumed = run(None, [], report_listeners(), resume=str(outcome.run.path))
    assert resumed.end.kind == "finished"
    assert resumed.resumed_trials in (1, 2, 3)
    assert scores(resumed.run) == scores(whole.run)
    assert resumed.winner is not None


@pytest.mark.slow
def test_a_folder_that_becomes_read_only_stops_the_search_which_goes_on_later(
    disk: SmallDisk,
) -> None:
    folder = disk.path / "run"

    def protect() -> None:
        for options in (["--bind", str(folder)], ["--options", "remount,bind,ro"]):
            subprocess.run(["mount", *options, str(folder)], check=True, capture_output=True)

    outcome = search(disk.path, After(2, protect))
    subprocess.run(["umount", str(folder)], check=True)
    assert outcome.end.kind == "failing"
    assert re.search(rf"{folder}\S*: Read-only file system", outcome.end.reason)
    kept = len(outcome.progress.records)
    resumed = run(None, [], report_listeners(), resume=str(folder))
    assert resumed.end.kind == "finished"
    assert resumed.resumed_trials in (kept - 1, kept)
    assert len(scores(resumed.run)) == 6


def test_a_read_only_directory_is_named_before_the_search(disk: SmallDisk) -> None:
    subprocess.run(["mount", "--options", "remount,ro", str(disk.path)], check=True)
    with pytest.raises(UserError, match=rf"run\.directory: '{disk.path}' .*Read-only file system"):
        search(disk.path)


@pytest.mark.parametrize("workers", slow_but([1, 2], [2]))
def test_a_folder_that_is_deleted_during_the_search(workers: int, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    overrides = [*TINY, SIX, f"run.directory={tmp_path}", "run.name=run", f"run.workers={workers}"]

    def delete() -> None:
        while folder.exists():  # a worker may write into a folder that is being emptied
            shutil.rmtree(folder, ignore_errors=True)

    after = After(2, delete)
    outcome = run("quick", overrides, [*report_listeners(), after])
    assert outcome.end.kind == "failing"
    assert str(folder) in outcome.end.reason
    assert "No such file or directory" in outcome.end.reason
    assert len(outcome.progress.records) < 6


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run."""
    return search(tmp_path_factory.mktemp("finished")).run.path


@pytest.mark.parametrize("name", ["search.lock", "trials", "trials/0000", "history.csv", "best"])
def test_links_in_a_run_are_refused_and_their_targets_untouched(
    name: str, finished: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(finished, tmp_path / "run")
    target = tmp_path / "precious"
    target.mkdir()
    (target / "0000").mkdir()
    (target / "0000" / "photo.weights.npz").write_text("precious")
    link = folder / name
    if link.is_dir():
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    link.symlink_to(target, target_is_directory=True)
    with pytest.raises(UserError, match=rf"run/{name}: is a link"):
        open_run(str(folder))
    assert (target / "0000" / "photo.weights.npz").read_text() == "precious"
    assert [path.name for path in target.rglob("*")] == ["0000", "photo.weights.npz"]
