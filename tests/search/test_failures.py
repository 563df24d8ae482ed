"""A failed trial never takes the search with it; an oracle that raises ends it with its line."""

import os
import threading
from pathlib import Path
from typing import Any

import keras_tuner as kt
import pandas as pd
import pytest

from hypermodels import HYPERMODELS
from hypermodels.mlp import MLP
from src.records import TrialRecord
from src.registry import TUNERS
from src.reporting import load_history, load_trials
from src.search import run
from src.search.listener import SearchListener
from src.store.saved_search import read_search
from src.tuners.oracle import SearchOracle
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


class Flaky(MLP):
    """Raises at the first attempt of every trial, after it has left something behind."""

    def fit(self, hp: Any, model: Any, *arguments: Any, **options: Any) -> Any:
        history = super().fit(hp, model, *arguments, **options)
        mark = Path(os.environ["FLAKY_MARKS"]) / str(hp.get("learning_rate"))
        if "callbacks" in options and not mark.exists():  # not in the rehearsal
            mark.touch()
            raise RuntimeError("not today")
        return history


class Retries(SearchListener):
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def on_trial_retry(self, record: TrialRecord) -> None:
        self.told.append((record.spec.trial_id, record.result.reason))


def test_a_retry_starts_clean_and_from_another_seed(
    tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(HYPERMODELS, "flaky", f"{__name__}:Flaky")
    monkeypatch.setenv("FLAKY_MARKS", str(tmp_path))
    two = ("tuner.max_trials=2", "training.epochs=1")
    plain = run(tiny(*two, "run.name=plain"))
    retries = Retries()
    flaky = ("hypermodel.name=flaky", "limits.retries=1", "run.name=flaky")
    outcome = run(tiny(*two, *flaky), listeners=[retries])
    assert retries.told == [(f"000{n}", "RuntimeError: not today") for n in range(2)]
    for mine, other in zip(outcome.progress.records, plain.progress.records, strict=True):
        assert (mine.result.status, mine.result.attempt) == ("COMPLETED", 1)
        assert mine.spec.values == other.spec.values
        assert mine.result.metrics["val_loss"] != other.result.metrics["val_loss"]
    assert not load_history(outcome.run).duplicated(["trial_id", "epoch"]).any()
    assert len(list(outcome.run.tensorboard.rglob("*.trial*"))) == 2
    assert pd.Series(r.result.trained for r in outcome.progress.records).eq(2).all()
    (tmp_path / "afresh").mkdir()
    monkeypatch.setenv("FLAKY_MARKS", str(tmp_path / "afresh"))
    once = run(tiny(*two, "hypermodel.name=flaky", "run.name=spent", "seed=1"))
    assert once.progress.failures == 2


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


@pytest.mark.parametrize("workers", [1, 2])
def test_an_oracle_that_raises_ends_the_search_with_its_line(
    workers: int, tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TUNERS, "faulty", f"{__name__}:Faulty")
    outcome = run(tiny("tuner.name=faulty", f"run.workers={workers}"))
    assert outcome.end.kind == "failing"
    assert outcome.end.reason.startswith(
        "tuner.name=faulty raised ZeroDivisionError: no points left to divide ("
    )
    assert 'raise ZeroDivisionError("no points left to divide")' in outcome.end.reason
    assert list(read_search(outcome.run).specs) == (["0000"] if workers == 1 else [])


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
