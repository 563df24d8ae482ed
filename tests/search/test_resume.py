"""A search that was stopped goes on as if it had never stopped; another search is refused."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from hypermodels import HYPERMODELS
from hypermodels.mlp import MLP
from src.errors import UserError
from src.records import TrialSpec
from src.search import run
from src.search.identity import CHANGEABLE
from src.search.listener import SearchListener
from src.search.progress import SearchProgress
from src.search.resume import open_run
from src.search.workflow import SearchOutcome
from src.store.lock import RunLock
from src.store.run_directory import RunDirectory
from tests import quick_search
from tests.conftest import TINY, report_listeners
from tests.quick_search import StopAfter, search

fake, folder = quick_search.fake, quick_search.folder
VARYING = ["seconds", "started", "ended", "worker"]
TUNERS = {
    "bayesian": ("tuner.name=bayesian", "tuner.max_trials=8"),
    "bohb": ("tuner.name=bohb", "training.epochs=4", "tuner.factor=2", "tuner.max_trials=11"),
    "hyperband": (
        *("tuner.name=hyperband", "training.epochs=4", "tuner.factor=2", "tuner.max_trials=auto"),
    ),
}


class KillAt(SearchListener):
    """Leaves the disk as a kill does when the given trial begins: nothing more is written."""

    def __init__(self, trial_id: str) -> None:
        self.trial_id = trial_id

    def on_trial_begin(self, spec: TrialSpec, progress: SearchProgress) -> None:
        if spec.trial_id == self.trial_id:
            raise KeyboardInterrupt


def begin(folder: Path, *overrides: str, name: str = "run", kill_at: str = "") -> SearchOutcome:
    settings = [*TINY, f"run.directory={folder}", f"run.name={name}", *overrides]
    return run("quick", settings, [*report_listeners(), KillAt(kill_at)])


def resume(run_: RunDirectory, *overrides: str, kill_at: str = "") -> SearchOutcome:
    return run(None, overrides, [*report_listeners(), KillAt(kill_at)], resume=str(run_.path))


def tables(run_: RunDirectory) -> tuple[str, str]:
    """trials.csv and history.csv without what differs between identical runs."""
    trials = pd.read_csv(run_.trials_table, dtype=str).drop(columns=VARYING)
    return trials.to_csv(index=False), run_.history_table.read_text()


@pytest.mark.slow  # with the fake training, test_faults.py does the same
@pytest.mark.parametrize("tuner", TUNERS)
def test_a_killed_search_goes_on_exactly(tuner: str, tmp_path: Path) -> None:
    whole = begin(tmp_path, *TUNERS[tuner], name="whole")
    last = whole.progress.records[-1].spec.trial_id
    cut = begin(tmp_path, *TUNERS[tuner], name="stopped_by", kill_at="0001")
    assert cut.end.kind == "interrupted"
    cut = resume(cut.run, kill_at=last)
    assert (cut.resumed_trials, cut.end.kind) == (1, "interrupted")
    cut = resume(cut.run)
    assert cut.resumed_trials == len(whole.progress.records) - 1
    assert tables(cut.run) == tables(whole.run)
    assert cut.run.predictions.read_bytes() == whole.run.predictions.read_bytes()
    assert cut.end == whole.end


def test_a_larger_budget_goes_on_as_if_it_had_been_there_and_nothing_is_trained_twice(
    tmp_path: Path,
) -> None:
    whole = begin(tmp_path, name="whole")
    cut = begin(tmp_path, "tuner.max_trials=2", name="stopped_by", kill_at="0001").run
    elsewhere = tmp_path / "another" / "folder"
    elsewhere.parent.mkdir()
    shutil.move(cut.path, elsewhere)  # a run can be moved
    grown = resume(RunDirectory(elsewhere), "tuner.max_trials=3")
    assert grown.run.path == elsewhere
    assert tables(grown.run) == tables(whole.run)
    assert grown.run.predictions.read_bytes() == whole.run.predictions.read_bytes()
    assert yaml.safe_load(grown.run.config.read_text())["tuner"]["max_trials"] == 3
    before = grown.run.model.stat().st_mtime_ns
    again = resume(grown.run)
    assert (again.end, again.resumed_trials) == (grown.end, 3)
    assert again.winner is not None
    assert grown.winner is not None
    assert again.winner.validation == grown.winner.validation
    assert again.winner.test == grown.winner.test
    assert again.run.model.stat().st_mtime_ns == before


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return begin(tmp_path_factory.mktemp("logs"), kill_at="0001").run


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("seed=7", "seed: 7, but was 42"),
        ("data.test_fraction=0.3", "data.test_fraction: 0.3, but was 0.2"),
        ("hypermodel.name=residual_mlp", 'hypermodel.name: "residual_mlp", but was "mlp"'),
        ("space.units.max=8", "space.units: max 8, but was 16"),
        ("space.dropout=open", "space.dropout: "),
        ("tuner.name=bayesian", 'tuner.name: "bayesian", but was "random"'),
        ("training.epochs=9", "training.epochs: 9, but was 3"),
        ("run.threads=2", "run.threads: 2, but was 1"),
    ],
)
def test_what_would_make_it_another_search_is_refused(
    override: str, problem: str, stopped: RunDirectory
) -> None:
    before = {path: path.read_bytes() for path in stopped.path.rglob("*") if path.is_file()}
    with pytest.raises(UserError) as caught:
        open_run(str(stopped.path), None, (override,))
    message = str(caught.value)
    assert message.startswith(f"{stopped.path}: these settings would make it another search:\n")
    assert f"\n  {problem}" in message
    assert "tuner.max_trials" in message.splitlines()[-1]
    assert {p: p.read_bytes() for p in stopped.path.rglob("*") if p.is_file()} == before


def test_budget_workers_limits_and_places_may_change(stopped: RunDirectory) -> None:
    changes = (
        *("tuner.max_trials=9", "limits.consecutive_failures=2", "run.workers=2"),
        *("run.keep_top=1", "run.name=other"),
    )
    resumed = open_run(str(stopped.path), None, changes)
    resumed.lock.release()
    assert (resumed.config.tuner.max_trials, resumed.config.run.workers) == (9, 2)
    assert resumed.saved is not None
    assert len(resumed.saved.records) == 1
    assert set(CHANGEABLE) >= {"tuner.max_trials", "limits.", "run."}
    # The whole command may be repeated with --resume.
    resumed = open_run(None, "quick", (*TINY, f"run.directory={stopped.path.parent}"))
    resumed.lock.release()
    assert resumed.run.path == stopped.path


def test_an_edited_configuration_is_told_and_a_missing_one_is_written_again(
    stopped: RunDirectory, tmp_path: Path
) -> None:
    copy = RunDirectory(Path(shutil.copytree(stopped.path, tmp_path / "run")))
    text = copy.config.read_text()
    for broken in (text.replace("seed: 42", "seed: 7"), "seed: [1"):
        copy.config.write_text(broken)
        with pytest.raises(UserError, match=r"config\.yaml was edited, or damaged"):
            open_run(str(copy.path))
    copy.config.unlink()
    open_run(str(copy.path)).lock.release()
    assert copy.config.read_text() == text


def write_table(path: Path, shift: float = 0.0) -> None:
    x = np.random.default_rng(0).normal(size=(80, 3)) + shift
    table = pd.DataFrame(x, columns=["a", "b", "c"]).assign(label=(x[:, 0] > shift).astype(int))
    table.to_csv(path, index=False)


def test_rows_may_move_but_not_change(tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv")
    source = ("data.source=csv", f"data.path={tmp_path / 'table.csv'}")
    run_ = begin(tmp_path, *source, kill_at="0001").run
    (tmp_path / "table.csv").rename(tmp_path / "moved.csv")
    write_table(tmp_path / "table.csv", shift=0.1)
    with pytest.raises(UserError, match="this is not the search that it was:\n  data: content"):
        resume(run_)
    done = resume(run_, f"data.path={tmp_path / 'moved.csv'}")
    assert len(done.progress.records) == 3
    assert run_.lock.read_text() == ""


class Wider(MLP):
    """The same HyperModel after somebody has edited its ranges."""

    def declare_network(self, hp: Any) -> None:
        super().declare_network(hp)
        hp.Int("extra", 1, 3)


def test_trap_an_edited_hypermodel_is_noticed(
    stopped: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HYPERMODELS, "mlp", f"{__name__}:Wider")
    with pytest.raises(UserError, match=r"space: extra .*, but was not there"):
        resume(stopped)


def test_a_run_in_use_is_refused_and_a_stale_lock_is_not(stopped: RunDirectory) -> None:
    with RunLock(stopped.lock):
        assert "process " in stopped.lock.read_text()
        with pytest.raises(UserError, match=r"another process searches in this run \(process \d+"):
            open_run(str(stopped.path))
    assert stopped.lock.read_text() == ""
    stopped.lock.write_text("process 1 on elsewhere since long ago\n")
    open_run(str(stopped.path)).lock.release()
    assert stopped.lock.read_text() == ""


@pytest.mark.usefixtures("fake")
def test_without_a_name_the_run_that_was_active_last_goes_on(folder: Path) -> None:
    for name in ("b", "a"):
        search(folder, f"run.name={name}", listeners=[StopAfter(1)])
    resumed = open_run(None, None, (f"run.directory={folder}",))
    resumed.lock.release()
    assert resumed.run.name == "a"
    with pytest.raises(UserError, match=r"Did you mean 'b'\? Runs in '.*': a, b"):
        open_run("b.", None, (f"run.directory={folder}",))
    with pytest.raises(UserError, match="holds no run yet"):
        open_run(None, None, (f"run.directory={folder / 'none'}",))


@pytest.mark.usefixtures("fake")
def test_weights_and_states_go_when_nothing_needs_them(folder: Path) -> None:
    weights: list[int] = []
    states: list[set[str]] = []

    class Counting(SearchListener):
        def on_trial_end(self, record: Any, progress: SearchProgress) -> None:
            trials = folder / "run" / "trials"
            weights.append(len(list(trials.glob("*/*.weights.npz"))))
            states.append({path.parent.name for path in trials.glob("*/*.state.npz")})

    outcome = search(folder, *TUNERS["hyperband"], "run.keep_top=2", listeners=[Counting()])
    assert max(weights) == 2
    parents = {r.spec.parent_id for r in outcome.progress.records if r.spec.parent_id}
    assert parents <= set().union(*states)
    assert len(states[-1]) < len(outcome.progress.records) / 2
    assert len(list(outcome.run.trials.iterdir())) == 2
    assert not list(outcome.run.trials.glob("*/*.state.npz"))
