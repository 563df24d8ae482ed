"""The tuner `hyperband`: Keras Tuner's Hyperband, in which a failed trial costs no promotion."""

from itertools import pairwise
from typing import Any

import keras_tuner as kt

from src.tuners.rungs import RungOracle

STATE = ("_brackets", "_current_bracket", "_current_iteration")


class HyperbandOracle(RungOracle, kt.oracles.HyperbandOracle):
    """Hyperband (Li et al. 2018): many short trainings, the better ones continued."""

    def propose(self, trial_id: str) -> dict[str, Any]:
        """Proposes as Keras Tuner does, with failed trials as the losers of their rung.

        Keras Tuner waits for completed trials alone, so that each failure in a rung costs a
        promotion, and a few failures cost all. Where too few trials completed for the next rung, a
        new configuration takes the place, trained from its first epoch.
        """
        failed = [trial for trial in self.trials.values() if trial.status == "FAILED"]
        worst = float("-inf") if self.objective.direction == "max" else float("inf")
        for trial in failed:
            trial.status, trial.score = "COMPLETED", worst
        response = super().propose(trial_id)
        for trial in failed:
            trial.status, trial.score = "FAILED", None
        values = response.get("values") or {}
        parent = values.get("tuner/trial_id")
        if parent is not None and self.trials[parent].status == "FAILED":
            kept = ("tuner/epochs", "tuner/bracket", "tuner/round")
            fresh = {name: values[name] for name in kept} | {"tuner/initial_epoch": 0}
            response["values"] = self._random_values() | fresh
        return response

    # Private, because Keras Tuner has no public way to sample a point.
    def _random_values(self) -> dict[str, Any]:
        """The enqueued configurations, then points not tried yet or, if they are too few, any.

        Where points collide, Keras Tuner ends the search, before the first promotion. A repeated
        point is trained with a seed of its own.
        """
        return self.next_enqueued() or super()._random_values() or self._draw()

    # Private, because Keras Tuner has no public way to see its brackets, of which it keeps those
    # that are not complete.
    def _promotable(self) -> set[str]:
        found: set[str] = set()
        for bracket in self._brackets:
            for number, (rung, following) in enumerate(pairwise(bracket["rounds"])):
                if len(following) < self._get_size(bracket["bracket_num"], number + 1):
                    promoted = {member["past_id"] for member in following}
                    found |= {member["id"] for member in rung} - promoted
        return found

    def get_state(self) -> dict[str, Any]:
        return super().get_state() | {name: getattr(self, name) for name in STATE}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        for name in STATE:
            setattr(self, name, state[name])
