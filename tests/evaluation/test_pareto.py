"""The Pareto front of the objective and secondary metrics, and where it is shown."""

import csv
import io
import itertools
import time
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from src.config.schema import ObjectiveSettings
from src.console.outcome import pareto_table
from src.errors import UserError
from src.evaluation.pareto import front_of, pareto_front
from src.execution.prediction_time import prediction_seconds
from src.records import FitResult, Reevaluation, TrialRecord, TrialResult, TrialSpec
from src.reporting.page.sections import tradeoffs_section
from src.reporting.run_data import read_run
from src.search.objective import resolve_objectives
from tests.quick_search import fake, resume, search  # noqa: F401

POINT = st.tuples(*[st.sampled_from([0.0, 1.0, 2.0, 3.0, np.nan, np.inf])] * 3)
DIRECTIONS = st.lists(st.sampled_from(["min", "max"]), min_size=3, max_size=3)


@settings(max_examples=100, deadline=None)
@given(st.lists(POINT, min_size=1, max_size=12), DIRECTIONS)
def test_the_front_is_that_of_brute_force(points: list[Any], directions: list[str]) -> None:
    signs = [1 if direction == "max" else -1 for direction in directions]
    scores = [[sign * value for sign, value in zip(signs, p, strict=True)] for p in points]

    def dominates(one: list[float], other: list[float]) -> bool:
        pairs = list(zip(one, other, strict=True))
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

    expected = [
        not any(np.isnan(own)) and not any(dominates(other, own) for other in scores)
        for own in scores
    ]
    assert pareto_front(np.array(points), directions).tolist() == expected


def record(trial_id: str, score: float, parameters: int, **more: Any) -> TrialRecord:
    again = more.pop("again", None)
    spec = TrialSpec(trial_id, more.pop("root", trial_id), None, {"values": {}}, 0, 1, folds=2)
    fits = tuple(
        FitResult(0, fold, score, 1, 1, {}) for fold in range(1 if "stopped_by" in more else 2)
    )
    result = TrialResult("COMPLETED", fits, "", "", (), parameters, 0.0, 1.0, "0", **more)
    return TrialRecord(spec, result, again)


def new_fits(score: float, reason: str = "") -> Reevaluation:
    return Reevaluation(1, (FitResult(1, 0, score, 1, 1, {}),), reason=reason)


def test_the_front_is_of_configurations_as_the_search_ranks_them() -> None:
    completed = [
        record("0001", 0.95, 60, again=new_fits(0.93)),
        record("0000", 0.99, 50, again=new_fits(0.90)),  # it had been lucky
        record("0004", 0.80, 20),
        record("0005", 0.80, 20, root="0004"),  # continues it
        record("0006", 0.70, 30),
        record("0002", 0.98, 10, stopped_by="limit"),  # of its first fold alone
        record("0003", 0.97, 5, again=new_fits(0.5, reason="it failed")),
    ]
    objectives = kt.Objective("val_accuracy", "max"), [kt.Objective("parameters", "min")]
    front = front_of(completed, *objectives)
    assert [r.spec.trial_id for r in front] == ["0001", "0000", "0004"]
    assert front_of(completed[-2:], *objectives) == []


def secondary(*names: str) -> tuple[Any, ...]:
    reported, space = ("accuracy", "log_loss", "f1", "own"), kt.HyperParameters()
    space.Float("label_smoothing", 0.0, 0.2)
    return resolve_objectives(ObjectiveSettings(secondary=names), "binary", reported, space)[1]


def test_secondary_metrics_have_directions_or_are_told() -> None:
    found = secondary("val_log_loss", "parameters", "val_f1", "prediction_seconds")
    assert [other.direction for other in found] == ["min", "min", "max", "min"]
    for names, told in (
        (["params"], "'params' is not reported for binary data. Did you mean 'parameters'?"),
        (["val_own"], "'val_own' has no direction that is known"),
        (["val_accuracy"], "'val_accuracy' is what the search optimises already"),
        (["val_f1", "val_f1"], "'val_f1' is there twice"),
        (["val_loss"], "cannot compare trials while label_smoothing"),
    ):
        with pytest.raises(UserError, match=r"objective\.\w+: ") as raised:
            secondary(*names)
        assert told in str(raised.value)


def test_the_time_of_a_prediction_is_that_of_the_fastest_of_20_calls_on_1000_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lasting = [9.0, 3.0, 2.0, *[4.0] * 17]
    ticks = itertools.accumulate([0.0, *(tick for seconds in lasting for tick in (seconds, 1.0))])
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    seen: list[Any] = []
    monkeypatch.setattr(model, "predict_on_batch", lambda x: seen.append(x.shape))
    assert prediction_seconds(model, np.ones((3, 2), "float32")) == 2.0
    assert seen == [(1000, 2)] * 21


def rows_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((folder / "run" / "trials.csv").read_text())))


@pytest.mark.usefixtures("fake")
def test_table_console_board_and_report_show_the_front(tmp_path: Path) -> None:
    metrics = "objective.secondary=[parameters, val_log_loss]"
    outcome = search(tmp_path, metrics, "tuner.max_trials=6")
    rows, front = rows_of(tmp_path), [r.spec.trial_id for r in outcome.progress.front]
    names = list(rows[0])
    assert names[names.index("epochs") - 2 : names.index("epochs")] == ["parameters", "pareto"]
    assert outcome.progress.completed[0].spec.trial_id == front[0]
    assert {row["trial_id"] for row in rows if row["pareto"] == "True"} == set(front)
    assert next(row for row in rows if row["status"] == "FAILED")["pareto"] == "False"
    text = Console(width=100, file=io.StringIO(), record=True)
    text.print(pareto_table(outcome.progress))
    header, *lines = (line.split() for line in text.export_text().splitlines())
    assert header[2:] == ["val_accuracy", "parameters", "val_log_loss"]
    assert [line[0] for line in lines] == front
    events = EventAccumulator(str(outcome.run.tensorboard / front[0])).Reload()
    assert events.Scalars("pareto")[-1].value == 1
    assert tradeoffs_section(read_run(outcome.run)).count("<tr>") == 1 + len(front)

    search(tmp_path / "parts", metrics, "tuner.max_trials=2")
    resume(tmp_path / "parts", "tuner.max_trials=6")
    assert [r["pareto"] for r in rows_of(tmp_path / "parts")] == [r["pareto"] for r in rows]
