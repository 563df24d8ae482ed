"""Real file systems that are full or read-only, folders that are gone, links that lead out."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from src.errors import UserError
from src.records import TrialRecord
from src.search.listener import SearchListener
from src.search.progress import SearchProgress
from src.search.resume import open_run
from tests import quick_search
from tests.quick_search import at_once, ended, ran, result, resume, search

fake, folder = quick_search.fake, quick_search.folder
SIX = ("tuner.max_trials=6", "training.epochs=2")


class After(SearchListener):
    """Does something once, when so many trials have ended."""

    def __init__(self, trials: int, action: Any) -> None:
        self.trials, self.action = trials, action

    def on_trial_end(self, record: TrialRecord, progress: SearchProgress) -> None:
        if len(progress.records) >= self.trials:
            self.trials = 99
            self.action()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own, in memory."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "tmpfs", "-o", "size=4m", str(path)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this user cannot mount a file system: {error}")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("left", [0, 6_000, 40_000])
def test_a_full_file_system_stops_the_search_which_goes_on_later(
    disk: Path, folder: Path, left: int
) -> None:
    def fill() -> None:
        free = shutil.disk_usage(disk).free
        (disk / "ballast").write_bytes(b"\0" * max(0, free - left))

    search(folder, *SIX)
    outcome = search(disk, *SIX, listeners=[After(2, fill)])
    assert outcome.end.kind == "failing"
    assert str(disk / "run") in outcome.end.reason
    assert "No space left on device" in outcome.end.reason or "is full" in outcome.end.reason
    assert outcome.winner is None
    kept = ended(disk)
    assert len(kept) >= 2
    (disk / "ballast").unlink()
    ran.clear()
    assert resume(disk).end.kind == "finished"
    assert not kept & set(ran)
    assert result(disk) == result(folder)


LIMITED = """
import resource, sys
from pathlib import Path
import pytest
from tests import quick_search

MANY = ("tuner.max_trials=30", "training.epochs=30")
quick_search.make_quick(pytest.MonkeyPatch())
folder = Path(sys.argv[1])
quick_search.search(folder / "whole", *MANY)
size = (folder / "whole" / "run" / "search.sqlite3").stat().st_size
unlimited = resource.RLIM_INFINITY
resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, unlimited))
outcome = quick_search.search(folder, *MANY)
assert outcome.end.kind == "failing", outcome.end
assert f"{outcome.run.database}: " in outcome.end.reason, outcome.end.reason
resource.setrlimit(resource.RLIMIT_FSIZE, (unlimited, unlimited))
kept = quick_search.ended(folder)
assert 5 < len(kept) < 30, len(kept)
quick_search.ran.clear()
assert quick_search.resume(folder).end.kind == "finished"
assert not kept & set(quick_search.ran)
assert quick_search.result(folder) == quick_search.result(folder / "whole")
"""


def test_a_file_that_may_not_grow_keeps_every_finished_trial(folder: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("fake")
def test_a_folder_that_becomes_read_only_stops_the_search_which_goes_on_later(disk: Path) -> None:
    run = disk / "run"

    def protect() -> None:
        for options in (["--bind", str(run)], ["--options", "remount,bind,ro"]):
            subprocess.run(["mount", *options, str(run)], check=True, capture_output=True)

    outcome = search(disk, *SIX, listeners=[After(2, protect)])
    kept = ended(disk)  # reports work meanwhile
    subprocess.run(["umount", str(run)], check=True)
    assert outcome.end.kind == "failing"
    assert str(run) in outcome.end.reason
    ran.clear()
    assert resume(disk).end.kind == "finished"
    assert not kept & set(ran)


@pytest.mark.usefixtures("fake")
def test_a_read_only_directory_is_named_before_the_search(disk: Path) -> None:
    subprocess.run(["mount", "--options", "remount,ro", str(disk)], check=True)
    with pytest.raises(UserError, match=rf"run\.directory: '{disk}' .*Read-only file system"):
        search(disk)


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_folder_that_is_deleted_during_the_search(workers: int, folder: Path) -> None:
    run = folder / "run"

    def delete() -> None:
        while run.exists():  # a worker may write into a folder that is being emptied
            shutil.rmtree(run, ignore_errors=True)

    outcome = search(folder, *SIX, *at_once(workers), listeners=[After(2, delete)])
    assert outcome.end.kind == "failing"
    assert str(run) in outcome.end.reason
    assert "No such file or directory" in outcome.end.reason
    assert len(outcome.progress.records) < 6


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("name", ["search.lock", "trials", "trials/0000", "history.csv", "best"])
def test_links_in_a_run_are_refused_and_their_targets_untouched(name: str, folder: Path) -> None:
    link = search(folder, "run.keep_top=3").run.path / name
    target = folder / "precious"
    (target / "0000").mkdir(parents=True)
    (target / "0000" / "photo.weights.npz").write_text("precious")
    if link.is_dir():
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    link.symlink_to(target, target_is_directory=True)
    with pytest.raises(UserError, match=rf"run/{name}: is a link"):
        open_run(str(folder / "run"))
    assert (target / "0000" / "photo.weights.npz").read_text() == "precious"
    assert [path.name for path in target.rglob("*")] == ["0000", "photo.weights.npz"]
