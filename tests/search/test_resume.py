"""A search that was stopped goes on as if it had never stopped; another search is refused."""

import json
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
from src.reporting import report_listeners
from src.search import run
from src.search.listener import SearchListener
from src.search.progress import SearchProgress
from src.search.resume import CHANGEABLE, open_run
from src.search.workflow import SearchOutcome
from src.store.lock import RunLock
from src.store.run_directory import RunDirectory
from tests.conftest import TINY

VARYING = ["seconds", "started", "ended", "worker"]
HYPERBAND = ("tuner.name=hyperband", "training.epochs=4", "tuner.factor=2", "tuner.max_trials=auto")
TUNERS = {
    "random": ("tuner.max_trials=4",),
    "bayesian": ("tuner.name=bayesian", "tuner.max_trials=8"),
    "hyperband": HYPERBAND,
    "bohb": ("tuner.name=bohb", "training.epochs=4", "tuner.factor=2", "tuner.max_trials=11"),
    "grid": ("tuner.name=grid", "tuner.max_trials=4"),
}


class KillAt(SearchListener):
    """Leaves the disk as a kill does when the given trial begins: nothing more is written."""

    def __init__(self, trial_id: str) -> None:
        self.trial_id = trial_id

    def on_trial_begin(self, spec: TrialSpec, progress: SearchProgress) -> None:
        if spec.trial_id == self.trial_id:
            raise KeyboardInterrupt


def begin(
    folder: Path, *overrides: str, name: str = "run", kill_at: str | None = None, **options: Any
) -> SearchOutcome:
    killer = [] if kill_at is None else [KillAt(kill_at)]
    listeners = [*report_listeners(), *killer]
    settings = [*TINY, f"run.directory={folder}", f"run.name={name}", *overrides]
    return run("quick", settings, listeners, **options)


def resume(run_: RunDirectory, *overrides: str, kill_at: str | None = None) -> SearchOutcome:
    killer = [] if kill_at is None else [KillAt(kill_at)]
    return run(None, overrides, [*report_listeners(), *killer], resume=str(run_.path))


def tables(run_: RunDirectory) -> tuple[str, str]:
    """trials.csv and history.csv without what differs between identical runs."""
    trials = pd.read_csv(run_.trials_table, dtype=str).drop(columns=VARYING)
    return trials.to_csv(index=False), run_.history_table.read_text()


@pytest.mark.parametrize(  # the command tests them too, and the others
    "tuner",
    [pytest.param(name, marks=pytest.mark.slow) for name in ("bayesian", "bohb", "hyperband")],
)
def test_a_killed_search_goes_on_exactly(tuner: str, tmp_path: Path) -> None:
    whole = begin(tmp_path, *TUNERS[tuner], name="whole")
    last = whole.progress.records[-1].spec.trial_id
    assert len(whole.progress.records) >= 4
    cut = begin(tmp_path, *TUNERS[tuner], name="stopped_by", kill_at="0001")
    assert cut.end.kind == "interrupted"
    cut = resume(cut.run, kill_at=last)
    assert (cut.resumed_trials, cut.end.kind) == (1, "interrupted")
    cut = resume(cut.run)
    assert cut.resumed_trials == len(whole.progress.records) - 1
    assert tables(cut.run) == tables(whole.run)
    assert cut.run.predictions.read_bytes() == whole.run.predictions.read_bytes()
    assert cut.winner is not None
    assert cut.winner.test == (whole.winner and whole.winner.test)
    assert cut.end == whole.end


@pytest.mark.slow
def test_a_finished_search_runs_nothing_more_and_keeps_its_model(tmp_path: Path) -> None:
    first = begin(tmp_path)
    before = first.run.model.stat().st_mtime_ns
    again = resume(first.run)
    assert again.end == first.end
    assert len(again.progress.records) == again.resumed_trials == 3
    assert again.winner is not None
    assert first.winner is not None
    assert (again.winner.validation, again.winner.test) == (
        first.winner.validation,
        first.winner.test,
    )
    assert again.run.model.stat().st_mtime_ns == before


@pytest.mark.slow  # with made-up trainings, test_faults.py does the same
@pytest.mark.parametrize("tuner", ["hyperband"])
def test_a_larger_budget_goes_on_as_if_it_had_been_there_from_the_start(
    tuner: str, tmp_path: Path
) -> None:
    longer = [*TUNERS[tuner], "tuner.max_trials=6"]
    whole = begin(tmp_path, *longer, name="whole")
    grown = resume(begin(tmp_path, *longer, "tuner.max_trials=2", name="grown").run, longer[-1])
    assert len(grown.progress.records) == 6
    assert tables(grown.run) == tables(whole.run)
    assert grown.run.predictions.read_bytes() == whole.run.predictions.read_bytes()
    assert yaml.safe_load(grown.run.config.read_text())["tuner"]["max_trials"] == 6
    assert resume(grown.run).resumed_trials == 6  # the larger budget was kept


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("seed=7", "seed: 7, but was 42"),
        ("data.source=wine", 'data.source: "wine", but was "iris"'),
        ("data.test_fraction=0.3", "data.test_fraction: 0.3, but was 0.2"),
        ("hypermodel.name=residual_mlp", 'hypermodel.name: "residual_mlp", but was "mlp"'),
        ("space.units.max=8", "space.units: max 8, but was 16"),
        ("space.dropout=open", "space.dropout: "),
        ("tuner.name=bayesian", 'tuner.name: "bayesian", but was "random"'),
        ("tuner.executions_per_trial=2", "tuner.executions_per_trial: 2, but was 1"),
        ("objective.name=val_log_loss", 'objective.name: "val_log_loss", but was "auto"'),
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
    assert message.startswith(f"--resume {stopped.path}: these settings would make it another")
    assert f"\n  {problem}" in message
    assert "tuner.max_trials" in message.splitlines()[-1]
    assert {p: p.read_bytes() for p in stopped.path.rglob("*") if p.is_file()} == before


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return begin(tmp_path_factory.mktemp("logs"), kill_at="0001").run


def test_budget_workers_limits_and_places_may_change(stopped: RunDirectory) -> None:
    changes = (
        *("tuner.max_trials=9", "limits.consecutive_failures=2", "run.workers=2"),
        *("run.keep_top=1", "run.name=other"),
    )
    resumed = open_run(str(stopped.path), None, changes)
    resumed.lock.release()
    assert resumed.config.tuner.max_trials == 9
    assert resumed.config.run.workers == 2
    assert resumed.saved is not None
    assert len(resumed.saved.records) == 1
    assert set(CHANGEABLE) >= {"tuner.max_trials", "limits.", "run."}


def test_the_whole_command_may_be_repeated_with_resume(stopped: RunDirectory) -> None:
    again = (*TINY, f"run.directory={stopped.path.parent}", "run.name=run")
    resumed = open_run(None, "quick", again)
    resumed.lock.release()
    assert resumed.run.path == stopped.path


def write_table(path: Path, shift: float = 0.0) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3)) + shift
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
    assert not run_.lock.exists()


class Wider(MLP):
    """The same HyperModel after somebody has edited its ranges."""

    def declare_network(self, hp: Any) -> None:
        super().declare_network(hp)
        hp.Int("extra", 1, 3)


def test_trap_an_edited_hypermodel_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_ = begin(tmp_path, kill_at="0001").run
    monkeypatch.setitem(HYPERMODELS, "mlp", f"{__name__}:Wider")
    with pytest.raises(UserError, match=r"space: extra .*, but was not there"):
        resume(run_)


def test_a_run_can_be_moved(tmp_path: Path) -> None:
    whole = begin(tmp_path, name="whole")
    cut = begin(tmp_path, name="stopped_by", kill_at="0002").run
    elsewhere = tmp_path / "another" / "folder"
    elsewhere.parent.mkdir()
    shutil.move(cut.path, elsewhere)
    moved = resume(RunDirectory(elsewhere))
    assert moved.run.path == elsewhere
    assert not cut.path.exists()
    assert tables(moved.run) == tables(whole.run)


def test_a_run_in_use_is_refused_and_a_stale_lock_is_not(stopped: RunDirectory) -> None:
    with RunLock(stopped.lock):
        assert "process " in stopped.lock.read_text()
        with pytest.raises(UserError, match=r"another process searches in this run \(process \d+"):
            open_run(str(stopped.path))
    assert not stopped.lock.exists()
    stopped.lock.write_text("process 1 on elsewhere since long ago\n")
    open_run(str(stopped.path)).lock.release()
    assert not stopped.lock.exists()


def test_without_a_name_the_run_that_was_active_last_goes_on(tmp_path: Path) -> None:
    for name in ("a", "b"):
        begin(tmp_path, name=name, kill_at="0001")
    resume(RunDirectory(tmp_path / "a"), kill_at="0002")
    resumed = open_run(None, None, (f"run.directory={tmp_path}",))
    resumed.lock.release()
    assert resumed.run.name == "a"
    with pytest.raises(UserError, match=r"Did you mean 'b'\? Runs in '.*': a, b"):
        open_run("b.", None, (f"run.directory={tmp_path}",))
    with pytest.raises(UserError, match="holds no run yet"):
        open_run(None, None, (f"run.directory={tmp_path / 'none'}",))


def test_both_snapshots_damaged_is_one_clear_error(tmp_path: Path) -> None:
    run_ = begin(tmp_path, kill_at="0002").run
    state = json.loads(run_.snapshot.read_text())
    state["state"]["records"][0]["result"]["parameters"] = 1
    run_.snapshot.write_text(json.dumps(state, separators=(",", ":")) + "\n")
    run_.previous_snapshot.write_text("")
    with pytest.raises(UserError) as caught:
        resume(run_)
    assert str(caught.value).startswith(
        f"{run_.snapshot} was changed after it was written, and search.previous.json is empty"
    )
    assert f"--config {run_.config}" in str(caught.value)


def test_weights_and_states_go_when_nothing_needs_them(tmp_path: Path) -> None:
    most: list[int] = []

    class Counting(SearchListener):
        def on_trial_end(self, record: Any, progress: SearchProgress) -> None:
            trials = tmp_path / "run" / "trials"
            most.append(len(list(trials.glob("*/*.weights.npz"))))
            states.append({path.parent.name for path in trials.glob("*/*.state.npz")})

    states: list[set[str]] = []
    overrides = [*TINY, *HYPERBAND, f"run.directory={tmp_path}", "run.name=run", "run.keep_top=2"]
    outcome = run("quick", overrides, [*report_listeners(), Counting()])
    assert max(most) <= 4  # two of the state, and two of the state before
    parents = {r.spec.parent_id for r in outcome.progress.records if r.spec.parent_id}
    assert parents <= set().union(*states)
    assert len(states[-1]) < len(outcome.progress.records) / 2
    assert len(list(outcome.run.trials.iterdir())) == 2
    assert not list(outcome.run.trials.glob("*/*.state.npz"))
