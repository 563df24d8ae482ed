"""Untuned baselines: a constant guess and a linear model, on the splits of the search."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from src.data.loading import Data
from src.data.splits import Rows
from src.evaluation.metrics import Metrics, defined, evaluate
from src.seeds import Stream, derived_seed
from src.signals import TrialInterruptedError

MOST_ROWS = 20_000  # to fit a linear model on: some seconds
ITERATIONS = 100  # on 16,000 images of Fashion-MNIST, 200 took twice as long for no better score


@dataclass(frozen=True)
class Baseline:
    """The kind of model, and its metrics, with folds their means; empty without test rows."""

    name: str
    validation: Metrics
    test: Metrics


def score_baselines(
    data: Data, folds: int, class_weight: str | None, stopping: Callable[[], bool]
) -> tuple[Baseline, ...]:
    """Fits the baselines on training rows, and evaluates them on validation and test rows.

    With folds, like the exported model, they are fitted on all development rows for the test rows.
    Raises `TrialInterruptedError` before a fit if `stopping` says so.
    """
    none = data.test[:0]
    splits = [(data.train, data.validation, data.test)]  # rows to fit on, then to evaluate on
    if folds > 1:
        splits = [(train, validation, none) for train, validation in data.folds(folds)]
        splits += [(data.development, none, data.test)] if len(data.test) else []
    found = []
    for name, model in _models(data.task, class_weight, rows=len(splits[-1][0])).items():
        scores = []
        for train, *parts in splits:
            if stopping():
                raise TrialInterruptedError
            scores.append(_scores(clone(model), data, train, parts))
        of_folds = [validation for validation, _ in scores if validation]
        values = {key: np.array([fold[key] for fold in of_folds], float) for key in of_folds[0]}
        means = defined({key: of_key.mean() for key, of_key in values.items()})
        found.append(Baseline(name, validation=means, test=scores[-1][1]))
    return tuple(found)


def _models(task: str, class_weight: str | None, rows: int) -> dict[str, Any]:
    sampled = f" on {MOST_ROWS} rows" if rows > MOST_ROWS else ""
    if task == "regression":
        return {"mean of the target": DummyRegressor(), f"ridge regression{sampled}": Ridge()}
    linear = LogisticRegression(max_iter=ITERATIONS, class_weight=class_weight)
    return {"most frequent class": DummyClassifier(), f"logistic regression{sampled}": linear}


def _scores(model: Any, data: Data, train: Rows, parts: Sequence[Rows]) -> list[Metrics]:
    """Fits on `train`, or a sample of it, and evaluates each part; an empty part has no metrics."""
    if len(train) > MOST_ROWS:
        generator = np.random.default_rng(derived_seed(data.seed, Stream.BASELINE))
        train = np.sort(generator.choice(train, MOST_ROWS, replace=False))
    rows = np.concatenate(parts)
    arrays = data.arrays(train, rows)
    if arrays.problem.embedded:  # codes in the last columns, for which a network has an embedding
        one_hot = OneHotEncoder(handle_unknown="ignore", dtype=np.float32)
        codes = slice(arrays.problem.features - arrays.problem.embedded, None)
        encoder = ColumnTransformer([("codes", one_hot, codes)], remainder="passthrough")
        model = make_pipeline(encoder, model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # good enough to compare with
        model.fit(arrays.x, arrays.y)
    if data.task == "regression":
        problem = arrays.problem
        outputs = model.predict(arrays.x_validation) * problem.target_scale + problem.target_mean
    else:
        probability = np.zeros((len(rows), len(data.class_names)))
        probability[:, model.classes_] = model.predict_proba(arrays.x_validation)  # one may lack
        outputs = probability[:, 1:] if data.task == "binary" else probability
    pieces = np.split(outputs, np.cumsum([len(part) for part in parts])[:-1])
    return [
        evaluate(data.task, data.y[part], piece) if len(part) else {}
        for part, piece in zip(parts, pieces, strict=True)
    ]
