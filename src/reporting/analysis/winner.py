"""The winner's predictions, counted: confusion, precision and recall, ROC and PR curves, errors."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

PROBABILITY = "probability_"
LARGEST = 1e150  # a larger value is none: its square would be infinite
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ClassReport:
    """How well each class is told.

    Attributes:
        classes: their names.
        confusion: `(classes, classes)` rows: true down, predicted across.
        table: a row a class: `class`, `precision`, `recall`, `f1`, `rows`; 0 where undefined.
    """

    classes: tuple[str, ...]
    confusion: Array
    table: pd.DataFrame


def shown_split(predictions: pd.DataFrame) -> str:
    """The split to show: the test rows where there are any, else validation."""
    return (
        "test"
        if "split" in predictions and (predictions["split"] == "test").any()
        else ("validation")
    )


def is_classification(predictions: pd.DataFrame) -> bool:
    """Whether the table has probabilities of classes."""
    return any(str(name).startswith(PROBABILITY) for name in predictions.columns)


def class_report(rows: pd.DataFrame) -> ClassReport:
    """Counts predicted against true classes.

    Args:
        rows: of predictions.csv, of one split.
    """
    names = [str(c).removeprefix(PROBABILITY) for c in rows.columns if _is_probability(c)]
    target = rows["target"].astype(str)
    predicted = rows["prediction"].astype(str)
    classes = list(dict.fromkeys([*names, *sorted({*target, *predicted})]))
    place = {name: index for index, name in enumerate(classes)}
    confusion = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(confusion, (target.map(place).to_numpy(int), predicted.map(place).to_numpy(int)), 1)
    hits = np.diag(confusion).astype(float)
    precision = _ratio(hits, confusion.sum(axis=0))
    recall = _ratio(hits, confusion.sum(axis=1))
    table = pd.DataFrame(
        {
            "class": classes,
            "precision": precision,
            "recall": recall,
            "f1": _ratio(2 * precision * recall, precision + recall),
            "rows": confusion.sum(axis=1),
        }
    )
    return ClassReport(tuple(classes), confusion, table)


@dataclass(frozen=True)
class Curves:
    """ROC and precision-recall curve of one class against the rest.

    Attributes:
        name: the class.
        false_positive: rates, rising.
        true_positive: rates, rising; the recall.
        precision: at each of them.
        auc: area under the ROC curve.
        average_precision: the precision at each rise of the recall, weighted by the rise.
        share: of the rows that are of the class.
    """

    name: str
    false_positive: Array
    true_positive: Array
    precision: Array
    auc: float
    average_precision: float
    share: float


def curves(rows: pd.DataFrame) -> list[Curves]:
    """The curves of each class that has rows and is not all of them; of two, of the second alone.

    Args:
        rows: of predictions.csv, of one split.
    """
    names = [str(c) for c in rows.columns if _is_probability(c)]
    if len(names) == 2:
        names = names[1:]
    found = []
    for name in names:
        own = (rows["target"].astype(str) == name.removeprefix(PROBABILITY)).to_numpy()
        score = pd.to_numeric(rows[name], errors="coerce").to_numpy(float)
        if np.isfinite(score).all() and 0 < own.sum() < len(own):
            found.append(_curves(name.removeprefix(PROBABILITY), own, score))
    return found


def _curves(name: str, own: Array, score: Array) -> Curves:
    order = np.argsort(-score, kind="stable")
    own, score = own[order], score[order]
    ends = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)  # ties count as one step
    hits = np.cumsum(own)[ends].astype(float)
    chosen = ends + 1.0
    recall = np.append(0.0, hits / own.sum())
    false = np.append(0.0, (chosen - hits) / (~own).sum())
    precision = hits / chosen
    return Curves(
        name,
        false,
        recall,
        np.append(precision[0], precision),
        float(np.trapezoid(recall, false)),
        float((np.diff(recall) * precision).sum()),
        float(own.mean()),
    )


def probabilities(rows: pd.DataFrame) -> tuple[Array, Array]:
    """The true classes by number, and the probability of each class.

    Args:
        rows: of predictions.csv, of one split.

    Returns:
        `(rows,)` numbers of columns, −1 for a class that has none, and `(rows, classes)`; a cell
        that is no number is 0.
    """
    names = [str(c) for c in rows.columns if _is_probability(c)]
    place = {name.removeprefix(PROBABILITY): index for index, name in enumerate(names)}
    truth = rows["target"].astype(str).map(place).fillna(-1).to_numpy(int)
    table = rows[names].apply(pd.to_numeric, errors="coerce")
    return truth, np.nan_to_num(table.to_numpy(float), posinf=0.0, neginf=0.0)


def errors(rows: pd.DataFrame) -> tuple[Array, Array]:
    """True values and predictions of a regression; rows that are no numbers are left out."""
    target = pd.to_numeric(rows["target"], errors="coerce").to_numpy(float)
    predicted = pd.to_numeric(rows["prediction"], errors="coerce").to_numpy(float)
    whole = (np.abs(target) < LARGEST) & (np.abs(predicted) < LARGEST)
    return target[whole], predicted[whole]


def _is_probability(column: Any) -> bool:
    return str(column).startswith(PROBABILITY)


def _ratio(above: Array, below: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio: Array = np.nan_to_num(np.asarray(above, float) / np.asarray(below, float))
    return ratio
