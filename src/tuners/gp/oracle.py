"""The tuner `gp`: Bayesian optimisation with a Gaussian process that knows mixed spaces."""

import math
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
from src.tuners.gp.model import ScoreModel, make_targets
from src.tuners.oracle import SearchOracle

START = 8  # trials before the model, whatever `max_trials`, which may be raised later
# In turn: what an improvement has to exceed, in deviations of the targets, and a factor of the
# model's lengths. With the first alone, a search without noise goes on refining a local optimum.
TURNS = ((0.0, 1.0), (0.1, 1.0), (0.4, 0.3))
SMALL = 2000  # in a space of no more points, all are evaluated

# Values, the score or None for a failure, and the variance of the score.
Result = tuple[Mapping[str, Any], float | None, float]


class GaussianProcessOracle(SearchOracle):
    """Bayesian optimisation (Jones et al. 1998) on a Gaussian process for mixed spaces.

    It starts with the enqueued configurations and a few points spread evenly over the space. Then
    each proposal is the point with the largest expected improvement on the best that the model
    expects of any trial, which is not the luckiest score. Two of three proposals look for larger
    improvements elsewhere. One of these takes far shorter lengths than the fitted ones, as trials
    around one optimum tell little of other places (after Wang & de Freitas 2014), unless running
    trials spread the proposals anyway. Running trials are assumed to score as expected, failed ones
    to be poor. A proposal depends on the seed, the trials and the last fit alone.
    """

    exhausted = "every point of the space has been tried"
    uses_warm_start = True
    doubts_lengths = True  # whether some proposals take shorter lengths

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._fitted: dict[str, Any] = {"names": [], "theta": []}
        self._encoding = Encoding(())
        self._encoded: Sequence[Any] = ()  # the hyperparameters of the encoding
        self._processors = ThreadpoolController()

    def propose(self, trial_id: str) -> dict[str, Any]:
        before, space = self._fitted, self.hyperparameters.space
        if self._encoded is not space:
            self._encoding, self._encoded = Encoding(space), space
        # Several threads for matrices as small as these cost more time than they save.
        with self._processors.limit(limits=1):
            found = map(self._encoding.values, self._candidates())
            values = next((v for v in found if not self.is_tried(v)), None) or self.untried_values()
        if values is None:
            self._fitted = before  # retrying gives the same answer
        return {"status": "STOPPED" if values is None else "RUNNING", "values": values}

    def get_state(self) -> dict[str, Any]:
        return super().get_state() | {"fitted": self._fitted}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self._fitted = state["fitted"]

    def _candidates(self) -> Iterator[Array]:
        """Points in the order in which they are to be taken, unless they have been tried."""
        results, number, axes = self._results(), self._points(), len(self._encoding.axes)
        if not axes:
            return
        if number + len(self.warm_start.trials) < START or not results:
            size = 2 ** math.ceil(math.log2(max(number, START) + 1))
            yield qmc.Sobol(axes, rng=np.random.default_rng(self.seed)).random(size)[number]
        else:
            generator = np.random.default_rng(proposal_seed(self.seed, len(self.trials)))
            yield from self._promising(results, generator)

    def _points(self) -> int:
        return len(self.trials)

    def _results(self) -> list[Result]:
        known: list[Result] = [(trial.values, trial.score, 0.0) for trial in self.warm_start.trials]
        ended = (t for t in self.trials.values() if t.status in ("COMPLETED", "FAILED"))
        return [*known, *((t.hyperparameters.values, t.score, 0.0) for t in ended)]

    def _pending(self) -> list[Mapping[str, Any]]:
        return [trial.hyperparameters.values for trial in self.ongoing_trials.values()]

    def _promising(
        self, results: Sequence[Result], generator: np.random.Generator
    ) -> Iterator[Array]:
        encoding = self._encoding
        points, active = encoding.encode([values for values, _, _ in results])
        failed = np.array([score is None for _, score, _ in results])
        scores = np.array([0.0 if score is None else score for _, score, _ in results])
        variances = np.array([variance for _, _, variance in results])
        targets, noise = make_targets(scores, failed, self.objective.direction, variances)
        names = [axis.hp.name for axis in encoding.axes]
        theta = np.array(self._fitted["theta"]) if self._fitted["names"] == names else None
        features = encoding.features(points, active)
        model = ScoreModel(features, targets, noise, encoding.numeric, theta)
        self._fitted = {"names": names, "theta": model.theta.tolist()}
        pending = self._pending()
        margin, shorter = TURNS[self._points() % len(TURNS)]
        if shorter < 1 and self.doubts_lengths and not pending:
            model.shorten(shorter)
        expected, _ = model.predict(features)
        incumbent = float(expected[~failed].max() if not failed.all() else expected.max())
        if pending:
            model.believe(encoding.features(*encoding.encode(pending)))
        search = PointSearch(encoding, model, incumbent + margin, generator)
        few = self._all_points()
        best = points[np.argsort(-expected, kind="stable")[:AROUND]]
        yield from search.promising(best) if few is None else search.ranked(few)

    def _all_points(self) -> Array | None:
        """Every point that has not been tried, `(points, axes)`; None if there are too many."""
        counts = [axis.count for axis in self._encoding.axes]
        if None in counts or math.prod(filter(None, counts)) > SMALL:
            return None
        points = Enumeration(spaces.reachable(self.hyperparameters.space))
        left = [point for point in points if not self.is_tried(point)]
        return self._encoding.encode(left)[0] if left else None
