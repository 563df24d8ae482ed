"""Signals at awkward moments, and runs that were killed before they had begun."""

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hypermodels.mlp import MLP
from src import tune
from src.errors import UserError
from src.evaluation.winner import export_winner
from src.execution.executor import TrialHooks
from src.execution.trial_runner import TrialRunner
from src.records import TrialRecord
from src.search import preparation, run
from src.search.listener import SearchListener
from src.search.progress import SearchProgress
from src.signals import Interruption, TrialInterruptedError
from src.store.lock import RunLock, is_held
from tests import quick_search
from tests.conftest import MakeConfig
from tests.evaluation.test_winner import context_of, trained
from tests.quick_search import resume, search

fake, folder = quick_search.fake, quick_search.folder


def test_an_interruption_comes_even_if_something_swallows_it() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), Interruption(), suppress(BaseException):
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), Interruption():
        _misreport_a_signal()
    assert signal.getsignal(signal.SIGTERM) == before
    with pytest.raises(AttributeError), Interruption():
        raise AttributeError("of its own")


def _misreport_a_signal() -> None:
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt as error:
        raise AttributeError("as an extension module may make of it") from error


def test_a_trial_that_a_signal_breaks_has_not_failed(
    tiny: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, spec = context_of(tiny, tmp_path)

    def broken(*_: Any) -> None:
        raise SystemError("as an extension module may make of KeyboardInterrupt")

    monkeypatch.setattr(MLP, "build", broken)
    with pytest.raises(TrialInterruptedError):
        TrialRunner(context, hooks=TrialHooks(stopping=lambda: True)).run(spec)
    assert TrialRunner(context).run(spec).status == "FAILED"


@pytest.mark.parametrize("folds", [1, 2])
def test_an_export_that_is_given_up_leaves_no_trace(
    tiny: MakeConfig, tmp_path: Path, folds: int
) -> None:
    context, spec = context_of(tiny, tmp_path, f"tuner.folds={folds}")
    record = trained(context, spec)
    with pytest.raises(TrialInterruptedError):
        export_winner(context, record, lambda: True)
    assert not context.run.best.exists()
    assert not context.run.export.exists()


class AfterTheLastTrial(SearchListener):
    """Asks the search to stop when its last trial has ended."""

    def on_trial_end(self, record: TrialRecord, progress: SearchProgress) -> None:
        if len(progress.records) == progress.total:
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.usefixtures("fake")
def test_a_signal_after_the_last_trial_keeps_the_export_for_later(folder: Path) -> None:
    stopped = search(folder, listeners=[AfterTheLastTrial()])
    assert stopped.end.kind == "interrupted"
    assert stopped.winner is None
    assert not stopped.run.best.exists()
    outcome = resume(folder)
    assert outcome.end.kind == "finished"
    assert outcome.winner is not None
    assert outcome.resumed_trials == 3


def test_a_signal_in_the_start_of_a_resumed_search_names_the_command_and_frees_the_run(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    request.getfixturevalue("fake")
    done = search(folder)
    state = done.run.database.read_bytes()

    def interrupted(*_: Any) -> None:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        raise UserError("what the signal broke")

    monkeypatch.setattr(preparation, "prepare", interrupted)
    assert tune.main(["--resume", str(done.run.path), "run.engine=serial"]) == 130
    assert f"-m src.tune --resume {done.run.path} run.engine=serial\n" in capsys.readouterr().err
    assert done.run.lock.read_text() == ""
    assert done.run.database.read_bytes() == state


def test_a_run_that_was_killed_before_its_state_was_written_can_be_resumed(
    tiny: MakeConfig, tmp_path: Path
) -> None:
    expected = run(tiny("tuner.max_trials=1", "run.name=whole"))
    killed = tmp_path / "killed"
    killed.mkdir()
    text = expected.run.config.read_text().replace("name: whole", "name: killed")
    (killed / "config.yaml").write_text(text)
    (killed / ".config.yaml.17.tmp").write_text("half of")
    (killed / "search.lock").write_text("process 17")
    outcome = run(None, resume=str(killed))
    assert outcome.run.path == killed
    assert outcome.winner is not None
    assert outcome.winner.record.result.score == expected.progress.records[0].result.score
    assert sorted(path.name for path in killed.iterdir()) == sorted(
        path.name for path in expected.run.path.iterdir()
    )
    outcome.run.database.unlink()  # trials are there: nothing is overwritten
    with pytest.raises(UserError, match=r"has no search\.sqlite3, the state of its search"):
        run(None, resume=str(killed))


def test_a_signal_while_a_run_is_opened_leaves_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "stopped"
    folder.mkdir()
    (folder / "config.yaml").write_text("seed: 7\n")
    original = RunLock.acquire

    def acquire(lock: RunLock) -> None:
        original(lock)
        signal.raise_signal(signal.SIGINT)  # when the file is there

    monkeypatch.setattr(RunLock, "acquire", acquire)
    assert tune.main(["--resume", str(folder)]) == 130
    assert f"-m src.tune --resume {folder}\n" in capsys.readouterr().err
    assert not is_held(folder / "search.lock")


START_SERVER = """
import signal
from multiprocessing import forkserver
from pathlib import Path
from src.startup import start_fork_server

before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
start_fork_server()
assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
status = Path(f"/proc/{forkserver._forkserver._forkserver_pid}/status").read_text()
print(status.partition("SigBlk:")[2].split()[0])
"""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_ctrl_c_cannot_break_the_fork_server_while_it_starts() -> None:
    done = subprocess.run(
        [sys.executable, "-c", START_SERVER], capture_output=True, text=True, check=True
    )
    blocked = int(done.stdout, 16)
    for number in (signal.SIGINT, signal.SIGHUP):
        assert blocked >> (number - 1) & 1
    assert not blocked >> (signal.SIGTERM - 1) & 1
