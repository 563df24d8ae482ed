"""Baselines: a constant guess and a linear model, on the splits of the search."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from src.config.schema import DataSettings
from src.data.loading import Data, load_data
from src.evaluation import baselines
from src.evaluation.baselines import score_baselines
from src.signals import TrialInterruptedError


def data_of(source: str, **settings: Any) -> Data:
    return load_data(DataSettings(source=source, **settings), 0)


def table(folder: Path, **columns: Any) -> Data:
    pd.DataFrame(columns).to_csv(folder / "table.csv", index=False)
    return data_of("csv", path=str(folder / "table.csv"))


def score(data: Data, folds: int = 1, class_weight: str | None = None) -> Any:
    return score_baselines(data, folds, class_weight, lambda: False)


def test_a_guess_and_a_linear_model_of_classes() -> None:
    data = data_of("breast_cancer")
    guess, linear = score(data)
    assert (guess.name, linear.name) == ("most frequent class", "logistic regression")
    assert guess.test["accuracy"] == np.mean(data.y[data.test] == np.bincount(data.y).argmax())
    assert guess.validation["roc_auc"] == 0.5
    arrays = data.arrays(data.train, data.test)
    model = LogisticRegression(max_iter=200).fit(arrays.x, arrays.y)
    assert linear.test["accuracy"] == model.score(arrays.x_validation, arrays.y_validation)
    assert linear.test["accuracy"] > 0.94


def test_a_mean_and_a_ridge_of_quantities_in_their_own_units() -> None:
    data = data_of("diabetes")
    mean, ridge = score(data)
    error = data.y[data.test] - data.y[data.train].mean()
    assert (mean.name, ridge.name) == ("mean of the target", "ridge regression")
    assert mean.test["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert ridge.test["rmse"] < 0.85 * mean.test["rmse"]


def test_folds_are_averaged_and_the_test_rows_judge_a_fit_on_all_others() -> None:
    data = data_of("iris")
    linear = score(data, folds=2)[1]
    folds = [replace(data, train=rows, validation=others) for rows, others in data.folds(2)]
    accuracies = [score(fold)[1].validation["accuracy"] for fold in folds]
    assert linear.validation["accuracy"] == pytest.approx(np.mean(accuracies))
    assert linear.test == score(replace(data, train=data.development))[1].test
    untested = score(replace(data, test=data.test[:0]), folds=2)[1]
    assert (untested.validation, untested.test) == (linear.validation, {})


def test_many_categories_are_columns_of_their_own(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    towns = random.integers(0, 50, 2000)
    rich = np.where(np.isin(towns, random.permutation(50)[:25]), "yes", "no")
    data = table(tmp_path, town=[f"t{n}" for n in towns], noise=random.normal(size=2000), rich=rich)
    assert data.arrays(data.train, data.validation).problem.embedded == 1
    assert score(data)[1].test["accuracy"] == 1.0


def test_class_weights_are_those_of_the_search(tmp_path: Path) -> None:
    rare = np.arange(1000) % 10 == 0
    data = table(tmp_path, x=np.random.default_rng(0).normal(size=1000) + 1.5 * rare, rare=rare)
    plain, weighted = score(data)[1], score(data, class_weight="balanced")[1]
    assert plain.validation["balanced_accuracy"] < 0.65
    assert weighted.validation["balanced_accuracy"] > 0.7


def test_a_sample_of_many_rows_is_said_and_a_stop_is_heard(monkeypatch: Any) -> None:
    monkeypatch.setattr(baselines, "MOST_ROWS", 50)
    guess, linear = score(data_of("iris"))
    assert (guess.name, linear.name) == ("most frequent class", "logistic regression on 50 rows")
    with pytest.raises(TrialInterruptedError):
        score_baselines(data_of("iris"), 1, None, lambda: True)
