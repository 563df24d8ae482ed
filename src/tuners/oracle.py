"""The base class of the tuners: a Keras Tuner oracle with a small state that the search stores."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import keras_tuner as kt
import numpy as np
from keras_tuner.engine.trial import Trial

from src.config.schema import Config
from src.tuners import space as spaces
from src.tuners.enumeration import Enumeration
from src.tuners.warm_start import WarmStart


class SearchOracle(kt.Oracle):
    """A Keras Tuner oracle that writes no files.

    A tuner is a subclass that implements `propose`, and a line in `src.registry.TUNERS`. To build
    on an oracle of Keras Tuner, inherit from both, from this class first. What `propose` depends on
    beside the trials belongs into `get_state` and `set_state`, and must not grow with the trials.

    The enqueued configurations run first: the user's, the best of an earlier run, the default. A
    tuner with rungs puts them into its first rung itself.
    """

    hyperparameters: kt.HyperParameters
    max_trials: int | None
    _seed_state: int
    # Why the search ends when nothing more is proposed.
    exhausted: ClassVar[str] = "no point was found that has not been tried"
    has_rungs: ClassVar[bool] = False  # whether a trial may continue another: its `tuner/trial_id`
    learns: ClassVar[bool] = True  # from results; if not, the loop asks for trials in advance
    takes_points: ClassVar[bool] = True  # whether configurations can be enqueued
    uses_warm_start: ClassVar[bool] = False  # whether proposals depend on the earlier run's trials
    default_trials: ClassVar[int | None] = 20  # `max_trials` where the configuration says `auto`
    settings: ClassVar[tuple[str, ...]] = ()  # of the section `tuner`, with such tuners only

    @classmethod
    def from_config(cls, config: Config, **common: Any) -> Self:
        """Makes the oracle; `common` has `objective`, `hyperparameters` and `seed`.

        The constructor gets `settings` by name, with rungs `max_epochs` too.
        """
        own = {name: getattr(config.tuner, name) for name in cls.settings}
        if cls.has_rungs:
            own["max_epochs"] = config.training.epochs
        oracle = cls(**own, **common)
        most = config.tuner.max_trials
        oracle.max_trials = cls.default_trials if most == "auto" else most
        return oracle

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.points_to_evaluate: Sequence[Mapping[str, Any]] = ()  # the user's
        self._declared = list(self.hyperparameters.space)  # builds may find more
        self._described: tuple[list[Any], list[dict[str, Any]]] = ([], [])
        self._tried: set[str] = set()  # hashes of values
        self._queue: deque[dict[str, Any]] | None = None  # enqueued, not run yet
        self.use_warm_start(WarmStart())

    def use_warm_start(self, warm_start: WarmStart) -> None:
        """Takes over trials of an earlier run; raises `ValueError` if they are not in the space."""
        for values in (*(trial.values for trial in warm_start.trials), *warm_start.first):
            self._check(values)
        self.warm_start = warm_start
        self._known = {self._compute_values_hash(trial.values) for trial in warm_start.trials}

    def total(self) -> int | None:
        """How many trials the search will have; None if that is unknown."""
        return self.max_trials

    def epochs(self, longest: int) -> int | None:
        """How many epochs all trials train at most, one fit each, of `longest` epochs a trial."""
        total = self.total()
        return None if total is None else total * longest

    def plan(self) -> Sequence[str]:
        """What the search will do, a few words each, for the dry run."""
        total = self.total()
        return [f"{total:,} trials" if total else "trials until the space is exhausted"]

    def enqueued(self) -> list[dict[str, Any]]:
        """The configurations that run first, each once; the default unless its score is known."""
        wanted = [*self.points_to_evaluate, *self.warm_start.first]
        if self._compute_values_hash(spaces.default_values(self._declared)) not in self._known:
            wanted.append({})
        found: list[dict[str, Any]] = []
        for given in wanted:
            values = spaces.default_values(self._declared, given)
            if values not in found:
                found.append(values)
        return found

    def next_enqueued(self) -> dict[str, Any] | None:
        """The next enqueued configuration that no trial has had; None if there is none."""
        if self._queue is None:
            self._queue = deque(self.enqueued())
        while self._queue and self._was_run(self._queue[0]):
            self._queue.popleft()
        return self._queue[0] if self._queue else None

    def _was_run(self, values: dict[str, Any]) -> bool:
        """Whether a trial has these values, beside those of hyperparameters that builds found."""
        if self._compute_values_hash(values) in self._tried:
            return True
        return len(self.hyperparameters.space) > len(self._declared) and any(
            values.items() <= trial.hyperparameters.values.items() for trial in self.trials.values()
        )

    def is_tried(self, values: Mapping[str, Any]) -> bool:
        """Whether a trial of this search or of the earlier run has these values."""
        hashed = self._compute_values_hash(values)
        return hashed in self._tried or hashed in self._known

    # Private, because the oracles of Keras Tuner call this name.
    def _random_values(self) -> dict[str, Any] | None:
        """Random values as Keras Tuner draws them; None if 21 draws in a row have been tried."""
        draws = (self._draw() for _ in range(self._max_collisions + 1))
        return next((values for values in draws if not self.is_tried(values)), None)

    def _draw(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for hp in self.hyperparameters.space:
            if spaces.is_active(hp, values):
                values[hp.name] = hp.random_sample(self._seed_state)
                self._seed_state += 1
        return values

    def untried_values(self) -> dict[str, Any] | None:
        """Values that have not been tried, at random; None if there are none."""
        values = self._random_values()
        space = spaces.reachable(self.hyperparameters.space)
        infinite = any(spaces.is_continuous(hp) and spaces.is_searched(hp) for hp in space)
        if values is not None or infinite:
            return values
        return next((point for point in Enumeration(space) if not self.is_tried(point)), None)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Gives the enqueued configurations, then what `propose` gives."""
        first = self.next_enqueued() if self.takes_points and not self.has_rungs else None
        response: dict[str, Any] = {"status": "RUNNING", "values": first}
        response = self.propose(trial_id) if first is None else response
        if response["status"] == "RUNNING":
            values = response["values"]  # Keras Tuner draws missing values without a seed
            response["values"] = spaces.default_values(self.hyperparameters.space, values) | values
        return response

    def propose(self, trial_id: str) -> dict[str, Any]:
        """Proposes a trial; by default as the oracle of Keras Tuner from which a subclass inherits.

        Returns, as `Oracle.populate_space` does, `status`, which is RUNNING, IDLE while a running
        trial has to end first, or STOPPED; and `values` by the name of each active hyperparameter.
        """
        response: dict[str, Any] = super().populate_space(trial_id)
        return response

    # The next three methods replace Keras Tuner's, whose time grows with the number of trials.

    def create_trial(self, tuner_id: str) -> Trial:
        """Proposes another trial at every call, whatever the `tuner_id`, in constant time.

        Where no trial is created, restores the random state, so that retrying is deterministic.
        """
        before, number = self._seed_state, len(self.trials)
        ended = self.max_trials is not None and number >= self.max_trials
        stopped: dict[str, Any] = {"status": "STOPPED"}
        response = stopped if ended else self.populate_space(f"{number:04d}")
        hp = spaces.sharing(self.hyperparameters, response.get("values") or {})
        trial = Trial(hp, f"{number:04d}", response["status"])
        if trial.status == "RUNNING":
            self._add(trial)
        elif trial.status in ("IDLE", "STOPPED"):
            self._seed_state = before
        else:
            raise ValueError(f"status {trial.status!r}; valid: RUNNING, IDLE, STOPPED")
        return trial

    def update_trial(self, trial_id: str, metrics: Mapping[str, float], step: int = 0) -> Trial:
        """Like `Oracle.update_trial`, for the objective alone."""
        trial, name = self.trials[trial_id], self.objective.name
        if not trial.metrics.exists(name):
            trial.metrics.register(name, direction=self.objective.direction)
        trial.metrics.update(name, metrics[name], step=step)
        return trial

    def end_trial(self, trial: Trial) -> None:
        """Like `Oracle.end_trial`, in constant time and without retries, which are the loop's."""
        known = self.trials[trial.trial_id]
        known.hyperparameters = trial.hyperparameters
        known.status, known.message = trial.status, trial.message
        self.update_space(trial.hyperparameters)
        if trial.status == "COMPLETED":
            self.score_trial(known)  # larger squares would overflow in models of the scores
            known.score = float(np.clip(known.score, -1e100, 1e100))
        self._add(known)

    def _add(self, trial: Trial) -> None:
        self.trials[trial.trial_id] = trial
        self._tried.add(self._compute_values_hash(trial.hyperparameters.values))
        if trial.status == "RUNNING":
            self.ongoing_trials[trial.trial_id] = trial
        else:
            self.ongoing_trials.pop(trial.trial_id, None)

    def update_space(self, hyperparameters: kt.HyperParameters) -> None:
        """Adds what a build found, for later trials; those that exist keep their space."""
        known = self.hyperparameters
        if hyperparameters.space is not known.space:
            self.hyperparameters = known.copy()
            super().update_space(hyperparameters)
            if len(self.hyperparameters.space) == len(known.space):
                self.hyperparameters = known

    def describe_space(self, hp: kt.HyperParameters) -> list[dict[str, Any]]:
        """Returns `hp.get_config()["space"]`, the same list for trials that share their space."""
        if self._described[0] is not hp.space:
            self._described = hp.space, hp.get_config()["space"]
        return self._described[1]

    def continuable(self) -> set[str]:
        """Ids of the trials that another trial may continue, so that their states are kept."""
        return set(self.trials) if self.has_rungs else set()

    def get_state(self) -> dict[str, Any]:
        """What a restored oracle needs beside the trials; its size does not depend on them."""
        found = self.hyperparameters.space[len(self._declared) :]
        configs = [{"class_name": type(hp).__name__, "config": hp.get_config()} for hp in found]
        return {"seed_state": self._seed_state, "found": configs}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues from a state; the trials are there already."""
        self._seed_state = state["seed_state"]

    def restore(self, state: dict[str, Any], trials: Iterable[Mapping[str, Any]]) -> None:
        """Rebuilds the oracle from what `get_state` returned and the trials, in order of proposal.

        A trial has the keys `trial_id`, `values`, `status` (RUNNING, COMPLETED or FAILED), `score`,
        `best_step` and `message`. `ValueError` says which id or value is impossible.
        """
        declared = self.hyperparameters
        self.update_space(spaces.restored({"space": state["found"], "values": {}}))
        for number, row in enumerate(trials):
            if row["trial_id"] != f"{number:04d}":
                raise ValueError(f"trial {row['trial_id']!r} comes where {number:04d} should")
            self._check(row["values"])
            # A trial that runs need not have what the builds of others found.
            hp = declared if row["status"] == "RUNNING" else self.hyperparameters
            hp = spaces.sharing(hp, dict(row["values"]))
            trial = Trial(hp, row["trial_id"], row["status"], row["message"])
            trial.score, trial.best_step = row["score"], row["best_step"]
            self._add(trial)
        self.set_state(state)

    def _check(self, values: Mapping[str, Any]) -> None:
        parent = values.get("tuner/trial_id")
        if parent is not None and parent not in self.trials:
            raise ValueError(f"tuner/trial_id cannot be {parent!r}: no earlier trial has this id")
        for hp in self.hyperparameters.space:
            value = values.get(hp.name)
            if value is not None and not spaces.has_value(hp, value):
                raise ValueError(f"{hp.name} cannot be {value!r}")

    def save(self) -> None:
        """Writes nothing: the search stores the state."""
