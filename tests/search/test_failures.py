"""A failed trial never takes the search with it; an oracle that raises ends it with its line."""

import threading
from pathlib import Path
from typing import Any

import keras_tuner as kt
import pytest

from src.messages import TrialProgress
from src.registry import TUNERS
from src.reporting import load_trials
from src.search import run
from src.search.listener import SearchListener
from src.store.run_directory import RunDirectory
from src.store.saved_search import read_search
from src.tuners.oracle import SearchOracle
from src.tuners.random_search import RandomOracle
from tests.conftest import MakeConfig


def test_a_rejected_model_is_told_and_is_no_failure_in_a_row(tiny: MakeConfig) -> None:
    overrides = ("space.units=[4, 16]", "tuner.name=grid", "tuner.max_trials=4", "space.layers=1")
    limits = ("limits.parameters=60", "limits.consecutive_failures=1")
    outcome = run(tiny(*overrides, *limits))
    assert outcome.end.kind == "finished"
    rows = load_trials(outcome.run)
    large = rows["units"] == 16
    assert (len(rows), large.sum()) == (4, 2)
    reason = r"rejected: (131|195) parameters, more than limits\.parameters=60"
    assert rows[large]["reason"].str.fullmatch(reason).all()
    assert set(rows[~large]["status"]) == {"COMPLETED"}
    assert rows[large]["epochs"].eq(0).all()


class Faulty(SearchOracle):
    """Raises when the second trial is asked for."""

    def propose(self, trial_id: str) -> dict[str, Any]:
        if len(self.trials) == 1:
            raise ZeroDivisionError("no points left to divide")
        hps = self.get_space()
        for hp in hps.space:
            if hps.is_active(hp):
                hps.values[hp.name] = hp.default
        return {"status": "RUNNING", "values": hps.values}


@pytest.mark.parametrize(("learns", "workers"), [(True, 1), (False, 1), (True, 2)])
def test_an_oracle_that_raises_ends_the_search_with_its_line(
    learns: bool, workers: int, tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TUNERS, "faulty", f"{__name__}:Faulty")
    monkeypatch.setattr(Faulty, "learns", learns)
    outcome = run(tiny("tuner.name=faulty", f"run.workers={workers}"))
    assert outcome.end.kind == "failing"
    assert outcome.end.reason.startswith(
        "tuner.name=faulty raised ZeroDivisionError: no points left to divide ("
    )
    assert 'raise ZeroDivisionError("no points left to divide")' in outcome.end.reason
    saved, begun = read_search(outcome.run), ["0000"] if workers == 1 else []
    assert list(saved.specs) == [r.spec.trial_id for r in saved.records] == begun


class Secretive(RandomOracle):
    """Does not tell its state once a trial has ended."""

    def get_state(self) -> dict[str, Any]:
        if len(self.trials) > len(self.ongoing_trials):
            raise ValueError("my state is nobody's business")
        return super().get_state()


def test_a_trial_that_ended_is_kept_though_the_oracle_does_not_tell_its_state(
    tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TUNERS, "secretive", f"{__name__}:Secretive")
    outcome = run(tiny("tuner.name=secretive"))
    assert outcome.end.kind == "failing"
    assert "tuner.name=secretive raised ValueError: my state is nobody's" in outcome.end.reason
    assert [r.spec.trial_id for r in read_search(outcome.run).records] == ["0000"]


class Nervous(SearchListener):
    """Raises while a trial trains."""

    def on_progress(self, running: TrialProgress) -> None:
        raise ValueError("too fast")


@pytest.mark.parametrize("engine", ["serial", "process"])
def test_a_listener_that_raises_in_a_training_ends_the_search_and_fails_no_trial(
    tiny: MakeConfig, tmp_path: Path, engine: str
) -> None:
    with pytest.raises(ValueError, match="too fast"):
        run(tiny("run.name=nervous", f"run.engine={engine}"), listeners=[Nervous()])
    saved = read_search(RunDirectory(tmp_path / "nervous"))
    assert {record.result.status for record in saved.records} <= {"COMPLETED"}


@pytest.mark.parametrize(
    ("method", "arguments"),
    [("create_trial", ["b"]), ("end_trial", [None]), ("update_trial", ["unknown", {"score": 1.0}])],
)
def test_trap_an_oracle_that_raises_holds_no_lock(method: str, arguments: list[Any]) -> None:
    oracle = Faulty(objective=kt.Objective("score", "max"))
    trial = oracle.create_trial("a")
    with pytest.raises((ZeroDivisionError, KeyError, AttributeError)):
        getattr(oracle, method)(*arguments)
    done = threading.Event()

    def ask() -> None:
        oracle.update_trial(trial.trial_id, {"score": 1.0})
        done.set()

    threading.Thread(target=ask, daemon=True).start()
    assert done.wait(5)
