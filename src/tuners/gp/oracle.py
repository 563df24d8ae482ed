"""The oracle `gp`: Bayesian optimisation with a Gaussian process that knows mixed spaces."""

import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import qmc
from threadpoolctl import ThreadpoolController

from src.seeds import proposal_seed
from src.tuners import space as spaces
from src.tuners.enumeration import Enumeration
from src.tuners.gp.acquisition import AROUND, PointSearch
from src.tuners.gp.encoding import Array, Encoding
from src.tuners.gp.model import ScoreModel
from src.tuners.gp.targets import make_targets
from src.tuners.oracle import SearchOracle

START = 8  # trials before the model; whatever the budget, which may be raised later
# In turn: what an improvement has to exceed, where the targets' deviation is 1, and a factor of the
# model's lengths. With the first alone, a search without noise goes on refining a local optimum.
TURNS = ((0.0, 1.0), (0.1, 1.0), (0.4, 0.3))
SMALL = 2000  # in a space of no more points, all are looked at

Result = tuple[Mapping[str, Any], float | None, float]


class GaussianProcessOracle(SearchOracle):
    """Bayesian optimisation (Jones et al. 1998) on a Gaussian process for mixed spaces.

    It starts with the default configuration and a few points spread evenly over the space. Then
    each proposal is the point with the largest expected improvement on the incumbent, which is the
    best that the model expects of any trial, not the luckiest score, or on a little more than that:
    two of three proposals look for larger improvements elsewhere, and one of these distrusts the
    fitted lengths, as trials around one optimum tell little of other places, and takes far shorter
    ones (after Wang & de Freitas 2014), unless trials that still run spread the proposals anyway.
    Inactive hyperparameters are known as such, trials that still run are taken to score as
    expected, failed ones to be poor. No point is proposed twice. A proposal depends on the seed,
    the trials and the last fit alone.

    Args:
        initial_points: trials before the model is asked.
        arguments: those of `keras_tuner.Oracle`.
    """

    exhausted = "every point of the space has been tried"
    uses_knowledge = True
    doubts_lengths = True  # whether some proposals distrust them

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
        start -= len(self.knowledge.trials)
        firsts, first = len(self.firsts()), "the default configuration first"
        if self.initial or self.knowledge.first:
            first = f"{firsts} given or known configuration{'' if firsts == 1 else 's'} first"
        others = f", then {start - firsts} spread evenly" if start > firsts else ""
        return [*super().plan(cap), f"{first}{others}"]

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
        results, number = self._results(), self._points()
        if not encoding.axes:
            return
        if number + len(self.knowledge.trials) < self.initial_points or not results:
            size = 2 ** math.ceil(math.log2(max(number, self.initial_points) + 1))
            even = qmc.Sobol(len(encoding.axes), rng=np.random.default_rng(self.seed))
            yield even.random(size)[number]
        else:
            generator = np.random.default_rng(proposal_seed(self.seed, len(self.trials)))
            yield from self._promising(encoding, results, generator)

    def _points(self) -> int:
        """How many points have been proposed."""
        return len(self.trials)

    def _results(self) -> list[Result]:
        """What the model learns from: values, the score or None for a failure, its variance."""
        known = [(trial.values, trial.score, 0.0) for trial in self.knowledge.trials]
        ended = (t for t in self.trials.values() if t.status in ("COMPLETED", "FAILED"))
        return [*known, *((t.hyperparameters.values, t.score, 0.0) for t in ended)]

    def _pending(self) -> list[Mapping[str, Any]]:
        """Points that are tried and have no result yet."""
        return [trial.hyperparameters.values for trial in self.ongoing_trials.values()]

    def _promising(
        self, encoding: Encoding, results: Sequence[Result], generator: np.random.Generator
    ) -> Iterator[Array]:
        points, active = encoding.encode([values for values, _, _ in results])
        failed = np.array([score is None for _, score, _ in results])
        scores = np.array([0.0 if score is None else score for _, score, _ in results])
        variances = np.array([variance for _, _, variance in results])
        targets = make_targets(scores, failed, self.objective.direction, variances)
        names = [axis.name for axis in encoding.axes]
        same = self._fitted["names"] == names
        theta = np.array(self._fitted["theta"]) if same else None
        features = encoding.features(points, active)
        model = ScoreModel(features, targets, encoding.numeric, len(names), theta)
        self._fitted = {"names": names, "theta": model.theta.tolist()}
        pending = self._pending()
        margin, shorter = TURNS[self._points() % len(TURNS)]
        if shorter < 1 and self.doubts_lengths and not pending:
            model.shorten(shorter)
        expected = model.predict(features).mean
        incumbent = float(expected[~failed].max(initial=-np.inf))
        if failed.all():
            incumbent = float(expected.max())
        if pending:
            model.believe(encoding.features(*encoding.encode(pending)))
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
