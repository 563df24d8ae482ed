"""The Pareto front of what counts, in the tables, the console and TensorBoard."""

import csv
import io
import itertools
import time
from dataclasses import replace
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

from src.config import load_config
from src.config.schema import ObjectiveSettings
from src.console.summary import _front_table
from src.errors import UserError
from src.evaluation.pareto import pareto_front
from src.execution.prediction_time import prediction_seconds
from src.records import FitResult, Reevaluation, TrialRecord, TrialResult, TrialSpec
from src.reporting import load_trials, report_listeners
from src.reporting.page.sections import tradeoffs_section
from src.reporting.run_data import read_run
from src.search import run
from src.search.objective import resolve_also
from src.search.preparation import prepare
from src.search.progress import SearchProgress
from src.store.run_directory import RunDirectory
from tests.conftest import TINY
from tests.quick_search import fake, resume, search  # noqa: F401


def by_brute_force(points: list[tuple[float, ...]], directions: list[str]) -> list[bool]:
    def better(one: float, other: float, direction: str) -> bool:
        return one > other if direction == "max" else one < other

    def dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
        each = list(zip(one, other, directions, strict=True))
        return any(better(a, b, d) for a, b, d in each) and not any(
            better(b, a, d) for a, b, d in each
        )

    whole = [not any(np.isnan(point)) for point in points]
    return [
        whole[i]
        and not any(whole[j] and dominates(points[j], points[i]) for j in range(len(points)))
        for i in range(len(points))
    ]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(*[st.sampled_from([0.0, 1.0, 2.0, 3.0, float("nan"), float("inf")])] * 3),
        min_size=1,
        max_size=12,
    ),
    st.lists(st.sampled_from(["min", "max"]), min_size=3, max_size=3),
)
def test_the_front_is_that_of_brute_force(
    points: list[tuple[float, ...]], directions: list[str]
) -> None:
    front = pareto_front(np.array(points), directions)
    assert front.tolist() == by_brute_force(points, directions)


def test_equal_points_are_on_the_front_together_and_directions_count() -> None:
    points = np.array([[0.9, 100], [0.9, 100], [0.9, 200], [0.8, 50], [0.7, 50]])
    assert pareto_front(points, ["max", "min"]).tolist() == [True, True, False, True, False]
    assert pareto_front(points, ["max", "max"]).tolist() == [False, False, True, False, False]
    assert pareto_front(np.empty((0, 2)), ["max", "min"]).tolist() == []


OBJECTIVE = kt.Objective("val_accuracy", "max")
METRICS = ("accuracy", "log_loss", "f1", "own")


def also(*names: str, space: kt.HyperParameters | None = None) -> tuple[Any, ...]:
    chosen = ObjectiveSettings(secondary=names)
    return resolve_also(chosen, OBJECTIVE, "binary", METRICS, space or kt.HyperParameters())


def test_what_else_counts_has_its_direction() -> None:
    found = also("val_log_loss", "parameters", "val_f1", "prediction_seconds")
    assert [(other.name, other.direction) for other in found] == [
        *(("val_log_loss", "min"), ("parameters", "min")),
        *(("val_f1", "max"), ("prediction_seconds", "min")),
    ]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["params"], "'params' is not reported for binary data. Did you mean 'parameters'?"),
        (["val_own"], "'val_own' has no direction that is known"),
        (["val_accuracy"], "'val_accuracy' is what the search optimises already"),
        (["val_f1", "val_f1"], "'val_f1' is there twice"),
        (["val_rmse"], "Valid: parameters, prediction_seconds, val_log_loss, val_f1, val_loss"),
    ],
)
def test_what_cannot_count_is_told(names: list[str], told: str) -> None:
    with pytest.raises(UserError, match=r"objective\.secondary: ") as raised:
        also(*names)
    assert told in str(raised.value)


def test_the_loss_counts_only_where_it_is_not_searched() -> None:
    space = kt.HyperParameters()
    space.Float("label_smoothing", 0.0, 0.2)
    assert also("val_loss")[0].direction == "min"
    with pytest.raises(UserError, match="cannot compare trials while label_smoothing"):
        also("val_loss", space=space)


def test_the_time_of_a_prediction_is_that_of_the_fastest_of_20_calls_on_1000_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lasting = [9.0, 3.0, 2.0, *[4.0] * 17]
    ticks = itertools.accumulate([0.0, *(tick for seconds in lasting for tick in (seconds, 1.0))])
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    seen: list[Any] = []
    monkeypatch.setattr(model, "predict_on_batch", lambda x: seen.append(x.shape))
    assert prediction_seconds(model, np.ones((3, 2), "float32")) == 2.0
    assert seen == [(1000, 2)] * 21


def _record(trial_id: str, score: float, parameters: int, **more: Any) -> TrialRecord:
    spec = TrialSpec(trial_id, more.pop("root", trial_id), None, {"values": {}}, 0, 1, folds=2)
    fits = tuple(
        FitResult(0, fold, score, 1, 1, {}) for fold in range(1 if "stopped_by" in more else 2)
    )
    result = TrialResult("COMPLETED", fits, "", "", (), parameters, 0.0, 1.0, "0", **more)
    return TrialRecord(spec, result)


def _confirmed(record: TrialRecord, score: float, reason: str = "") -> TrialRecord:
    fits = (FitResult(1, 0, score, 1, 1, {}),)
    return replace(record, reevaluation=Reevaluation(1, fits, reason=reason))


def test_the_front_is_of_configurations_as_the_search_ranks_them() -> None:
    also = (kt.Objective("parameters", "min"),)
    progress = SearchProgress(kt.Objective("val_accuracy", "max"), None, also=also)
    progress.records = [
        _confirmed(_record("0000", 0.99, 50), 0.90),  # it had been lucky
        _confirmed(_record("0001", 0.95, 60), 0.93),
        _record("0002", 0.98, 10, cut="ended"),  # of its first fold alone
        _confirmed(_record("0003", 0.97, 5), 0.5, reason="it failed"),
        _record("0004", 0.80, 20),
        _record("0005", 0.80, 20, root="0004"),  # continues it
        _record("0006", 0.70, 30),
    ]
    assert [r.spec.trial_id for r in progress.front] == ["0001", "0000", "0004"]


SETTINGS = ("objective.secondary=[parameters, val_log_loss]", "tuner.max_trials=6")


def rows_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((folder / "run" / "trials.csv").read_text())))


@pytest.mark.usefixtures("fake")
def test_the_table_tells_the_front_during_the_search_and_after_a_resume(tmp_path: Path) -> None:
    outcome = search(tmp_path, *SETTINGS)
    rows = rows_of(tmp_path)
    names = list(rows[0])
    assert names[names.index("epochs") - 2 : names.index("epochs")] == ["parameters", "pareto"]
    assert names.count("val_log_loss") == 1
    front = {record.spec.trial_id for record in outcome.progress.front}
    assert outcome.progress.best is not None
    assert outcome.progress.best.spec.trial_id in front
    assert {row["trial_id"] for row in rows if row["pareto"] == "True"} == front
    failed = next(row for row in rows if row["status"] == "FAILED")
    assert failed["pareto"] == "False"
    whole = [row["pareto"] for row in rows]
    search(tmp_path / "parts", SETTINGS[0], "tuner.max_trials=2")
    resume(tmp_path / "parts", SETTINGS[1])
    assert [row["pareto"] for row in rows_of(tmp_path / "parts")] == whole


@pytest.mark.usefixtures("fake")
def test_without_anything_else_that_counts_there_are_no_columns(tmp_path: Path) -> None:
    search(tmp_path, "tuner.max_trials=2")
    assert {"pareto", "parameters"}.isdisjoint(rows_of(tmp_path)[0])
    assert tradeoffs_section(read_run(RunDirectory(tmp_path / "run"))) == ""


def scalars(folder: Path) -> dict[str, float]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"]}


@pytest.mark.slow
def test_a_real_search_counts_parameters_seconds_and_a_metric_on_request(tmp_path: Path) -> None:
    plain = [*TINY, f"run.directory={tmp_path}", "run.engine=serial", "tuner.max_trials=3"]
    plain += ["space.units={min: 4, max: 64}", "space.dropout={min: 0.1, max: 0.5}"]
    overrides = [*plain, "run.name=run"]
    overrides += ["objective.secondary=[parameters, prediction_seconds, val_f1]"]
    outcome = run("quick", overrides, report_listeners())
    trials = load_trials(tmp_path / "run")
    run("quick", [*plain, "run.name=plain"], report_listeners())  # nothing trains otherwise
    assert trials["score"].tolist() == load_trials(tmp_path / "plain")["score"].tolist()
    assert (trials["parameters"] > 0).all()
    assert ((trials["prediction_seconds"] > 0) & (trials["prediction_seconds"] < 60)).all()
    assert trials["val_f1"].between(0, 1).all()
    points = trials[["score", "parameters", "prediction_seconds", "val_f1"]].to_numpy(float)
    expected = pareto_front(points, ["max", "min", "min", "max"])
    assert trials["pareto"].tolist() == expected.tolist()
    for _, trial in trials.iterrows():
        written = scalars(outcome.run.tensorboard / trial["trial_id"])
        assert written["pareto"] == trial["pareto"]
        assert written["best_epoch/prediction_seconds"] == pytest.approx(
            trial["prediction_seconds"]
        )
    text = Console(width=100, file=io.StringIO(), record=True)
    text.print(_front_table(outcome.progress))
    shown = text.export_text().splitlines()
    assert shown[0].split() == [
        *("Pareto", "front", "val_accuracy", "parameters", "prediction_seconds", "val_f1"),
    ]
    assert len(shown) == 1 + expected.sum()
    page = tradeoffs_section(read_run(outcome.run))
    assert page.count("<svg") == 3
    assert page.count("<tr>") == 1 + expected.sum()
    assert f"<td>{outcome.progress.front[0].spec.trial_id}</td>" in page
    best = outcome.progress.best
    assert best is not None
    assert shown[1].split()[0] == best.spec.trial_id


def test_unknown_names_are_told_before_anything_runs() -> None:
    config = load_config("quick", [*TINY, "objective.secondary=[val_rmse]"])
    with pytest.raises(UserError, match=r"objective\.secondary: 'val_rmse' is not reported"):
        prepare(config)
