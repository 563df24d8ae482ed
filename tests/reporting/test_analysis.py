"""Importance finds what decided, and claims nothing where nothing did; counts agree with others."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from hypermodels.problem import Task
from src.config.objectives import KNOWN_DIRECTIONS, judged_metric
from src.evaluation.metrics import evaluate
from src.reporting.analysis.importance import Importance, importances
from src.reporting.analysis.noise import score_noise
from src.reporting.analysis.winner import class_report, curves, errors, probabilities, shown_split
from src.reporting.domains import Domain
from src.reporting.run_data import RunData
from tests.reporting.tables import run_data, trials_table

RATE = Domain("rate", "float", low=1e-4, high=1e-1, log=True)
WIDTH = Domain("width", "int", low=8, high=64)
KIND = Domain("kind", "choice", ("plain", "fancy"))
EXTRA = Domain("extra", "float", low=0.0, high=1.0, conditions=(("kind", ("fancy",)),))
DOMAINS = (RATE, WIDTH, KIND, EXTRA)


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.reporting.analysis.importance.TREES", 16)


def points(number: int, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    kind = generator.choice(["plain", "fancy"], number)
    return pd.DataFrame(
        {
            "rate": 10 ** generator.uniform(-4, -1, number),
            "width": generator.integers(8, 65, number),
            "kind": kind,
            "extra": np.where(kind == "fancy", generator.uniform(0, 1, number), np.nan),
        }
    )


def columns_of(space: pd.DataFrame) -> dict[str, list[object]]:
    return {str(name): space[name].tolist() for name in space}


def importance_of(scores: "pd.Series[float]", space: pd.DataFrame) -> Importance:
    return importances(trials_table(scores, **columns_of(space)), DOMAINS)


def test_the_hyperparameter_that_decides_is_the_one_that_matters() -> None:
    space = points(100)
    found = importance_of(-((np.log10(space["rate"]) + 2.5) ** 2), space)
    assert found.r2 is not None
    assert found.r2 > 0.7
    assert next(iter(found.share)) == "rate"
    assert [name for name in found.share if found.matters(name)] == ["rate"]
    assert found.is_idle("width")
    assert found.is_idle("kind")


def test_what_a_condition_switches_on_counts_for_its_parent() -> None:
    space = points(80)
    found = importance_of((space["kind"] == "fancy") * 1.0 + (space.index == 7) / 2, space)
    assert next(iter(found.share)) == "kind"
    assert not found.matters("extra")  # although whether it is there tells the kind


def test_an_inactive_value_is_not_the_default() -> None:
    space = points(80)
    active = space["extra"].fillna(0.0) * (space["kind"] == "fancy")
    found = importance_of(active, space)
    assert found.matters("extra")


def test_scores_by_chance_few_trials_and_equal_scores_lead_to_no_claim() -> None:
    for seed in range(2):
        noise = pd.Series(np.random.default_rng(100 + seed).normal(size=40))
        found = importance_of(noise, points(40, seed))
        assert not any(map(found.matters, found.share))
    few, many = points(11), points(40)
    assert importance_of(few["rate"], few).r2 is None
    assert importance_of(many["rate"] * 0, many).r2 is None


def test_the_direction_does_not_matter() -> None:
    space = points(30)
    table = trials_table(np.log(space["rate"]), **columns_of(space))
    turned = importances(table.assign(score=-table["score"]), DOMAINS, "min")
    assert turned.share == pytest.approx(importances(table, DOMAINS).share)


def test_promotions_do_not_count_twice() -> None:
    space = points(24)
    table = trials_table(np.log(space["rate"]), **columns_of(space))
    table["parent"] = [None] * 20 + ["0000", "0001", "0002", "0003"]
    assert importances(table, DOMAINS).trials == 20


def noisy(**changes: object) -> RunData:
    return run_data(trials_table(pd.Series([0.9, 0.8])), **changes)


def test_the_noise_of_an_accuracy_is_that_of_its_rows() -> None:
    recorded = {"data": {"rows": {"train": 300, "validation": 100}}}
    noise = score_noise(noisy(objective="val_accuracy", recorded=recorded))
    assert noise is not None
    assert noise.error == pytest.approx((0.9 * 0.1 / 100) ** 0.5)
    assert noise.difference == pytest.approx(8**0.5 * noise.error)
    folds = score_noise(
        noisy(objective="val_accuracy", recorded=recorded, settings={"tuner.folds": 4})
    )
    assert folds is not None
    assert folds.error == pytest.approx((0.9 * 0.1 / 400) ** 0.5)


def test_repeats_tell_the_noise_themselves() -> None:
    table = trials_table(pd.Series([0.9, 0.8]), score_std=[0.03, 0.04])
    noise = score_noise(run_data(table, settings={"tuner.executions_per_trial": 4}))
    assert noise is not None
    assert noise.error == pytest.approx((0.00125**0.5) / 2)


def test_trials_of_the_same_folds_are_compared_fold_by_fold() -> None:
    generator = np.random.default_rng(0)
    trial, fold = generator.normal(0, 1, (10, 1)), generator.normal(0, 5, (1, 20))
    scores = trial + fold + generator.normal(0, 0.1, (10, 20))
    fits = pd.DataFrame(
        {"trial_id": f"{t:04d}", "execution": 0, "fold": f, "score": scores[t, f]}
        for t in range(10)
        for f in range(20)
    )
    table = trials_table(scores.mean(axis=1), score_std=scores.std(axis=1, ddof=1))
    data = run_data(table, settings={"tuner.folds": 20}, fits=fits)
    noise = score_noise(data)
    assert noise is not None
    shared = 1 / 20 + 1 / 19  # folds have training rows in common
    assert noise.error == pytest.approx(0.1 * shared**0.5, rel=0.2)  # and nothing of the 5
    unpaired = score_noise(replace(data, fits=fits.head(20)))
    assert unpaired is not None
    assert unpaired.error > 0.5


def of_the_winner(objective: str, rows: pd.DataFrame, direction: str = "max") -> float | None:
    rows = rows.assign(split="validation")
    recorded = {"data": {"rows": {"validation": len(rows)}}}
    data = noisy(objective=objective, direction=direction, predictions=rows, recorded=recorded)
    noise = score_noise(data)
    return None if noise is None else noise.error


def values(rows: int, seed: int) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    target = generator.normal(0, 4, rows)
    return pd.DataFrame({"target": target, "prediction": target + generator.normal(0, 2, rows)})


CLASSES = ("val_balanced_accuracy", "val_f1", "val_auc", "val_pr_auc", "val_log_loss")


@pytest.mark.parametrize(
    ("objective", "task"),
    [
        *((name, "multiclass") for name in CLASSES),
        ("val_auc", "binary"),
        *((name, "regression") for name in ("val_rmse", "val_mae", "val_r2")),
    ],
)
def test_the_noise_of_a_score_is_what_other_rows_would_change(objective: str, task: Task) -> None:
    def drawn(seed: int, rows: int = 400) -> pd.DataFrame:
        if task == "regression":
            return values(rows, seed)
        return predictions(rows, ("no", "yes") if task == "binary" else ("a", "b", "c"), seed)

    found = []
    for seed in range(2, 42):
        table = drawn(seed)
        if task == "regression":
            truth, given = errors(table)
        else:
            truth, given = probabilities(table)
            given = given[:, 1:] if task == "binary" else given
        found.append(evaluate(task, truth, given)[judged_metric(objective)])
    direction = KNOWN_DIRECTIONS[objective]
    expected = np.std(np.array(found, float))
    assert of_the_winner(objective, drawn(1), direction) == pytest.approx(expected, rel=0.4)
    assert of_the_winner(objective, drawn(1, rows=10), direction) is None


def test_a_score_that_the_rows_do_not_tell_has_no_noise() -> None:
    assert of_the_winner("val_loss", values(100, 0), "min") is None
    assert of_the_winner("val_f1", values(100, 0)) is None
    assert of_the_winner("val_rmse", predictions(), "min") is None
    assert score_noise(noisy(objective="val_accuracy")) is None  # nobody knows of how many rows


def predictions(
    rows: int = 300, classes: tuple[str, ...] = ("a", "b", "c"), seed: int = 1
) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    target = generator.integers(0, len(classes), rows)
    logits = generator.normal(size=(rows, len(classes)))
    logits[np.arange(rows), target] += 1.0
    probability = np.round(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), 2)
    names = np.array(classes)
    table = pd.DataFrame({"split": "test", "target": names[target]})
    table["prediction"] = names[probability.argmax(axis=1)]
    for index, name in enumerate(classes):
        table[f"probability_{name}"] = probability[:, index]
    return table


def test_classes_and_areas_under_curves_are_scikit_learns() -> None:
    table = predictions()
    report = class_report(table)
    assert report.classes == ("a", "b", "c")
    expected = metrics.confusion_matrix(table["target"], table["prediction"])
    assert (report.confusion == expected).all()
    each = metrics.precision_recall_fscore_support(table["target"], table["prediction"])
    for column, values in zip(("precision", "recall", "f1", "rows"), each, strict=True):
        assert report.table[column].to_numpy(float) == pytest.approx(np.asarray(values, float))
    for curve in curves(table):
        own, score = table["target"] == curve.name, table[f"probability_{curve.name}"]
        assert curve.auc == pytest.approx(metrics.roc_auc_score(own, score))
        expected = metrics.average_precision_score(own, score)
        assert curve.average_precision == pytest.approx(expected)


def test_of_two_classes_one_curve_is_drawn_and_a_class_that_never_is_wrong_counts_0() -> None:
    table = predictions(classes=("no", "yes"))
    assert [curve.name for curve in curves(table)] == ["yes"]
    table["target"] = "no"
    assert curves(table) == []
    assert class_report(table).table["recall"].iloc[1] == 0
    assert shown_split(table) == "test"
    assert shown_split(table.assign(split="validation")) == "validation"
