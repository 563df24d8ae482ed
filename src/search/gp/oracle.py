"""The oracle `gp`: Bayesian optimisation with a Gaussian process that knows mixed spaces."""

import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import qmc
from threadpoolctl import ThreadpoolController

from src.search import space as spaces
from src.search.enumeration import Enumeration
from src.search.gp.acquisition import AROUND, PointSearch
from src.search.gp.encoding import Array, Encoding, Mask
from src.search.gp.model import ScoreModel
from src.search.gp.targets import make_targets
from src.search.oracle import SearchOracle
from src.search.seeds import proposal_seed

START = 8  # trials before the model; whatever the budget, which may be raised later
# What an improvement has to exceed, in turn, where the targets' deviation is 1. With the first
# alone, a search without noise goes on refining a local optimum.
MARGINS = (0.0, 0.1, 0.4)
SMALL = 2000  # in a space of no more points, all are looked at


@dataclass(frozen=True)
class Observed:
    """What is known of points that were tried.

    Attributes:
        values: the hyperparameters of each.
        scores: of each; anything where it failed; `(points,)`.
        failed: which failed, `(points,)`.
    """

    values: Sequence[Mapping[str, Any]]
    scores: Array
    failed: Mask


class GaussianProcessOracle(SearchOracle):
    """Bayesian optimisation (Jones et al. 1998) on a Gaussian process for mixed spaces.

    It starts with the default configuration and a few points spread evenly over the space. Then
    each proposal is the point with the largest expected improvement on the incumbent, which is the
    best that the model expects of any trial, not the luckiest score, or on a little more than that:
    two of three proposals look for larger improvements elsewhere. Inactive hyperparameters are
    known as such, trials that still run are taken to score as expected, failed ones to be poor. No
    point is proposed twice. A proposal depends on the seed, the trials and the last fit alone.

    Args:
        initial_points: trials before the model is asked.
        arguments: those of `keras_tuner.Oracle`.
    """

    exhausted = "every point of the space has been tried"

    def __init__(self, initial_points: int = START, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.initial_points = initial_points
        self._fitted: dict[str, Any] = {"names": [], "theta": []}
        self._encoding = Encoding(())
        self._encoded: list[Any] = []  # the hyperparameters that it is of
        self._processors = ThreadpoolController()

    def plan(self, cap: int | None) -> Sequence[str]:
        """Adds how the search starts."""
        start = min(self.initial_points, cap or self.initial_points)
        others = f", then {start - 1} spread evenly" if start > 1 else ""
        return [*super().plan(cap), f"the default configuration first{others}"]

    def propose(self, trial_id: str) -> dict[str, Any]:
        """Proposes a point, or stops when all have been tried."""
        # Several threads for matrices as small as these cost more time than they save.
        before = self._fitted
        with self._processors.limit(limits=1):
            values = self._proposal()
        if values is None:
            self._fitted = before  # who asks again gets the same answer
            return {"status": "STOPPED", "values": None}
        return {"status": "RUNNING", "values": values}

    def get_state(self) -> dict[str, Any]:
        """Keras Tuner's state and the last fit, from which the next one goes on."""
        state: dict[str, Any] = super().get_state()
        return state | {"fitted": self._fitted}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues from a state that `get_state` gave."""
        super().set_state(state)
        self._fitted = state["fitted"]

    def _proposal(self) -> dict[str, Any] | None:
        space = self.hyperparameters.space
        if len(space) != len(self._encoded) or any(map(operator.is_not, space, self._encoded)):
            self._encoding, self._encoded = Encoding(space), list(space)
        encoding = self._encoding
        for point in self._candidates(encoding):
            values = encoding.values(point)
            if not self.is_tried(values):
                return values
        return self.untried_values()

    def _candidates(self, encoding: Encoding) -> Iterator[Array]:
        """Points in the order in which they are to be taken, unless they have been tried."""
        observed = self._observed()
        number = len(self.trials)
        if not encoding.axes:
            return
        if number < self.initial_points or not observed.values:
            size = 2 ** math.ceil(math.log2(max(number, self.initial_points) + 1))
            even = qmc.Sobol(len(encoding.axes), rng=np.random.default_rng(self.seed))
            yield even.random(size)[number]
        else:
            generator = np.random.default_rng(proposal_seed(self.seed, number))
            yield from self._promising(encoding, observed, generator)

    def _observed(self) -> Observed:
        """What the model learns from: the trials that have ended."""
        ended = [t for t in self.trials.values() if t.status in ("COMPLETED", "FAILED")]
        failed = np.array([t.status == "FAILED" for t in ended], dtype=np.bool_)
        scores = np.array([0.0 if t.status == "FAILED" else t.score for t in ended])
        return Observed([t.hyperparameters.values for t in ended], scores, failed)

    def _promising(
        self, encoding: Encoding, observed: Observed, generator: np.random.Generator
    ) -> Iterator[Array]:
        points, active = encoding.encode(observed.values)
        failed = observed.failed
        targets = make_targets(observed.scores, failed, self.objective.direction)
        names = [axis.name for axis in encoding.axes]
        same = self._fitted["names"] == names
        theta = np.array(self._fitted["theta"]) if same else None
        features = encoding.features(points, active)
        model = ScoreModel(features, targets, encoding.numeric, len(names), theta)
        self._fitted = {"names": names, "theta": model.theta.tolist()}
        expected = model.predict(features).mean
        incumbent = float(expected[~failed].max(initial=-np.inf))
        if failed.all():
            incumbent = float(expected.max())
        running = [t.hyperparameters.values for t in self.ongoing_trials.values()]
        if running:
            model.believe(encoding.features(*encoding.encode(running)))
        margin = MARGINS[len(self.trials) % len(MARGINS)]
        search = PointSearch(encoding, model, incumbent + margin, generator)
        few = self._all_points(encoding)
        if few is not None:
            yield from search.ranked(few)
        else:
            best = np.argsort(-expected, kind="stable")[:AROUND]
            yield from search.promising(points[best])

    def _all_points(self, encoding: Encoding) -> Array | None:
        """Every point that has not been tried, `(points, axes)`, of a small space."""
        counts = [axis.count for axis in encoding.axes]
        if None in counts or math.prod(count for count in counts if count) > SMALL:
            return None
        grid = Enumeration(spaces.reachable(self.hyperparameters.space), spaces.finite_values)
        values = [grid.point(index) for index in range(grid.size)]
        left = [point for point in values if not self.is_tried(point)]
        return encoding.encode(left)[0] if left else None
