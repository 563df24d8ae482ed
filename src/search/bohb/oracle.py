"""The oracle `bohb`: Hyperband's rungs, the Gaussian process's proposals."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np

from src.config.schema import Config
from src.search.bohb import fidelity
from src.search.bohb.brackets import Brackets, Place
from src.search.gp.acquisition import AROUND, PointSearch
from src.search.gp.encoding import Array, Encoding
from src.search.gp.model import ScoreModel
from src.search.gp.oracle import MARGINS, GaussianProcessOracle
from src.search.gp.targets import make_targets
from src.search.rungs import describe, hyperband_rungs
from src.search.seeds import proposal_seed

X = fidelity.X


class FidelityEncoding:
    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self.axes = encoding.axes

    def active(self, points):
        return self._encoding.active(points)

    def features(self, points, active):
        return with_place(self._encoding.features(points, active), np.ones(len(points)))


def with_place(features, places):
    return np.column_stack([np.cos(places), np.sin(places), features])


class BOHBOracle(GaussianProcessOracle):
    exhausted = "every bracket is complete"
    continues_trials = True
    default_first = False

    def __init__(self, max_epochs: int, factor: int, hyperband_iterations: int, **arguments: Any):
        super().__init__(**arguments)
        self.max_epochs, self.factor = max_epochs, factor
        self.hyperband_iterations = hyperband_iterations
        self._brackets = Brackets(max_epochs, factor, hyperband_iterations)

    @classmethod
    def from_config(cls, config: Config, **common: Any) -> Self:
        return cls(
            max_epochs=config.training.epochs,
            factor=config.tuner.factor,
            hyperband_iterations=config.tuner.hyperband_iterations,
            **common,
        )

    def propose(self, trial_id: str) -> dict[str, Any]:
        sign = 1.0 if self.objective.direction == "max" else -1.0
        scores = {
            t.trial_id: (sign * t.score if t.status == "COMPLETED" else None)
            for t in self.trials.values()
            if t.status in ("COMPLETED", "FAILED")
        }
        place = self._brackets.next_place(scores)
        if place is None:
            done = self._brackets.ended and not self.ongoing_trials
            return {"status": "STOPPED" if done else "IDLE", "values": None}
        values = self._values_for(place)
        self._brackets.enter(place, trial_id)
        return {"status": "RUNNING", "values": values}

    def _values_for(self, place: Place) -> dict[str, Any]:
        own = {
            "tuner/epochs": place.rung.epochs,
            "tuner/initial_epoch": place.rung.initial_epoch if place.parent else 0,
            "tuner/bracket": place.rung.bracket,
            "tuner/round": place.number,
        }
        if place.parent is not None:
            parent = self.trials[place.parent].hyperparameters.values
            return parent | own | {"tuner/trial_id": place.parent}
        self._rung_epochs = place.rung.epochs
        default = self.untried_default()
        if default is not None:
            return default | own
        if X["random"] and self._points() >= self.initial_points:
            g = np.random.default_rng(proposal_seed(self.seed, len(self.trials), 99))
            if g.random() < X["random"]:
                return self.untried_values() | own
        with self._processors.limit(limits=1):
            values = self._proposal()
        return values | own

    def _points(self) -> int:
        return sum("tuner/trial_id" not in t.hyperparameters.values for t in self.trials.values())

    def _configurations(self):
        roots: dict[str, str] = {}
        values, results, failed, running = {}, {}, {}, {}
        for name, t in self.trials.items():
            v = t.hyperparameters.values
            parent = v.get("tuner/trial_id")
            roots[name] = root = roots[parent] if parent else name
            values[root] = v
            results.setdefault(root, {})
            if t.status == "FAILED":
                failed[root] = True
            elif t.status == "COMPLETED":
                results[root][v["tuner/epochs"]] = float(t.score)
        return values, results, failed

    def _promising(self, encoding, ended, generator) -> Iterator[Array]:
        values, results, failed = self._configurations()
        known = [r for r in values if results[r] or failed.get(r)]
        unknown = [r for r in values if not (results[r] or failed.get(r))]
        axes = len(encoding.axes)
        names = [axis.name for axis in encoding.axes]
        search_encoding: Any = encoding
        numeric, lengths = encoding.numeric, len(names)
        if X["mode"] == "highest":
            levels = sorted({e for r in known for e in results[r]}, reverse=True)
            level = levels[-1]
            for e in levels:
                if sum(e in results[r] for r in known) >= (X["min"] or axes + 1):
                    level = e
                    break
            known = [r for r in known if level in results[r] or failed.get(r)]
        points, active = encoding.encode([values[r] for r in known])
        features = encoding.features(points, active)
        bad = np.array([bool(failed.get(r)) for r in known])
        top_features = features
        if X["mode"] == "highest":
            scores = np.array([0.0 if failed.get(r) else results[r][level] for r in known])
            targets = make_targets(scores, bad, self.objective.direction)
        elif X["mode"] == "chain":
            scores, variance = fidelity.extrapolate(
                [{} if failed.get(r) else results[r] for r in known]
            )
            targets = make_targets(scores, bad, self.objective.direction)
            targets.noise[:] += np.where(bad, 0.0, variance / targets.unit**2)
        elif X["mode"] == "axis":
            rows, sc, pl, fl = [], [], [], []
            for i, r in enumerate(known):
                if failed.get(r):
                    rows.append(i), sc.append(0.0), pl.append(1.0), fl.append(True)
                for e, s in results[r].items():
                    rows.append(i), sc.append(s), fl.append(False)
                    pl.append(math.log(e) / math.log(self.max_epochs))
            targets = make_targets(np.array(sc), np.array(fl), self.objective.direction)
            top_features = with_place(features, np.ones(len(features)))
            features = with_place(features[rows], np.array(pl))
            search_encoding = FidelityEncoding(encoding)
            numeric, lengths = numeric + 1, lengths + 1
        same = self._fitted["names"] == names
        theta = np.array(self._fitted["theta"]) if same else None
        model = ScoreModel(features, targets, numeric, lengths, theta)
        self._fitted = {"names": names, "theta": model.theta.tolist()}
        expected = model.predict(top_features).mean
        incumbent = float(expected[~bad].max()) if not bad.all() else float(expected.max())
        if unknown:
            p, a = encoding.encode([values[r] for r in unknown])
            model.believe(search_encoding.features(p, a))
        margin = MARGINS[self._points() % len(MARGINS)]
        search = PointSearch(search_encoding, model, incumbent + margin, generator)
        few = self._all_points(encoding)
        if few is not None:
            yield from search.ranked(few)
        else:
            best = np.argsort(-expected, kind="stable")[:AROUND]
            yield from search.promising(points[best])

    def _compute_values_hash(self, values):
        return super()._compute_values_hash(
            {n: v for n, v in values.items() if not n.startswith("tuner/")}
        )
