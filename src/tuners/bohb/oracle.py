"""The oracle `bohb`: Hyperband's rungs, whose new configurations a Gaussian process proposes."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from src.config.schema import Config
from src.seeds import proposal_seed
from src.tuners.bohb.brackets import Brackets, Place
from src.tuners.bohb.fidelity import expected_scores
from src.tuners.gp.oracle import GaussianProcessOracle, Result
from src.tuners.rungs import beginnings_of, epochs_of

REPEAT = 1  # attempt of a proposal where every point has been tried


class BOHBOracle(GaussianProcessOracle):
    """Model-based Hyperband (Falkner et al. 2018), with the Gaussian process of `gp`.

    Brackets and rungs are Hyperband's (Li et al. 2018). The default configuration and a few points
    spread evenly begin the first; then each new configuration is the one that promises most of a
    full training, as far as all rungs together tell (see `fidelity`). With several workers none
    waits for a rung to end (see `brackets`). Failed trials are the losers of their rung. Where all
    points of a small space have been tried, some are tried again, with seeds of their own.

    Args:
        max_epochs: of the longest rung.
        factor: how many times fewer trials, and more epochs, each rung has than the one before.
        hyperband_iterations: how often the brackets are run.
        arguments: those of `keras_tuner.Oracle`.
    """

    exhausted = "every bracket is complete"
    has_rungs = True
    default_first = False  # it is a member of the first rung
    doubts_lengths = False  # there are many proposals, far apart, and what is learned is vague

    def __init__(
        self, max_epochs: int, factor: int, hyperband_iterations: int, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self._brackets = Brackets(max_epochs, factor, hyperband_iterations)

    @classmethod
    def from_config(cls, config: Config, **common: Any) -> Self:
        """The longest rung trains for `training.epochs`."""
        return cls(
            max_epochs=config.training.epochs,
            factor=config.tuner.factor,
            hyperband_iterations=config.tuner.hyperband_iterations,
            **common,
        )

    def total(self, cap: int | None) -> int | None:
        """The trials of all rungs; a promotion is one."""
        trials = self._brackets.total
        return trials if cap is None else min(cap, trials)

    def beginnings(self, cap: int | None) -> int | None:
        """The new configurations, but for those that fill the place of failures."""
        return beginnings_of(self._brackets.rungs, cap)

    def epochs(self, cap: int | None, longest: int) -> int | None:
        """Those of the rungs, in the order in which they are filled."""
        return epochs_of(self._brackets.rungs, cap)

    def plan(self, cap: int | None) -> Sequence[str]:
        """One line a bracket, then the totals."""
        return self._brackets.describe(cap)

    def propose(self, trial_id: str) -> dict[str, Any]:
        """A promotion or a new configuration; IDLE only where nothing but waiting is left."""
        place = self._brackets.next_place(self._scores())
        if place is None:
            done = self._brackets.full and not self.ongoing_trials
            return {"status": "STOPPED" if done else "IDLE", "values": None}
        values = self._new_values() if place.parent is None else self._values_of(place.parent)
        self._brackets.enter(place, trial_id)
        return {"status": "RUNNING", "values": values | _bookkeeping(place)}

    def continuable(self) -> set[str]:
        """Parents of running trials, and whoever may be promoted from a rung yet."""
        running = (trial.hyperparameters.values for trial in self.ongoing_trials.values())
        parents = {values["tuner/trial_id"] for values in running if "tuner/trial_id" in values}
        return parents | self._brackets.continuable()

    def get_state(self) -> dict[str, Any]:
        """The Gaussian process's state, and who is in which rung."""
        return super().get_state() | {"brackets": self._brackets.state()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues from a state that `get_state` gave; how many iterations there are may change.

        Raises:
            ValueError: if it is that of other brackets.
        """
        super().set_state(state)
        self._brackets.restore(state["brackets"])

    @property
    def _sign(self) -> float:
        """What makes a higher score the better one."""
        return 1.0 if self.objective.direction == "max" else -1.0

    def _scores(self) -> dict[str, float | None]:
        return {
            trial.trial_id: self._sign * trial.score if trial.status == "COMPLETED" else None
            for trial in self.trials.values()
            if trial.status in ("COMPLETED", "FAILED")
        }

    def _values_of(self, trial_id: str) -> dict[str, Any]:
        return _without_bookkeeping(self.trials[trial_id].hyperparameters.values)

    def _new_values(self) -> dict[str, Any]:
        """What comes first, then points that have not been tried or, if there are none, any."""
        first = self.first_due()
        if first is not None:
            return first
        proposed = super().propose("")["values"]
        if proposed is not None:
            return dict(proposed)
        seed = proposal_seed(self.seed, len(self.trials), REPEAT)
        points = np.random.default_rng(seed).random(len(self._encoding.axes))
        return self._encoding.values(points)

    def _points(self) -> int:
        return sum(_parent(trial) is None for trial in self.trials.values())

    def _results(self) -> list[Result]:
        """Each configuration once: what it is expected to score in a full training."""
        scores: dict[str, dict[int, float]] = {}
        failed: list[Result] = []
        for root, members in self._families().items():
            ended = [trial for trial in members if trial.status in ("COMPLETED", "FAILED")]
            if any(trial.status == "FAILED" for trial in ended):
                failed.append((self.trials[root].hyperparameters.values, None, 0.0))
            elif ended:
                scores[root] = {
                    trial.hyperparameters.values["tuner/epochs"]: self._sign * float(trial.score)
                    for trial in ended
                }
        known: list[Result] = [(trial.values, trial.score, 0.0) for trial in self.knowledge.trials]
        if not scores:
            return known + failed
        expected = zip(scores, *expected_scores(list(scores.values())), strict=True)
        known += [
            (self.trials[root].hyperparameters.values, self._sign * float(score), float(variance))
            for root, score, variance in expected
        ]
        return known + failed

    def _pending(self) -> list[Mapping[str, Any]]:
        """Configurations without a result; a running promotion has one already."""
        return [
            trial.hyperparameters.values
            for trial in self.ongoing_trials.values()
            if _parent(trial) is None
        ]

    def _families(self) -> dict[str, list[Any]]:
        """The trials of each configuration, by the first of them."""
        roots: dict[str, str] = {}
        families: dict[str, list[Any]] = {}
        for name, trial in self.trials.items():
            parent = _parent(trial)
            roots[name] = name if parent is None else roots[parent]
            families.setdefault(roots[name], []).append(trial)
        return families

    # Private, because Keras Tuner has no public way to say what makes a trial another one.
    def _compute_values_hash(self, values: Mapping[str, Any]) -> str:
        """Of the hyperparameters alone: a promotion is no new point."""
        hashed: str = super()._compute_values_hash(_without_bookkeeping(values))
        return hashed


def _parent(trial: Any) -> str | None:
    parent: str | None = trial.hyperparameters.values.get("tuner/trial_id")
    return parent


def _bookkeeping(place: Place) -> dict[str, Any]:
    """What Keras Tuner's Hyperband writes into the values."""
    values: dict[str, Any] = {
        "tuner/epochs": place.rung.epochs,
        "tuner/initial_epoch": 0 if place.parent is None else place.rung.initial_epoch,
        "tuner/bracket": place.rung.bracket,
        "tuner/round": place.number,
    }
    return values if place.parent is None else values | {"tuner/trial_id": place.parent}


def _without_bookkeeping(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}
