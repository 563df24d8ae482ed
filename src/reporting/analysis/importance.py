"""Which hyperparameters the score depended on, and how far that can be said at all.

A random forest predicts the rank of a trial's score from its hyperparameters. A hyperparameter
counts as much as the forest's R² on trials that it has not seen falls when the values of that
hyperparameter are shuffled among the trials (Breiman, Random Forests, 2001).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from src.reporting.domains import Domain

FEWEST = 12  # trials, below which a forest has nothing to learn from
FOLDS = 4
REPEATS = 2
SHUFFLES = 4
TREES = 64
INACTIVE = -1.0  # outside 0 … 1, where active values lie: one split tells the two apart
GOOD_FIT = 0.2  # R², below which nothing is claimed
Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Importance:
    """The importances of one run.

    Attributes:
        r2: of the forest on trials that it has not seen, 1 at best; None without a forest.
        trials: how many it learned from.
        share: by hyperparameter, the R² that shuffling it costs; largest first.
        error: by hyperparameter, the standard error of that.
        active: by hyperparameter, the part of the trials in which it was active.
    """

    r2: float | None
    trials: int
    share: dict[str, float]
    error: dict[str, float]
    active: dict[str, float] = field(default_factory=dict)

    @property
    def trusted(self) -> bool:
        """Whether the forest predicts well enough that its importances mean something."""
        return self.r2 is not None and self.r2 >= GOOD_FIT

    def matters(self, name: str) -> bool:
        """Whether a hyperparameter clearly matters."""
        if not self.trusted or name not in self.share:
            return False
        return self.share[name] > max(0.05, 2 * self.error[name])

    def is_idle(self, name: str) -> bool:
        """Whether one that most trials have clearly does not matter, in a good fit."""
        if self.r2 is None or self.r2 < 2 * GOOD_FIT or self.active.get(name, 0.0) < 0.5:
            return False
        return self.share[name] + 2 * self.error[name] < 0.05


def importances(
    trials: pd.DataFrame, domains: Sequence[Domain], direction: str = "max"
) -> Importance:
    """Computes the importances of the hyperparameters.

    An inactive hyperparameter is told apart from every active value, and is shuffled among the
    trials in which it is active alone; so a condition counts for the parent that sets it.
    Of Hyperband, the first rung of each trial counts, and its bracket is known to the forest.

    Args:
        trials: those that completed, with `score`, `parent`, `bracket` and the hyperparameters.
        domains: the hyperparameters to judge.
        direction: `max` or `min`.
    """
    first = trials[trials["parent"].isna()]
    scores = first["score"].to_numpy(float)
    if len(first) < FEWEST or len(np.unique(scores)) < 3 or not domains:
        return Importance(None, len(first), {}, {})
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.model_selection import RepeatedKFold

    features, owners = _features(first, domains)
    target = pd.Series(scores if direction == "max" else -scores).rank(pct=True).to_numpy()
    generator = np.random.default_rng(0)
    names = [domain.name for domain in domains]
    drops: list[list[float]] = []
    predictions = np.zeros((REPEATS, len(target)))
    splits = RepeatedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=0)
    for index, (train, test) in enumerate(splits.split(features)):
        forest = RandomForestRegressor(TREES, max_features=0.5, random_state=index)
        forest.fit(features[train], target[train])
        shuffled = [features[test]]
        for name in names:
            shuffled += [
                _shuffled(features[test], owners[name], generator) for _ in range(SHUFFLES)
            ]
        every = forest.predict(np.concatenate(shuffled)).reshape(len(shuffled), len(test))
        predictions[index // FOLDS, test] = every[0]
        errors = ((every - target[test]) ** 2).mean(axis=1)
        lost = (errors[1:] - errors[0]).reshape(len(names), SHUFFLES).mean(axis=1)
        drops.append((lost / target.var()).tolist())
    r2 = float(1 - ((predictions.mean(axis=0) - target) ** 2).mean() / target.var())
    found = np.array(drops)
    # Repeats use the same trials again, so only the folds of one count as independent.
    error = found.std(axis=0, ddof=1) / np.sqrt(FOLDS)
    order = np.argsort(-found.mean(axis=0), kind="stable")
    return Importance(
        r2,
        len(first),
        {names[i]: float(found[:, i].mean()) for i in order},
        {names[i]: float(error[i]) for i in order},
        {domain.name: float(first[domain.name].notna().mean()) for domain in domains},
    )


def _features(
    trials: pd.DataFrame, domains: Sequence[Domain]
) -> tuple[Array, dict[str, list[int]]]:
    """The forest's columns, and which of them belong to each hyperparameter."""
    columns: list[Array] = []
    owners: dict[str, list[int]] = {}
    for domain in domains:
        values = domain.numbers(trials[domain.name])
        start = len(columns)
        if domain.is_range or domain.numeric_choices or len(domain.values) == 2:
            places = np.array([domain.scale.position(v) if v == v else INACTIVE for v in values])
            columns.append(places)
        else:
            columns += [(values == place).astype(float) for place in range(len(domain.values))]
        owners[domain.name] = list(range(start, len(columns)))
    bracket = pd.to_numeric(trials["bracket"], errors="coerce").fillna(-1).to_numpy(float)
    return np.column_stack([*columns, bracket]), owners


def _shuffled(features: Array, columns: list[int], generator: np.random.Generator) -> Array:
    """The rows with the values of one hyperparameter dealt anew among those that have one."""
    result = features.copy()
    own = features[:, columns]
    active = np.flatnonzero((own != INACTIVE).all(axis=1) if len(columns) == 1 else own.any(axis=1))
    result[np.ix_(active, np.array(columns))] = own[generator.permutation(active)]
    return result
