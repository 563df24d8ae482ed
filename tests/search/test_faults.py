"""Full disks, and files that were cut, changed, mixed up or deleted: nothing complete is lost.

The normal run takes a sample of the operations that can fail and of the ways to damage a file. All
of them, in some minutes:

    SEARCH_FAULTS=all python -m pytest tests/search/test_faults.py
"""

import errno
import hashlib
import io
import json
import os
import random
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from src import tune
from src.console.listener import ConsoleListener
from src.errors import DiskError, UserError
from src.search.events import SearchListener
from src.search.workflow import SearchOutcome
from src.store.snapshot import FORMAT
from tests import quick_search
from tests.quick_search import ended, ran, result, resume, search
from tests.search.faults import Disk

ALL = os.environ.get("SEARCH_FAULTS") == "all"
SEARCHES = {
    "random": ("tuner.name=random", "tuner.max_trials=5", "training.epochs=2"),
    "hyperband": ("tuner.name=hyperband", "tuner.max_trials=auto", "training.epochs=4"),
    "confirming": (
        *("tuner.name=random", "tuner.max_trials=3", "training.epochs=1"),
        *("tuner.confirm.trials=2", "tuner.confirm.executions=2"),
    ),
}
MEMORY = Path("/dev/shm")  # everything is synced, which takes its time on a disk

pytestmark = pytest.mark.usefixtures("fake")
fake = quick_search.fake


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder."""
    base = MEMORY if os.access(MEMORY, os.W_OK) else None
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
    ("number", "lasting"),
    [
        (errno.ENOSPC, True),
        pytest.param(errno.ENOSPC, False, marks=pytest.mark.slow),
        (errno.EIO, False),
    ],
)
def test_whatever_operation_fails_a_resume_ends_as_if_none_had(
    number: int, lasting: bool, overrides: tuple[str, ...], folder: Path
) -> None:
    with Disk(folder).mounted() as disk:
        assert attempt(lambda: search(folder, *overrides))[1] == ""
    expected = result(folder)
    absorbed = told = 0
    for failing in sampled(len(disk.operations), 3):
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
    assert told > absorbed


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
    for failing in sampled(len(disk.operations), 6):
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
        assert found["history"] == "".join(x for x in lines if not x.startswith("0000,0,"))


class StopAfter(SearchListener):
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


# Files that are not as they were left. `stopped` is a search that was killed after its fourth
# trial, in which a promotion of Hyperband's will follow; `finished` is one that is done.

SEARCHES_TO_DAMAGE = {"stopped": 4, "finished": 99}
FILES = (
    *("search.json", "search.previous.json", "config.yaml", "trials.csv", "history.csv"),
    *("event", "state", "weights"),
)


def cuts(content: bytes) -> dict[str, bytes]:
    """The ways in which a file's end can be missing, or its content be another, by name."""
    lengths = {"empty": 0, "byte 1": 1, "a fifth": len(content) // 5, "half": len(content) // 2}
    lengths |= {"four fifths": 4 * len(content) // 5, "but 2": len(content) - 2}
    lengths |= {"but 1": len(content) - 1}
    middle = content.find(b'":') - 2
    if middle > 0:
        lengths["middle of a key"] = middle
    found = {f"cut: {name}": content[:length] for name, length in lengths.items()}
    digit = re.search(rb"[1-8](?=[^0-9]*$)", content)
    if digit:
        other = str(int(digit[0]) + 1).encode()
        found["a number changed"] = content[: digit.start()] + other + content[digit.end() :]
    key = re.search(rb'"records":', content)
    if key:
        found["a key deleted"] = content[: key.start()] + content[key.end() :]
    if content.startswith(b"{"):
        found["indented"] = json.dumps(json.loads(content), indent=2).encode()
    found["bytes turned"] = bytes(255 - byte for byte in content)
    return found


def located(run: Path, name: str) -> Path | None:
    """The file of that name; of a trial, one that is needed yet."""
    if name == "event":
        return next(iter(sorted(run.rglob("*.trial0000"))), None)
    if name == "state":
        return next(iter(sorted(run.rglob("*.state.npz"))), None)
    if name == "weights":
        rows = [line.split(",") for line in (run / "trials.csv").read_text().splitlines()[1:]]
        best = max((row for row in rows if row[2]), key=lambda row: float(row[2]))
        return next(iter(sorted((run / "trials" / best[0]).glob("*.weights.npz"))), None)
    return run / name


@pytest.mark.parametrize("which", SEARCHES_TO_DAMAGE)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_costs_nothing_that_was_complete(
    name: str, which: str, folder: Path
) -> None:
    overrides = SEARCHES["hyperband"]
    search(folder, *overrides)
    expected = result(folder)
    empty(folder)
    search(folder, *overrides, listeners=[StopAfter(SEARCHES_TO_DAMAGE[which])])
    complete = ended(folder)
    path = located(folder / "run", name)
    if path is None or not path.exists():
        assert which == ("stopped" if name.startswith("best") else "finished")
        return
    content = path.read_bytes()
    damages: dict[str, bytes | None] = {**cuts(content), "deleted": None}
    if not ALL:
        damages = {key: damages[key] for key in random.Random(name).sample(sorted(damages), 2)}
    whole = folder.with_name(f"{folder.name}-whole")
    shutil.copytree(folder / "run", whole)
    try:
        for kind, damaged in damages.items():
            shutil.rmtree(folder / "run")
            shutil.copytree(whole, folder / "run")
            path.unlink()
            if damaged is not None:
                path.write_bytes(damaged)
            ran.clear()
            notices: list[str] = []
            outcome, message = attempt(lambda: resume(folder, listeners=[Notices(notices)]))  # noqa: B023
            if outcome is None:  # one clear error, and a way out
                assert name == "config.yaml", (kind, message)
                assert str(path) in message, (kind, message)
                path.unlink()
                outcome, message = attempt(lambda: resume(folder))
            assert message == "", (kind, message)
            found = result(folder)
            for part in ("trials", "files"):
                assert found[part] == expected[part], (kind, part)
            again = set(ran) & complete
            if name in ("state", "weights"):
                assert len(again) == 1, kind
                assert str(path) in " ".join(notices)
            elif name == "search.json":  # the state before may lack the last trial
                assert len(again) <= 1, kind
            else:
                assert not again, kind
            if name == "history.csv":
                aside = folder / "run" / "history.csv.damaged"
                told = " ".join(notices)
                if found["history"] != expected["history"]:
                    assert str(path) in told
                    assert "lost" in told
                    assert kind == "deleted" or aside.read_bytes() == damaged
            else:
                assert found["history"] == expected["history"], kind
    finally:
        shutil.rmtree(whole)


class Notices(SearchListener):
    """Collects what a user is told when a search goes on."""

    def __init__(self, notices: list[str]) -> None:
        self.notices = notices

    def on_search_begin(self, run: Any, space: Any, metrics: Any, progress: Any) -> None:
        self.notices.extend(progress.notices)


def test_both_snapshots_swapped_are_no_loss(folder: Path) -> None:
    overrides = SEARCHES["random"]
    search(folder, *overrides)
    expected = result(folder)
    empty(folder)
    search(folder, *overrides, listeners=[StopAfter(3)])
    run, complete = folder / "run", ended(folder)
    (run / "search.json").rename(run / "other")
    (run / "search.previous.json").rename(run / "search.json")
    (run / "other").rename(run / "search.previous.json")
    ran.clear()
    resume(folder)
    assert result(folder) == expected
    assert not set(ran) & complete


def test_another_runs_snapshot_or_configuration_is_refused_by_name(folder: Path) -> None:
    search(folder, *SEARCHES["random"])
    other = folder.with_name(f"{folder.name}-other")
    try:
        search(other, *SEARCHES["random"], "seed=7")
        for name in ("search.json", "config.yaml"):
            path = folder / "run" / name
            content = path.read_bytes()
            shutil.copy(other / "run" / name, path)
            with pytest.raises(UserError, match="seed: ") as caught:
                resume(folder)
            assert str(folder / "run") in str(caught.value)
            if name == "config.yaml":
                assert f"{path} is not as the search left it" in str(caught.value)
            path.write_bytes(content)
        resume(folder)
    finally:
        shutil.rmtree(other)


def test_with_both_snapshots_gone_the_message_names_both_and_what_to_do(folder: Path) -> None:
    search(folder, *SEARCHES["random"])
    run = folder / "run"
    for name in ("search.json", "search.previous.json"):
        (run / name).write_bytes((run / name).read_bytes()[:-1])
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(UserError) as caught:
        resume(folder)
    for words in (str(run / "search.json"), "search.previous.json", "cut off", "put back a copy"):
        assert words in str(caught.value)
    after = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert before == after


def test_a_snapshot_that_was_the_only_good_one_is_never_replaced_by_a_bad_one(
    folder: Path,
) -> None:
    # The first snapshot after a resume takes the place of search.json, and that becomes the one
    # before: were it the damaged one, a kill between the two steps would leave nothing.
    search(folder, *SEARCHES["random"], listeners=[StopAfter(3)])
    run = folder / "run"
    (run / "search.json").write_bytes(b"{")
    with Disk(folder).mounted() as disk:
        shutil.copytree(run, folder / "copy")
        resume(folder)
    first = next(i for i, (what, _) in enumerate(disk.operations) if what == "link")
    shutil.rmtree(run)
    (folder / "copy").rename(run)
    with Disk(
        folder, first - len([1 for _, p in disk.operations if p.startswith("copy")]) + 1
    ).mounted():
        attempt(lambda: resume(folder))
    good = [name for name in ("search.json", "search.previous.json") if whole(run / name)]
    assert good
    assert (run / "search.json.damaged").read_bytes() == b"{"


def whole(path: Path) -> bool:
    return path.exists() and path.read_bytes().endswith(b"}\n")


def craft(run: Path, state: dict[str, Any]) -> None:
    """Writes a snapshot as this program would, whatever is in it."""
    text = json.dumps(state, separators=(",", ":")).encode()
    checksum = hashlib.sha256(text).hexdigest()
    start = f'{{"format":{FORMAT},"checksum":"{checksum}","state":'.encode()
    (run / "search.json").write_bytes(start + text + b"}\n")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a JSON value."""
    if path:
        yield path
    inner: Any = {}
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, item in inner.items() if isinstance(inner, dict) else inner:
        yield from places(item, (*path, key))


NONSENSE: tuple[Any, ...] = (
    *(None, True, -1, 0, 10**30, 1.5, 1e308, float("nan"), float("inf"), "", "x", "../../x"),
    *([], {}, [None], {"x": 1}, "0000", ["0000"]),
)


@pytest.mark.parametrize(
    "tuner",
    [
        "random",
        pytest.param("hyperband", marks=pytest.mark.slow),
        pytest.param("grid", marks=pytest.mark.slow),
    ],
)
def test_a_made_up_snapshot_never_gives_a_traceback(tuner: str, folder: Path) -> None:
    overrides = SEARCHES.get(tuner, ("tuner.name=grid", "tuner.max_trials=5", "training.epochs=1"))
    search(folder, *overrides, listeners=[StopAfter(4)])
    whole = folder.with_name(f"{folder.name}-whole")
    shutil.copytree(folder / "run", whole)
    original = json.loads((whole / "search.json").read_bytes())["state"]
    everywhere = list(places(original))
    chance = random.Random(3)
    refused = 0
    cases = 400 if ALL else 40
    try:
        for _ in range(cases):
            shutil.rmtree(folder / "run")
            shutil.copytree(whole, folder / "run")
            (folder / "run" / "search.previous.json").unlink()
            state = json.loads(json.dumps(original))
            *way, last = chance.choice(everywhere)
            holder = state
            for step in way:
                holder = holder[step]
            nonsense = chance.choice(NONSENSE)
            if chance.random() < 0.2:
                del holder[last]
            else:
                holder[last] = nonsense
            craft(folder / "run", state)
            _, message = attempt(lambda: resume(folder, "limits.consecutive_failures=3"))
            refused += bool(message)
            outside = [path.name for path in folder.parent.glob(f"{folder.name}*")]
            assert sorted(outside) == [folder.name, whole.name]
        assert cases / 4 < refused < cases
    finally:
        shutil.rmtree(whole)


def test_the_command_says_in_one_message_what_is_wrong(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search(folder, *SEARCHES["random"])
    run = folder / "run"
    for name in ("search.json", "search.previous.json"):
        (run / name).write_bytes(b"[]")
    assert tune.main(["--resume", str(run)]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"error: {run / 'search.json'} is cut off or is not a snapshot")
    assert "Traceback" not in told.err + told.out

    with Disk(folder, 0).mounted():
        assert tune.main(["--config", "quick", f"run.directory={folder / 'new'}"]) == 1
    told = capsys.readouterr()
    assert told.err == f"error: {folder / 'new'}: No space left on device\n"


def test_the_console_shows_what_was_damaged(folder: Path) -> None:
    search(folder, *SEARCHES["random"])
    damage_history(folder)
    console = Console(file=io.StringIO(), width=300)
    resume(folder, listeners=[ConsoleListener(console)])
    shown = " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]
    assert f"notice {folder}/run/history.csv was damaged; history.csv.damaged is what it" in shown
    assert "The epochs of trial 0000 are lost, and nothing else" in shown


@pytest.mark.parametrize(
    "tuner",
    [
        pytest.param("random", marks=pytest.mark.slow),
        "hyperband",
        pytest.param("grid", marks=pytest.mark.slow),
    ],
)
def test_a_larger_budget_goes_on_as_if_it_had_been_there_from_the_start(
    tuner: str, folder: Path
) -> None:
    small, large = {
        "hyperband": ("tuner.hyperband_iterations=1", "tuner.hyperband_iterations=2"),
    }.get(tuner, ("tuner.max_trials=3", "tuner.max_trials=7"))
    common = ["training.epochs=3", f"tuner.name={tuner}"]
    if tuner == "hyperband":
        common.append("tuner.max_trials=auto")
    search(folder, *common, large)
    expected = result(folder)
    empty(folder)
    search(folder, *common, small)
    complete = ended(folder)
    ran.clear()
    resume(folder, large)
    assert result(folder) == expected
    assert not complete & set(ran)
