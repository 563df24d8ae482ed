"""What the data give without tuning: a dumb guess and a linear model, on the same splits.

A search that does not beat them has found nothing; where it beats the linear model by little, that
is the model to use.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from hypermodels.problem import Problem
from src.data.loading import Data
from src.data.splits import Rows
from src.evaluation import metrics
from src.seeds import Stream, derived_seed
from src.signals import TrialInterruptedError

MOST_ROWS = 20_000  # to fit a linear model on: some seconds
ITERATIONS = 100  # on 16,000 images of Fashion-MNIST, 200 took twice as long for no better score
Array = np.ndarray[Any, Any]
Metrics = dict[str, float | None]


@dataclass(frozen=True)
class Baseline:
    """A model that was not tuned.

    Attributes:
        name: what it is, in a few words.
        validation: its metrics on the validation rows; after cross-validation the means over the
            folds.
        test: its metrics on the test rows; empty where there are none.
    """

    name: str
    validation: Metrics
    test: Metrics


def score_baselines(
    data: Data, folds: int, class_weight: str | None, stopping: Callable[[], bool]
) -> tuple[Baseline, ...]:
    """Fits the baselines on training rows, and judges them on validation and test rows.

    As the exported model, after cross-validation they are fitted on training and validation rows
    before they see the test rows.

    Args:
        data: the rows and how they are split.
        folds: those of the search.
        class_weight: `balanced`, or None.
        stopping: asked between two fits whether to give up.

    Raises:
        TrialInterruptedError: if it was given up.
    """
    found = []
    for name, make in _models(data, class_weight).items():

        def judge(train: Rows, rows: Sequence[Rows], make: Any = make) -> list[Metrics]:
            if stopping():
                raise TrialInterruptedError
            return _judged(data, make(), train, rows)

        if folds == 1:
            validation, test = judge(data.train, [data.validation, data.test])
        else:
            validation = _means([judge(train, [rows])[0] for train, rows in data.folds(folds)])
            (test,) = judge(data.development, [data.test])
        fitted = len(data.train if folds == 1 else data.development)
        found.append(Baseline(_described(name, data.task, fitted), validation, test))
    return tuple(found)


def _models(data: Data, class_weight: str | None) -> Mapping[str, Callable[[], Any]]:
    if data.task == "regression":
        return {"guess": DummyRegressor, "linear": Ridge}
    return {
        "guess": lambda: DummyClassifier(strategy="prior"),
        "linear": lambda: LogisticRegression(max_iter=ITERATIONS, class_weight=class_weight),
    }


def _described(name: str, task: str, rows: int) -> str:
    if name == "guess":
        return "mean of the target" if task == "regression" else "most frequent class"
    model = "ridge regression" if task == "regression" else "logistic regression"
    return f"{model} on {MOST_ROWS} rows" if rows > MOST_ROWS else model


def _judged(data: Data, model: Any, train: Rows, parts: Sequence[Rows]) -> list[Metrics]:
    """Fits on `train`, or a sample of it, and judges on each part; one without rows has none."""
    if len(train) > MOST_ROWS:
        generator = np.random.default_rng(derived_seed(data.seed, Stream.BASELINE))
        train = np.sort(generator.choice(train, MOST_ROWS, replace=False))
    rows = np.concatenate(parts)
    arrays = data.arrays(train, rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # good enough to compare with
        model.fit(_inputs(arrays.x, arrays.problem), arrays.y)
    inputs = _inputs(arrays.x_validation, arrays.problem)
    if data.task == "regression":
        prediction = (
            model.predict(inputs) * arrays.problem.target_scale + arrays.problem.target_mean
        )
    else:
        probability = np.zeros((len(rows), len(data.class_names)))
        probability[:, model.classes_] = model.predict_proba(inputs)  # a fold may lack a class
        prediction = probability[:, 1:] if data.task == "binary" else probability
    ends = np.cumsum([len(part) for part in parts])[:-1]
    pairs = zip(parts, np.split(prediction, ends), strict=True)
    return [
        metrics.evaluate(data.task, data.y[part], predicted) if len(part) else {}
        for part, predicted in pairs
    ]


def _inputs(x: Array, problem: Problem) -> Any:
    """The encoded rows, with a column for each category where a network has an embedding."""
    if not problem.embedded:
        return x
    plain = problem.features - problem.embedded
    codes = x[:, plain:].astype(np.int64)
    starts = np.arange(len(x) + 1) * problem.embedded
    shape = (len(x), problem.embedded_categories)
    categories = csr_matrix((np.ones(codes.size, x.dtype), codes.ravel(), starts), shape)
    return hstack([csr_matrix(x[:, :plain]), categories], format="csr")


def _means(parts: Sequence[Metrics]) -> Metrics:
    """Over the folds; None where a fold has none."""
    means: Metrics = {}
    for name in parts[0]:
        values = [value for part in parts if (value := part[name]) is not None]
        means[name] = float(np.mean(values)) if len(values) == len(parts) else None
    return means
