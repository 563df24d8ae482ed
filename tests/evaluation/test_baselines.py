"""Baselines: a dumb guess and a linear model, on the splits of the search."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score

from src.config.schema import DataSettings
from src.data.loading import Data, load_data
from src.evaluation import baselines
from src.evaluation.baselines import score_baselines
from src.search import run
from src.signals import TrialInterruptedError
from tests.conftest import MakeConfig


def data_of(source: str, **settings: Any) -> Data:
    return load_data(DataSettings(source=source, **settings), 0)


def score(data: Data, folds: int = 1, class_weight: str | None = None) -> Any:
    return score_baselines(data, folds, class_weight, lambda: False)


def test_a_guess_and_a_linear_model_of_classes() -> None:
    data = data_of("breast_cancer")
    guess, linear = score(data)
    assert guess.name == "most frequent class"
    assert guess.test["accuracy"] == np.mean(data.y[data.test] == np.bincount(data.y).argmax())
    assert guess.validation["roc_auc"] == 0.5
    assert linear.name == "logistic regression"
    arrays = data.arrays(data.train, data.test)
    model = LogisticRegression(max_iter=200).fit(arrays.x, arrays.y)
    expected = accuracy_score(data.y[data.test], model.predict(arrays.x_validation))
    assert linear.test["accuracy"] == expected
    assert expected > 0.94


def test_a_mean_and_a_ridge_of_quantities_in_their_own_units() -> None:
    data = data_of("diabetes")
    mean, ridge = score(data)
    error = data.y[data.test] - data.y[data.train].mean()
    assert mean.name == "mean of the target"
    assert mean.test["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert ridge.name == "ridge regression"
    assert ridge.test["rmse"] < 0.85 * mean.test["rmse"]


def test_folds_are_averaged_and_the_test_rows_judge_a_fit_on_all_others() -> None:
    data = data_of("iris")
    _, linear = score(data, folds=3)
    parts = []
    for train, validation in data.folds(3):
        fold = replace(data, train=train, validation=validation)
        parts.append(score(fold)[1].validation["accuracy"])
    assert linear.validation["accuracy"] == pytest.approx(np.mean(parts))
    whole = replace(data, train=data.development)
    assert linear.test == score(whole)[1].test


def test_many_categories_are_columns_of_their_own(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    towns = random.integers(0, 50, 4000)
    frame = pd.DataFrame(
        {"town": [f"t{town}" for town in towns], "noise": random.normal(size=4000)}
    )
    frame["rich"] = np.where(np.isin(towns, random.permutation(50)[:25]), "yes", "no")
    frame.to_csv(tmp_path / "towns.csv", index=False)
    data = data_of("csv", path=str(tmp_path / "towns.csv"))
    assert data.arrays(data.train, data.validation).problem.embedded == 1
    assert score(data)[1].test["accuracy"] == 1.0


def test_class_weights_are_those_of_the_search(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rare = np.arange(2000) % 10 == 0
    frame = pd.DataFrame({"x": random.normal(size=2000) + 1.5 * rare, "rare": rare})
    frame.to_csv(tmp_path / "rare.csv", index=False)
    data = data_of("csv", path=str(tmp_path / "rare.csv"))
    plain, weighted = score(data)[1], score(data, class_weight="balanced")[1]
    assert plain.validation["balanced_accuracy"] < 0.65
    assert weighted.validation["balanced_accuracy"] > 0.7


def test_more_rows_than_it_takes_are_sampled_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(baselines, "MOST_ROWS", 50)
    guess, linear = score(data_of("iris"))
    assert (guess.name, linear.name) == ("most frequent class", "logistic regression on 50 rows")


def test_it_can_be_stopped() -> None:
    with pytest.raises(TrialInterruptedError):
        score_baselines(data_of("iris"), 1, None, lambda: True)


def test_they_stand_in_the_metrics_of_the_run(tiny: MakeConfig) -> None:
    outcome = run(tiny("tuner.max_trials=1"))
    assert outcome.winner is not None
    scores = json.loads(outcome.run.metrics.read_text())
    assert [b["name"] for b in scores["baselines"]] == [b.name for b in outcome.winner.baselines]
    assert scores["baselines"][1]["test"] == score_of_run(tiny)
    low, high = scores["test_interval"]["accuracy"]
    assert low <= scores["test"]["accuracy"] <= high
    assert set(scores["test_interval"]) == set(scores["test"])


def score_of_run(tiny: MakeConfig) -> Any:
    config = tiny()
    return score(load_data(config.data, config.seed))[1].test
