"""Full disks, and files that were cut, changed, mixed up or deleted: nothing complete is lost.

The normal run takes a sample of the operations that can fail and of the ways to damage a file. All
of them, in some minutes:

    SEARCH_FAULTS=all python -m pytest tests/search/test_faults.py
"""

import errno
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from src.errors import DiskError, UserError
from src.search.workflow import SearchOutcome
from tests.search import quick_search
from tests.search.faults import Disk
from tests.search.quick_search import ended, ran, result, resume, search

ALL = os.environ.get("SEARCH_FAULTS") == "all"
SEARCHES = {
    "random": ("tuner.name=random", "tuner.max_trials=5", "training.epochs=2"),
    "hyperband": ("tuner.name=hyperband", "tuner.max_trials=auto", "training.epochs=4"),
}
MEMORY = Path("/dev/shm")  # everything is synced, which takes its time on a disk

pytestmark = pytest.mark.usefixtures("fake")
fake = quick_search.fake


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder."""
    base = MEMORY if os.access(MEMORY, os.W_OK) else None
    import tempfile

    with tempfile.TemporaryDirectory(dir=base, prefix="faults-") as name:
        yield Path(name)


@pytest.fixture(params=SEARCHES)
def overrides(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Those of a search."""
    return SEARCHES[request.param]


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path)


def attempt(what: Callable[[], SearchOutcome]) -> tuple[SearchOutcome | None, str]:
    """The outcome, and what the user is told if the search did not end well."""
    try:
        outcome = what()
    except (DiskError, UserError) as error:
        return None, str(error)
    return outcome, "" if outcome.end.kind == "finished" else outcome.end.reason


def sampled(count: int, most: int) -> list[int]:
    """All numbers below `count`, or a sample, the same every time."""
    if ALL or count <= most:
        return list(range(count))
    return sorted(random.Random(5).sample(range(count), most))


@pytest.mark.parametrize(
    ("number", "lasting"), [(errno.ENOSPC, True), (errno.ENOSPC, False), (errno.EIO, False)]
)
def test_whatever_operation_fails_a_resume_ends_as_if_none_had(
    number: int, lasting: bool, overrides: tuple[str, ...], folder: Path
) -> None:
    with Disk(folder).mounted() as disk:
        assert attempt(lambda: search(folder, *overrides))[1] == ""
    expected = result(folder)
    absorbed = told = 0
    for failing in sampled(len(disk.operations), 12):
        empty(folder)
        with Disk(folder, failing, number, lasting).mounted() as faulty:
            outcome, message = attempt(lambda: search(folder, *overrides))
        failed = faulty.failed
        assert failed is not None
        if message:
            told += 1
            assert str(folder) in message, (failed, message)
            assert os.strerror(number) in message, (failed, message)
            assert outcome is None or outcome.end.kind == "failing"
        else:  # what failed was not needed
            absorbed += 1
            assert failed[0] in ("link", "mkdir", "unlink", "rmdir", "open", "write"), failed
            assert result(folder) == expected, failed
        before = ended(folder)
        ran.clear()
        if not (folder / "run" / "search.json").exists():
            assert not before
            continue  # it had not begun
        again, message = attempt(lambda: resume(folder))
        assert message == "", (failed, message)
        assert again is not None
        assert result(folder) == expected, failed
        assert not before & set(ran), failed
        assert not list(folder.rglob("*.tmp"))
        assert not (folder / "run" / "search.lock").exists()
    assert told > 2 * absorbed


def test_whatever_operation_of_a_resume_fails_the_next_one_ends_as_if_none_had(
    overrides: tuple[str, ...], folder: Path
) -> None:
    search(folder, *overrides)
    expected = result(folder)
    empty(folder)
    search(folder, *overrides, listeners=[StopAfter(3)])
    damage_history(folder)
    stopped = folder / "stopped"
    shutil.copytree(folder / "run", stopped)
    with Disk(folder).mounted() as disk:
        resume(folder)
    for failing in sampled(len(disk.operations), 15):
        shutil.rmtree(folder / "run")
        shutil.copytree(stopped, folder / "run")
        before = ended(folder)
        ran.clear()
        with Disk(folder, failing).mounted() as faulty:
            attempt(lambda: resume(folder))
        first = set(ran)
        ran.clear()
        kept = ended(folder) or before
        _, message = attempt(lambda: resume(folder))
        assert message == "", (faulty.failed, message)
        assert not before & (first | set(ran))
        assert not kept & set(ran)
        found = result(folder)
        assert found["trials"] == expected["trials"], faulty.failed
        assert found["files"] == expected["files"], faulty.failed
        lines = expected["history"].splitlines(True)
        assert found["history"] == "".join(x for x in lines if not x.startswith("0000,"))


class StopAfter(quick_search.workflow.SearchListener):  # type: ignore[misc, name-defined, unused-ignore]
    """Kills the search when so many trials have ended."""

    def __init__(self, trials: int) -> None:
        self.trials = trials

    def on_trial_end(self, record: Any, progress: Any) -> None:
        if len(progress.records) == self.trials:
            raise KeyboardInterrupt


def damage_history(folder: Path) -> None:
    """Changes a digit in the first trial's rows."""
    path = folder / "run" / "history.csv"
    path.write_bytes(path.read_bytes().replace(b"0000,0,0,1,", b"0000,0,0,7,", 1))
