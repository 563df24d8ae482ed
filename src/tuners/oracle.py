"""The base of every oracle here: Keras Tuner's, without files of its own."""

import copy
import json
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import keras_tuner as kt
from keras_tuner.engine.trial import Trial
from keras_tuner.src.engine import oracle as oracle_module

from src.config.schema import Config
from src.tuners import space as spaces
from src.tuners.enumeration import Enumeration
from src.tuners.warm_start import Knowledge


class SearchOracle(kt.Oracle):
    """An oracle whose state goes into the run's one snapshot.

    Subclass it, implement `propose`, and enter the class in `src.registry.TUNERS`. To build on
    one of Keras Tuner's oracles, inherit from both. What `propose` depends on, beside the trials,
    belongs into `get_state` and `set_state`: a search that was killed goes on from there.

    The first trials are the configurations that the user wants first, then the default
    configuration; `propose` gives all others.

    Attributes:
        initial: values of configurations that come first, each as far as it is not the default.
        knowledge: what an earlier run tells; after a restart, what it told then.
        exhausted: why the search ends when the oracle has nothing more to propose.
        has_rungs: whether a trial may continue an earlier one, whose id it then has in its
            values as `tuner/trial_id`, so that trials leave their training state.
        learns: whether proposals depend on the results of earlier trials; if not, a few are asked
            for in advance, so that the executor can choose which trial to run where.
        default_first: whether what comes first is proposed here; if not, `propose` sees to it.
        takes_initial: whether there can be such configurations.
        uses_knowledge: whether proposals depend on `knowledge` too, trials of an earlier run.
    """

    hyperparameters: kt.HyperParameters
    _seed_state: int
    _tried_so_far: set[str]
    exhausted: ClassVar[str] = "no point was found that has not been tried"
    has_rungs: ClassVar[bool] = False
    learns: ClassVar[bool] = True
    default_first: ClassVar[bool] = True
    takes_initial: ClassVar[bool] = True
    uses_knowledge: ClassVar[bool] = False

    @classmethod
    def from_config(cls, config: Config, **common: Any) -> Self:
        """Makes the oracle.

        Args:
            config: the whole configuration.
            common: `objective`, `hyperparameters` and `seed` for the constructor.
        """
        return cls(**common)

    def total(self, cap: int | None) -> int | None:
        """How many trials the search will have, or None if that cannot be known.

        Args:
            cap: the most that the user wants; None for no limit.
        """
        return cap

    def epochs(self, cap: int | None, longest: int) -> int | None:
        """How many epochs all trials train at most, each fit once; None if that cannot be known.

        Args:
            cap: the most trials that the user wants; None for no limit.
            longest: the most epochs of a trial.
        """
        total = self.total(cap)
        return None if total is None else total * longest

    def plan(self, cap: int | None) -> Sequence[str]:
        """What the search will do, in a few words each, for the dry run."""
        total = self.total(cap)
        return [f"{total:,} trials" if total else "trials until the space is exhausted"]

    def __init__(self, **arguments: Any) -> None:
        # The loop counts failures; Keras Tuner's own count raises while the oracle's lock is held.
        super().__init__(**arguments, max_consecutive_failed_trials=sys.maxsize)
        self.verbose = 0
        self._declared = list(self.hyperparameters.space)  # builds may find more
        self._described: tuple[list[Any], list[dict[str, Any]]] = ([], [])
        self.initial: Sequence[Mapping[str, Any]] = ()
        self.learn(Knowledge())

    def learn(self, knowledge: Knowledge) -> None:
        """Takes over what an earlier run tells."""
        self.knowledge = knowledge
        self._known = {self._compute_values_hash(trial.values) for trial in knowledge.trials}

    def beginnings(self, cap: int | None) -> int | None:
        """How many trials train a configuration from its first epoch; None if unknown.

        Args:
            cap: the most trials that the user wants; None for no limit.
        """
        return self.total(cap)

    def notices(self, cap: int | None) -> Sequence[str]:
        """What a user should know before such a search, a sentence each.

        Args:
            cap: the most trials that the user wants; None for no limit.
        """
        count, room = len(self.initial), self.beginnings(cap)
        if room is None or count <= room:
            return ()
        return (
            f"tuner.points_to_evaluate: {count} configurations are more than the {room} that this "
            "search can try; the last ones do not run",
        )

    def first_due(self) -> dict[str, Any] | None:
        """The first of the configurations that come before all others and that no trial has had.

        A default beside the values of its hyperparameter, such as between two steps, is moved to
        the nearest of them.
        """
        return next((values for values in self.firsts() if not self._has_had(values)), None)

    def _has_had(self, values: dict[str, Any]) -> bool:
        """Whether a trial has had values of what was declared, with whatever a build found."""
        if self._compute_values_hash(values) in self._tried_so_far:
            return True
        return self._has_grown and any(
            values.items() <= trial.hyperparameters.values.items() for trial in self.trials.values()
        )

    @property
    def _has_grown(self) -> bool:
        return len(self.hyperparameters.space) > len(self._declared)

    def firsts(self) -> list[dict[str, Any]]:
        """What comes before all else: what the user wants, the best that is known, the default.

        Each once; the default is left out where its score is known.
        """
        space = self._declared
        wanted = [*self.initial, *self.knowledge.first]
        if self._compute_values_hash(spaces.default_values(space)) not in self._known:
            wanted.append({})
        found: list[dict[str, Any]] = []
        for given in wanted:
            values = spaces.default_values(space, given)
            if values not in found:
                found.append(values)
        return found

    # Private, because Keras Tuner has no public way to ask whether a trial has had some values.
    def is_tried(self, values: Mapping[str, Any]) -> bool:
        """Whether a trial has had these values, finished or not, or is known to have had them."""
        return bool(self._duplicate(values))

    # Private, because Keras Tuner has no public step between its sampling and its trials.
    def _duplicate(self, values: Mapping[str, Any]) -> bool:
        """Keras Tuner's, and whether the values are known."""
        return super()._duplicate(values) or self._compute_values_hash(values) in self._known

    # Private, because Keras Tuner has no public way to sample a point.
    def untried_values(self) -> dict[str, Any] | None:
        """Values that no trial has had, at random; None if there are no such."""
        values: dict[str, Any] | None = self._random_values()
        space = spaces.reachable(self.hyperparameters.space)
        if values is not None:
            return values
        if any(spaces.is_continuous(hp) and spaces.is_searched(hp) for hp in space):
            return None
        grid = Enumeration(space, spaces.finite_values)
        points = (grid.point(index) for index in range(grid.size))
        return next((point for point in points if not self.is_tried(point)), None)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """What Keras Tuner asks for: what comes first, then what `propose` gives."""
        first = self.first_due() if self.default_first else None
        if first is None:
            response = self.propose(trial_id)
        else:
            response = {"status": "RUNNING", "values": first}
        if response["status"] == "RUNNING" and self._has_grown:
            # Keras Tuner would make up what is missing, from no seed.
            values = response["values"]
            response["values"] = spaces.default_values(self.hyperparameters.space, values) | values
        return response

    def propose(self, trial_id: str) -> dict[str, Any]:
        """The values of a trial, as Keras Tuner documents it for `Oracle.populate_space`.

        Here what Keras Tuner's oracle proposes, where a subclass inherits from one.

        Args:
            trial_id: of the trial that is to have them.

        Returns:
            `status`: RUNNING, IDLE while a running trial has to end first, or STOPPED; and
            `values`, a mapping from the name of each active hyperparameter, or None.
        """
        response: dict[str, Any] = super().populate_space(trial_id)
        return response

    # Private, because Keras Tuner has no public way to see how far its random numbers are.
    def create_trial(self, tuner_id: str) -> Trial:
        """Keras Tuner's, but in vain it changes nothing: who asks again gets the same answer.

        Keras Tuner draws new random points every time, so that a search which had ended for want of
        new points might find some when it is resumed. If it raises, the oracle can still be asked.
        """
        before = self._seed_state
        with _unlocked_after_an_error(self):
            trial = super().create_trial(tuner_id)
        if trial.status == "RUNNING":
            trial.hyperparameters = spaces.sharing(
                self.hyperparameters, trial.hyperparameters.values
            )
        else:
            self._seed_state = before
        return trial

    def describe_space(self, hp: kt.HyperParameters) -> list[dict[str, Any]]:
        """What `hp.get_config()` gives for the space, the same list for trials of the same space.

        Args:
            hp: hyperparameters of a trial.
        """
        space, described = self._described
        if space != hp.space:  # compares which objects they are
            described = hp.get_config()["space"]
            self._described = list(hp.space), described
        return described

    def update_space(self, hyperparameters: kt.HyperParameters) -> None:
        """Keras Tuner's, but for the trials there are, whose space stays as it was.

        In a grown one Keras Tuner would make up values for what their models never had.
        """
        if spaces.has_more(hyperparameters, self.hyperparameters):
            self.hyperparameters = self.hyperparameters.copy()
        super().update_space(hyperparameters)

    def get_state(self) -> dict[str, Any]:
        """Keras Tuner's state and the knowledge of an earlier run, if there is some."""
        state: dict[str, Any] = super().get_state()
        return state | ({"knowledge": self.knowledge.get_state()} if self.knowledge.text else {})

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues from a state that `get_state` gave."""
        super().set_state(state)
        if "knowledge" in state:
            self.learn(Knowledge.from_state(state["knowledge"]))

    def continuable(self) -> set[str]:
        """Ids of the trials that another one continues, or may yet; their training state is kept.

        All of them, unless a subclass knows better.
        """
        return set(self.trials) if self.has_rungs else set()

    def restore(self, state: dict[str, Any], trials: Sequence[dict[str, Any]]) -> None:
        """Continues from a snapshot.

        Args:
            state: what `get_state` gave.
            trials: what `Trial.get_state` gave for each trial, in the order of their proposal,
                with the values alone for hyperparameters.

        Raises:
            ValueError: if the space is another one, or a value is not in it.
        """
        space = state["hyperparameters"]["space"]
        own = json.loads(json.dumps(self.hyperparameters.get_config()["space"]))
        if space[: len(own)] != own:  # others that a build found follow
            raise ValueError("the search space is another one")
        for trial in trials:
            values = trial["values"]
            self._check(values)
            known = Trial(kt.HyperParameters(), trial["trial_id"], trial["status"])
            known.hyperparameters.values = values
            known.score, known.best_step = trial["score"], trial["best_step"]
            self.trials[trial["trial_id"]] = known
        declared = self.hyperparameters
        self.set_state(copy.deepcopy(state))
        running = {trial.trial_id for trial in self.ongoing_trials.values()}
        for known in self.trials.values():
            # Those that run need not have what others have found.
            hp = declared if known.trial_id in running else self.hyperparameters
            known.hyperparameters = spaces.sharing(hp, known.hyperparameters.values)
        for values in (*(trial.values for trial in self.knowledge.trials), *self.knowledge.first):
            self._check(values)

    def update_trial(self, trial_id: str, metrics: dict[str, float], step: int = 0) -> Any:
        """As Keras Tuner's; if it raises, the oracle can still be asked."""
        with _unlocked_after_an_error(self):
            return super().update_trial(trial_id, metrics, step)

    def end_trial(self, trial: Any) -> None:
        """As Keras Tuner's; if it raises, the oracle can still be asked."""
        with _unlocked_after_an_error(self):
            super().end_trial(trial)

    def _check(self, values: Mapping[str, Any]) -> None:
        for hp in self.hyperparameters.space:
            value = values.get(hp.name)
            if value is not None and not spaces.has_value(hp, value):
                raise ValueError(f"{hp.name} cannot be {value!r}")

    def save(self) -> None:
        """Writes nothing: the loop keeps `get_state()` in its snapshot."""

    # Private, because Keras Tuner has no public switch for its file per trial.
    def _save_trial(self, trial: Any) -> None:
        """Writes nothing: the loop keeps every trial's state in its snapshot."""


@contextmanager
def _unlocked_after_an_error(oracle: kt.Oracle) -> Iterator[None]:
    """Gives back the lock that Keras Tuner keeps when an oracle's method raises.

    Private, because Keras Tuner has no public way to it: the next thread would wait for ever.
    """
    mine = oracle_module.THREADS[oracle] == threading.current_thread().name  # an outer call's
    try:
        yield
    except BaseException:
        if not mine and oracle_module.THREADS[oracle] == threading.current_thread().name:
            oracle_module.THREADS[oracle] = None
            oracle_module.LOCKS[oracle].release()
        raise
