"""The tuner `bohb`: Hyperband's rungs, whose new configurations a Gaussian process proposes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from src.seeds import proposal_seed
from src.tuners.bohb.brackets import Brackets
from src.tuners.bohb.fidelity import expected_scores
from src.tuners.gp.oracle import GaussianProcessOracle, Result
from src.tuners.rungs import Rung, RungOracle


class BOHBOracle(RungOracle, GaussianProcessOracle):
    """Model-based Hyperband (Falkner et al. 2018), with the Gaussian process of `gp`.

    Brackets and rungs are Hyperband's (Li et al. 2018). The enqueued configurations and a few
    points spread evenly begin the first. Then each new configuration is the one that promises most
    of a full training, as far as all rungs together tell (see `fidelity`). With several workers no
    worker waits for a rung to end (see `brackets`). Failed trials are the losers of their rung.
    Where all points of a small space have been tried, some are tried again, with other seeds.
    """

    doubts_lengths = False  # there are many proposals, far apart, and what is learned is vague

    def __init__(
        self, max_epochs: int, factor: int, hyperband_iterations: int, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self.max_epochs, self.factor = max_epochs, factor
        self.hyperband_iterations = hyperband_iterations
        self._brackets = Brackets(self.planned, factor)

    @property
    def planned(self) -> list[list[Rung]]:
        """Hyperband's brackets, then, in each further iteration, the last bracket in place of all.

        In the last bracket every training is a full one: by then the model finds good
        configurations, and short trainings would only choose those that are quick.
        """
        first = self.brackets
        return first + [first[-1]] * (len(first) * (self.hyperband_iterations - 1))

    def plan(self) -> list[str]:
        *lines, total = super().plan()
        if self.hyperband_iterations > 1:
            lines.append(f"each further iteration: {len(self.brackets)} times bracket 0")
        return [*lines, total]

    def propose(self, trial_id: str) -> dict[str, Any]:
        """Proposes a promotion or a new configuration; IDLE where only waiting is left."""
        place = self._brackets.next_place(self._scores())
        if place is None:
            return {"status": "IDLE" if self.ongoing_trials else "STOPPED", "values": None}
        bracket, number, parent = place
        rung = bracket.plan[number]
        if parent is None:
            values = self._new_values() | {"tuner/initial_epoch": 0}
        else:
            values = _own(self.trials[parent].hyperparameters.values)
            values |= {"tuner/initial_epoch": rung.initial_epoch, "tuner/trial_id": parent}
        values |= {"tuner/epochs": rung.epochs, "tuner/bracket": rung.bracket}
        bracket.enter(number, trial_id, parent)
        return {"status": "RUNNING", "values": values | {"tuner/round": number}}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        for trial_id, trial in self.trials.items():
            values = trial.hyperparameters.values
            number = values["tuner/round"]
            bracket = self._brackets.bracket_of(values["tuner/bracket"], number)
            bracket.enter(number, trial_id, _parent(trial))

    def _promotable(self) -> set[str]:
        return set[str]().union(*(bracket.promotable() for bracket in self._brackets.begun))

    def _scores(self) -> dict[str, float | None]:
        """Of the trials that have ended, higher is better; None of a failed trial."""
        sign = 1.0 if self.objective.direction == "max" else -1.0
        return {
            trial.trial_id: sign * trial.score if trial.status == "COMPLETED" else None
            for trial in self.trials.values()
            if trial.status in ("COMPLETED", "FAILED")
        }

    def _new_values(self) -> dict[str, Any]:
        """The enqueued configurations, then untried points or, if there are none, any."""
        values = self.next_enqueued() or super().propose("")["values"]
        if values is None:
            seed = proposal_seed(self.seed, len(self.trials), attempt=1)
            point = np.random.default_rng(seed).random(len(self._encoding.axes))
            values = self._encoding.values(point)
        return values

    def _points(self) -> int:
        return sum(_parent(trial) is None for trial in self.trials.values())

    def _results(self) -> list[Result]:
        """Each configuration once: what it is expected to score in a full training."""
        sign = 1.0 if self.objective.direction == "max" else -1.0
        roots: dict[str, str] = {}
        scores: dict[str, dict[int, float]] = {}  # of each configuration by epochs
        failed, ended = [], self._scores()
        for trial_id, trial in self.trials.items():
            roots[trial_id] = root = roots.get(_parent(trial) or "", trial_id)
            if (score := ended.get(trial_id)) is not None:
                epochs = trial.hyperparameters.values["tuner/epochs"]
                scores.setdefault(root, {})[epochs] = score
            elif trial_id in ended:
                failed.append(root)
        failed.sort()
        for root in failed:
            scores.pop(root, None)
        known: list[Result] = [(trial.values, trial.score, 0.0) for trial in self.warm_start.trials]
        if scores:
            expected = expected_scores(list(scores.values()))
            for root, score, variance in zip(scores, *expected, strict=True):
                values = self.trials[root].hyperparameters.values
                known.append((values, sign * float(score), float(variance)))
        return known + [(self.trials[root].hyperparameters.values, None, 0.0) for root in failed]

    def _pending(self) -> list[Mapping[str, Any]]:
        """Configurations without a result; a running promotion has one already."""
        running = self.ongoing_trials.values()
        return [trial.hyperparameters.values for trial in running if _parent(trial) is None]

    # Private, because Keras Tuner has no public way to say which trials are of the same point.
    def _compute_values_hash(self, values: Mapping[str, Any]) -> str:
        """Hashes the hyperparameters alone: a promotion is no new point."""
        hashed: str = super()._compute_values_hash(_own(values))
        return hashed


def _own(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


def _parent(trial: Any) -> str | None:
    parent: str | None = trial.hyperparameters.values.get("tuner/trial_id")
    return parent
