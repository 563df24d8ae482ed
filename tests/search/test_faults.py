"""A kill, a full disk, at any write of a search: a resumed search ends as if nothing had happened.

The normal run takes a sample of the writes. All of them, in some minutes:

    SEARCH_FAULTS=all python -m pytest tests/search/test_faults.py
"""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from src.errors import DiskError, UserError
from src.search.workflow import SearchOutcome
from tests import quick_search
from tests.quick_search import ended, ran, result, resume, search
from tests.search.faults import Writes, killed

ALL = os.environ.get("SEARCH_FAULTS") == "all"
SEARCHES = {
    "random": ("tuner.max_trials=5", "training.epochs=2"),
    "grid": ("tuner.name=grid", "tuner.max_trials=5", "training.epochs=1"),
    "gp": ("tuner.name=gp", "tuner.max_trials=12", "training.epochs=1"),
    "hyperband": ("tuner.name=hyperband", "tuner.max_trials=auto", "training.epochs=4"),
    "bohb": ("tuner.name=bohb", "tuner.max_trials=11", "training.epochs=4", "tuner.factor=2"),
    "re-evaluation": (
        *("tuner.max_trials=3", "training.epochs=1"),
        *("tuner.reevaluate.trials=2", "tuner.reevaluate.executions=2"),
    ),
    "save_every": ("tuner.max_trials=3", "training.epochs=4", "training.save_every=1"),
    "folds": ("tuner.max_trials=3", "training.epochs=1", "tuner.folds=2"),
}

pytestmark = pytest.mark.usefixtures("fake")
fake, folder = quick_search.fake, quick_search.folder


def sampled(count: int, most: int) -> list[int]:
    """All numbers below `count`, or a sample, the same every time."""
    if ALL or count <= most:
        return list(range(count))
    return sorted(random.Random(count).sample(range(count), most))


def attempt(what: Callable[[], SearchOutcome]) -> str:
    """What the user is told if a search does not end well."""
    try:
        outcome = what()
    except (DiskError, UserError) as error:
        return str(error)
    return "" if outcome.end.kind == "finished" else outcome.end.reason


@pytest.mark.parametrize("name", SEARCHES)
def test_killed_at_any_write_and_once_more_in_the_resumed_search(name: str, folder: Path) -> None:
    overrides = SEARCHES[name]
    with Writes(folder).watched() as writes:
        search(folder, *overrides)
    expected = result(folder)
    assert resume(folder).end.kind == "finished"
    assert result(folder) == expected
    resumes = random.Random(7)
    for failing in sampled(len(writes.seen), 4):
        shutil.rmtree(folder / "run", ignore_errors=True)
        killed(lambda: search(folder, *overrides), Writes(folder, failing, kill=True))
        before = ended(folder)
        if not (folder / "run" / "config.yaml").exists():
            continue  # there is nothing to resume
        again = Writes(folder, resumes.randrange(60), kill=True)
        killed(lambda: resume(folder), again)
        before |= ended(folder)
        ran.clear()
        assert attempt(lambda: resume(folder)) == ""
        place = (writes.seen[failing], again.failing)
        assert result(folder) == expected, place
        assert not before & set(ran), place


@pytest.mark.parametrize("lasting", [True, False])
@pytest.mark.parametrize("name", ["random", "hyperband", "re-evaluation"])
def test_whatever_write_fails_a_resume_ends_as_if_none_had(
    name: str, lasting: bool, folder: Path
) -> None:
    overrides = SEARCHES[name]
    with Writes(folder).watched() as writes:
        search(folder, *overrides)
    expected = result(folder)
    for failing in sampled(len(writes.seen), 4):
        shutil.rmtree(folder / "run", ignore_errors=True)
        with Writes(folder, failing, lasting=lasting).watched() as faulty:
            message = attempt(lambda: search(folder, *overrides))
        if failing >= len(faulty.seen):
            continue  # tables are written by the clock, so that their number varies
        place = faulty.seen[failing]
        assert str(folder) in message, place
        assert "full" in message or "No space left on device" in message, place
        before = ended(folder)
        if not (folder / "run" / "config.yaml").exists():
            continue  # there is nothing to resume
        ran.clear()
        assert attempt(lambda: resume(folder)) == "", place
        assert result(folder) == expected, place
        assert not before & set(ran), place
