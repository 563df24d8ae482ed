"""What an earlier run tells a new one: the scores of its trials, where the spaces overlap.

What counts: a completed trial that was allowed to train as long as its run let any, so that of
Hyperband's those of the longest rung do. Its values must be values of the new space. A
hyperparameter that only one of both runs has is taken to be at its default in the other: of the old
run that is what it was pinned to, of the new one what the HyperModel declares.

Scores on other rows, of another split, of another HyperModel, or of less than half or more than
twice as many epochs are no knowledge of this problem; of such a run the best few configurations run
first, and nothing more is taken from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras_tuner as kt
import numpy as np

from src.config.schema import Config
from src.errors import UserError
from src.records import TrialRecord
from src.store.run_directory import RunDirectory
from src.store.saved_search import SavedSearch, read_search
from src.tuners import space as spaces

MOST = 300  # trials; a model of more takes seconds a proposal
FEW = 3  # best configurations of a run whose scores say nothing here
LEAST_SHARE = 0.5  # of the epochs here, and the other way round


@dataclass(frozen=True)
class KnownTrial:
    """A trial of an earlier run, in the new space: all values that are active there."""

    values: dict[str, Any]
    score: float


@dataclass(frozen=True)
class Knowledge:
    """What is taken from an earlier run.

    Attributes:
        trials: whose scores count here, best first.
        first: configurations that are to run first.
        text: how much of the run could be used.
        notice: why its scores do not count; empty where they do.
    """

    trials: tuple[KnownTrial, ...] = ()
    first: tuple[dict[str, Any], ...] = ()
    text: str = ""
    notice: str = ""

    def get_state(self) -> dict[str, Any]:
        """The same as plain data, for the snapshot: a resumed search does not read the run."""
        trials = [{"values": trial.values, "score": trial.score} for trial in self.trials]
        return {"trials": trials, "first": list(self.first), "text": self.text}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Knowledge":
        """From what `get_state` gave."""
        trials = tuple(KnownTrial(**trial) for trial in state["trials"])
        return cls(trials, tuple(state["first"]), state["text"])


def read_knowledge(
    config: Config,
    identity: Mapping[str, Any],
    space: kt.HyperParameters,
    declared: kt.HyperParameters,
) -> Knowledge:
    """Reads the run that `tuner.warm_start` names.

    Args:
        config: of the new search.
        identity: its rows, space and objective, as a snapshot's head has them.
        space: pinned and narrowed.
        declared: as the HyperModel declares it.

    Raises:
        UserError: if there is no such run, its state cannot be read, or it had another objective.
    """
    name = config.tuner.warm_start
    assert name is not None
    try:
        run = RunDirectory.find(config.run.directory, name)
        if not run.has_begun:
            raise UserError(f"{run.path}: its search ended before the first trial")
        saved = read_search(run, history=False)
    except UserError as error:
        raise UserError(f"tuner.warm_start: {error}") from error
    then, now = saved.identity.get("objective"), identity["objective"]
    if then != now:
        raise UserError(
            f"tuner.warm_start: {run.name} searched for {_objective(then)}, this search is for "
            f"{_objective(now)}; scores of another objective tell nothing. Set objective.name, or "
            f"take its best configuration: tuner.points_to_evaluate={run.hyperparameters}"
        )
    return known_of(saved, run, config, identity, space, declared)


def known_of(
    saved: SavedSearch,
    run: RunDirectory,
    config: Config,
    identity: Mapping[str, Any],
    space: kt.HyperParameters,
    declared: kt.HyperParameters,
) -> Knowledge:
    """What the state of an earlier run, of the same objective, tells a new search.

    Args:
        saved: that state.
        run: the folder of the earlier run.
        config: of the new search.
        identity: its rows, space and objective, as a snapshot's head has them.
        space: pinned and narrowed.
        declared: as the HyperModel declares it.
    """
    maximise = identity["objective"]["direction"] == "max"
    furthest, short = _furthest(saved)
    old_defaults = _defaults(saved.identity.get("space"))
    new_defaults = {hp.name: hp.default for hp in declared.space}
    found: dict[str, KnownTrial] = {}  # by the values: of equal ones the better
    inside = 0
    for own, score in sorted(furthest, key=lambda pair: -pair[1] if maximise else pair[1]):
        values = values_here(own, space.space, old_defaults, new_defaults)
        if values is not None:
            inside += 1
            found.setdefault(repr(sorted(values.items())), KnownTrial(values, score))
    trials = list(found.values())
    outside = len(furthest) - inside
    left_out = []
    if outside:
        left_out.append(f"{outside} {'lies' if outside == 1 else 'lie'} outside the space")
    if short:
        were = "was" if short == 1 else "were"
        left_out.append(f"{short} {were} not trained to the end")
    whole = f"{len(furthest) + short} completed configurations of {run.name}"
    reason = _incomparable(saved, config, identity)
    if reason:
        few = trials[:FEW]
        best = f"the best {len(few)} of " if few else "none of the "
        text = f"{best}{whole}, to run first; {'; '.join([*left_out, reason])}"
        taken = "its best configurations run first, and nothing more" if few else "nothing"
        notice = (
            f"tuner.warm_start: {run.name}: {reason}, so its scores cannot be compared with those "
            f"here; {taken} is taken from it"
        )
        return Knowledge((), tuple(trial.values for trial in few), text, notice)
    kept = trials
    if len(trials) > MOST:
        kept = [trials[i] for i in np.linspace(0, len(trials) - 1, MOST).round().astype(int)]
        left_out.append(f"{MOST:,} of {len(trials):,} that differ, evenly from best to worst")
    text = "; ".join([f"{inside} of {whole}", *left_out])
    return Knowledge(tuple(kept), tuple(trial.values for trial in kept[:1]), text)


def values_here(
    values: Mapping[str, Any],
    space: Sequence[Any],
    old_defaults: Mapping[str, Any],
    new_defaults: Mapping[str, Any],
) -> dict[str, Any] | None:
    """A trial's values as those of the new space; None if it has no such point.

    Args:
        values: of the trial.
        space: the new one's hyperparameters, parents before their children.
        old_defaults: of each hyperparameter that the old space has.
        new_defaults: of each that the new HyperModel declares.
    """
    here: dict[str, Any] = {}
    for hp in space:
        if not all(condition.is_active(here) for condition in hp.conditions):
            continue
        value = values.get(hp.name)
        if hp.name not in old_defaults:
            value = new_defaults.get(hp.name)
        own = None if value is None else spaces.own_value(hp, value)
        if own is None:
            return None
        here[hp.name] = own
    for name, value in values.items():
        known = name in new_defaults or name.startswith("tuner/")
        if not known and value != old_defaults.get(name):
            return None
    return here


def _furthest(saved: SavedSearch) -> tuple[list[tuple[dict[str, Any], float]], int]:
    """Values and scores of the configurations that trained to the end, and how many did not.

    A configuration counts with the last of its promotions, and with the mean of a re-evaluation.
    """
    longest = saved.config.get("training.epochs")
    completed = [record for record in saved.records if record.result.status == "COMPLETED"]
    continued = {record.spec.parent_id for record in completed}
    last = [record for record in completed if record.spec.trial_id not in continued]

    def is_whole(record: TrialRecord) -> bool:
        if record.reevaluated_score is not None:
            return True
        return record.spec.epochs == longest and not record.result.reason

    whole = []
    for record in sorted(filter(is_whole, last), key=lambda record: record.spec.trial_id):
        again, told = record.reevaluated_score, saved.told[record.spec.trial_id].score
        score = told if again is None else again
        assert score is not None
        whole.append((record.spec.hyperparameters["values"], score))
    return whole, len(last) - len(whole)


def _defaults(space: Any) -> dict[str, Any]:
    """By name, of the space in a snapshot's head; one that is pinned has what it is pinned to."""
    entries = space.items() if isinstance(space, dict) else ()
    return {
        str(name): entry.get("value", entry.get("default"))
        for name, entry in entries
        if isinstance(entry, dict)
    }


def _incomparable(saved: SavedSearch, config: Config, identity: Mapping[str, Any]) -> str:
    """Why scores of an earlier run mean something else than those here; empty if they do not."""
    model = saved.config.get("hypermodel.name")
    if model != config.hypermodel.name:
        return f"its HyperModel was {model}"
    data = saved.identity.get("data")
    if not isinstance(data, dict) or data.get("content") != identity["data"]["content"]:
        return "its rows, or their split or scaling, were other ones"
    epochs = saved.config.get("training.epochs")
    if not isinstance(epochs, int) or not (
        LEAST_SHARE <= epochs / config.training.epochs <= 1 / LEAST_SHARE
    ):
        return f"its trials trained for up to {epochs} epochs (training.epochs)"
    return ""


def _objective(objective: Any) -> str:
    if not isinstance(objective, dict):
        return "an unknown objective"
    return f"{objective.get('name')} ({objective.get('direction')})"
