"""The state of a run: written in transactions, read while a search writes, refused when damaged."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from src import predict, retrain, tune
from src.errors import DiskError, UserError
from src.messages import SearchEnd
from src.records import FitResult, Reevaluation, TrialRecord, TrialResult, TrialSpec
from src.store.database import Exported, Store, oracle_state
from src.store.run_directory import RunDirectory
from src.store.saved_search import read_search
from tests import quick_search
from tests.quick_search import StopAfter, search

fake, folder = quick_search.fake, quick_search.folder
HEAD: dict[str, Any] = {"config": {"seed": 7}, "config_text": "", "identity": {}, "versions": {}}
SPACE: list[dict[str, Any]] = [{"class_name": "Int", "config": {"name": "units"}}]


def created(folder: Path) -> RunDirectory:
    run = RunDirectory(folder)
    Store.create(run.database, HEAD, {"seed_state": 1}).__exit__()
    return run


def record(number: int, epochs: int = 2) -> TrialRecord:
    trial_id = f"{number:04}"
    hyperparameters = {"space": SPACE, "values": {"units": number}}
    rows = tuple(
        {"execution": 0, "fold": 0, "epoch": epoch, "batch_size": 32, "loss": 0.1 + epoch}
        for epoch in range(1, epochs + 1)
    )
    fit = FitResult(0, 0, 0.5, 2, 2, {"val_accuracy": 0.5})
    result = TrialResult("COMPLETED", (fit,), "", "", rows, 9, 1.5, 2.5, "0", trained=epochs)
    return TrialRecord(TrialSpec(trial_id, trial_id, None, hyperparameters, 0, 2), result)


def add(store: Store, one: TrialRecord, number: int) -> None:
    with store.transaction():
        store.set({"seconds": float(number), "space": SPACE})
        store.begin_trial(one.spec)
        store.end_trial(one, 0.25, number)


def test_what_is_written_comes_back(folder: Path) -> None:
    run = created(folder)
    first = record(0)
    failed = replace(record(1), result=replace(first.result, status="FAILED", fits=(), reason="x"))
    built = replace(record(2).spec, bracket=1)  # as after a build that found hyperparameters
    again = {"execution": 1, "fold": 0, "epoch": 1, "loss": float("inf")}
    fit = FitResult(1, 0, 0.75, 1, 1, {"val_accuracy": 0.75})
    reevaluation = Reevaluation(1, (fit,), (again,), 3.5)
    with Store(run.database) as store:
        add(store, first, 1)
        add(store, failed, 0)
        with store.transaction():
            store.begin_trial(record(2).spec)
            store.begin_trial(record(3).spec)
            store.end_trial(replace(record(2), spec=built), None, 2)
            store.set_reevaluation("0000", reevaluation)
            store.set({"end": SearchEnd("finished", "done"), "exported": Exported("0000", 1)})
            store.set(oracle_state({"seed_state": 5}))
    saved = read_search(run)
    assert (saved.config, saved.oracle) == ({"seed": 7}, {"seed_state": 5})
    assert list(saved.specs) == ["0000", "0001", "0002", "0003"]
    assert saved.specs["0003"] == record(3).spec
    assert saved.records == [  # in the order of their end
        failed,
        replace(first, reevaluation=reevaluation),
        replace(record(2), spec=built),
    ]
    assert saved.told == {"0000": 0.25, "0001": 0.25}
    status = [(trial["status"], trial["best_step"]) for trial in saved.trials]
    assert status == [("COMPLETED", 2), ("FAILED", 0), ("COMPLETED", 2), ("RUNNING", 0)]
    assert (saved.end, saved.exported) == (SearchEnd("finished", "done"), Exported("0000", 1))
    assert [trial["message"] for trial in saved.trials] == ["", "x", "", ""]
    assert isinstance(saved.records[0].result.history[0]["batch_size"], int)
    assert read_search(run, history=False).records[0].result.history == ()


def begin_and_raise(store: Store, error: type[BaseException]) -> None:
    with store.transaction():
        store.set({"seconds": 5.0})
        store.begin_trial(record(0).spec)
        raise error


def test_a_block_that_raises_changes_nothing(folder: Path) -> None:
    run = created(folder)
    with Store(run.database) as store:
        for error in (ZeroDivisionError, KeyboardInterrupt):
            with pytest.raises(error):
                begin_and_raise(store, error)
        with store.transaction():  # what was taken back counts as unwritten
            store.set({"seconds": 5.0})
        assert read_search(run).seconds == 5.0
        assert read_search(run).specs == {}
        run.database.unlink()
        with pytest.raises(DiskError, match=r"search\.sqlite3: No such file"), store.transaction():
            store.set({"seconds": 6.0})


def test_readers_and_the_writer_wait_for_each_other(folder: Path) -> None:
    run, stop = created(folder), threading.Event()
    counts: list[list[int]] = [[], []]
    errors: list[Exception] = []

    def read(counted: list[int]) -> None:
        while not stop.is_set():
            try:
                counted.append(len(read_search(run).records))
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=read, args=(counted,)) for counted in counts]
    for thread in threads:
        thread.start()
    with Store(run.database) as store:
        for number in range(150):
            add(store, record(number), number)
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    for counted in counts:
        assert counted == sorted(counted)
        assert len(set(counted)) > 3


KILLED = """
import os, signal, sqlite3, sys
store = sqlite3.connect(sys.argv[1], isolation_level=None)
store.execute("PRAGMA cache_size=1")  # changed pages go to the file before the commit
store.execute("BEGIN IMMEDIATE")
store.execute("UPDATE state SET value='1' || value WHERE name='seconds'")
store.executemany("INSERT INTO trials (trial_id, spec) VALUES (?, ?)",
                  [(f"{n:04}", "x" * 3000) for n in range(1000, 1300)])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("read_only", [False, True])
def test_what_a_killed_writer_left_is_read_as_it_was_before(folder: Path, read_only: bool) -> None:
    run = created(folder)
    with Store(run.database) as store:
        add(store, record(0), 7)
    size = run.database.stat().st_size
    writer = subprocess.run([sys.executable, "-c", KILLED, str(run.database)], check=False)
    assert writer.returncode == -signal.SIGKILL
    journal = folder / "search.sqlite3-journal"
    assert journal.stat().st_size > 512
    assert run.database.stat().st_size > size  # the file is changed
    before = run.database.read_bytes()
    if read_only:
        mount = ["mount", "--bind", "-o", "ro", str(folder), str(folder)]
        if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("this user cannot mount a file system")
    try:
        saved = read_search(run)
    finally:
        if read_only:
            subprocess.run(["umount", str(folder)], check=True)
    assert (saved.seconds, saved.records) == (7.0, [record(0)])
    if read_only:
        assert run.database.read_bytes() == before
        assert journal.exists()
        saved = read_search(run)
    assert not journal.exists()
    assert (saved.seconds, list(saved.specs)) == (7.0, ["0000"])


def foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE trials (trial_id TEXT)")


def sql(*statements: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with sqlite3.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    return damage


def kept(count: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: int(count * len(content))])

    return damage


def turned(path: Path) -> None:
    """Turns some bytes in every page but the first."""
    content = bytearray(path.read_bytes())
    for start in range(4096, len(content), 4096):
        content[start : start + 200] = bytes(255 - byte for byte in content[start : start + 200])
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "garbage": lambda path: path.write_bytes(b"garbage" * 999),
    "empty": lambda path: path.write_bytes(b""),
    "cut at a half": kept(0.5),
    "cut in the header": kept(0.001),
    "bytes turned": turned,
    "foreign": foreign,
    "view": sql("CREATE VIEW more AS SELECT * FROM trials"),
    "trigger": sql("CREATE TRIGGER t AFTER UPDATE ON state BEGIN DELETE FROM trials; END"),
    "format": sql("PRAGMA user_version=2"),
    "id": sql("UPDATE trials SET trial_id='../../x' WHERE trial_id='0001'"),
    "parent": sql("UPDATE trials SET spec=json_set(spec, '$.parent_id', '../../x')"),
    "exported": sql("INSERT OR REPLACE INTO state VALUES ('exported', '{\"trial_id\":\"../x\"}')"),
    "no JSON": sql("UPDATE trials SET result='{'"),
    "no configuration": sql("DELETE FROM state WHERE name='config'"),
    "a list": sql("UPDATE state SET value='[]' WHERE name='config'"),
    "null": sql("UPDATE state SET value='null' WHERE name='identity'"),
    "no score": sql("UPDATE trials SET told='x'"),
    "no UTF-8": sql("UPDATE trials SET spec=CAST(x'ff7b' AS TEXT)"),
    "no time": sql("UPDATE trials SET result=json_set(result, '$.started', 1e300)"),
}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run that was killed after its second trial."""
    with pytest.MonkeyPatch.context() as patch:
        quick_search.make_quick(patch)
        return search(tmp_path_factory.mktemp("logs"), listeners=[StopAfter(3)]).run


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_state_is_one_error_that_names_the_file_and_what_is_left(
    damage: str, stopped: RunDirectory, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunDirectory(Path(shutil.copytree(stopped.path, folder / "run")))
    DAMAGES[damage](run.database)
    with pytest.raises(UserError) as caught:
        read_search(run)
    message = str(caught.value)
    assert message.startswith(f"{run.database}: is damaged or not the state of a search (")
    assert message.endswith("what is left: trials.csv, history.csv")
    if damage != "garbage":
        return
    (folder / "rows.csv").write_text("a,b\n1,2\n")
    for command, arguments in (
        (tune.main, ["--resume", str(run.path)]),
        (retrain.main, [str(run.path)]),
        (predict.main, [str(run.path), str(folder / "rows.csv")]),
    ):
        assert command(arguments) == 2
        assert capsys.readouterr().err == f"error: {message}\n"


def test_a_run_of_the_old_format_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "search.json").write_text(json.dumps({"format": 3}))
    (folder / "config.yaml").write_text("seed: 1\n")
    text = "was made by an earlier version of the project (search.json); start anew: "
    for main, arguments in (
        (tune.main, ["--resume", str(folder)]),
        (retrain.main, [str(folder)]),
    ):
        assert main(arguments) == 2
        assert f"error: {folder}: {text}" in capsys.readouterr().err


def test_a_commit_is_small_however_many_trials_there_are(folder: Path) -> None:
    run = created(folder)

    def written(store: Store, numbers: range) -> float:
        """Bytes that a trial adds to the file."""
        before = run.database.stat().st_size
        for number in numbers:
            add(store, record(number, epochs=10), number)
        return (run.database.stat().st_size - before) / len(numbers)

    with Store(run.database) as store:
        store._connection.execute("PRAGMA synchronous=OFF")
        first = written(store, range(200))
        written(store, range(200, 1000))
        last = written(store, range(1000, 1200))
    assert 500 < first < 3000
    assert last == pytest.approx(first, rel=0.2)
