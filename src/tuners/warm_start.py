"""What a new search takes from an earlier run: the scores of its trials, where the spaces overlap.

A trial counts if it completed, trained for as many epochs as any trial of its run, and has values
of the new space. A hyperparameter that only one of the runs has counts as being at its default in
the other run: for the earlier run the pinned value, for the new run what the HyperModel declares.
Of a run whose scores cannot be compared, only the best configurations are taken, and run first.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras_tuner as kt
import numpy as np
from pydantic import BaseModel

from src.config.schema import Config
from src.errors import UserError
from src.store.run_directory import RunDirectory
from src.store.saved_search import SavedSearch, read_search
from src.tuners import space as spaces

MOST = 300  # trials; with more, the models of the tuners take seconds a proposal
FEW = 3  # best configurations of a run whose scores cannot be compared


class EarlierTrial(BaseModel, frozen=True):
    """A trial of an earlier run, with values for all hyperparameters active in the new space."""

    values: dict[str, Any]
    score: float


class WarmStart(BaseModel, frozen=True):
    """What is taken from an earlier run; stored, as a resumed search does not read that run."""

    trials: tuple[EarlierTrial, ...] = ()  # whose scores count in the new search, best first
    first: tuple[dict[str, Any], ...] = ()  # configurations that run first
    text: str = ""  # how many trials of the run were taken, and why not all
    notice: str = ""  # why scores do not count; empty where they do


def read_warm_start(
    config: Config,
    identity: Mapping[str, Any],
    space: kt.HyperParameters,
    declared: kt.HyperParameters,
) -> WarmStart:
    """Reads the run that `tuner.warm_start` names.

    `identity` has the rows, the space and the objective of the new search, as the state of a run
    holds them. `space` is pinned and narrowed, `declared` as the HyperModel declares it. Raises
    `UserError` if there is no such run, its state cannot be read, or its objective was another.
    """
    assert config.tuner.warm_start is not None
    try:
        run = RunDirectory.find(config.run.directory, config.tuner.warm_start)
        if not run.has_begun:
            raise UserError(f"{run.path}: its search ended before the first trial")
        saved = read_search(run, history=False)
    except UserError as error:
        raise UserError(f"tuner.warm_start: {error}") from error
    then, now = (
        f"{objective['name']} ({objective['direction']})"
        for objective in (saved.identity["objective"], identity["objective"])
    )
    if then != now:
        raise UserError(
            f"tuner.warm_start: {run.name} optimised {then}, this search optimises {now}. Set "
            "objective.name, or only take the best configuration: "
            f"tuner.points_to_evaluate={run.hyperparameters}"
        )
    return warm_start_of(saved, config, identity, space, declared)


def warm_start_of(
    saved: SavedSearch,
    config: Config,
    identity: Mapping[str, Any],
    space: kt.HyperParameters,
    declared: kt.HyperParameters,
) -> WarmStart:
    """Selects the trials of a saved search; the other arguments are those of `read_warm_start`."""
    name, sign = saved.run.name, -1.0 if identity["objective"]["direction"] == "max" else 1.0
    defaults = {
        hp: entry.get("value", entry.get("default"))
        for hp, entry in saved.identity["space"].items()
    }
    whole, short = _fully_trained(saved)
    inside = 0
    best: dict[str, EarlierTrial] = {}  # of equal configurations the best
    for trial in sorted(whole, key=lambda trial: sign * trial.score):
        values = values_here(trial.values, defaults, space, declared)
        if values is not None:
            inside += 1
            known = EarlierTrial(values=values, score=trial.score)
            best.setdefault(repr(sorted(values.items())), known)
    trials = list(best.values())
    parts = [f"of {len(whole) + short} completed configurations of {name}"]
    if outside := len(whole) - inside:
        parts.append(f"{outside} outside the space")
    if short:
        parts.append(f"{short} not trained to the end")
    if reason := _difference(saved, config, identity):
        few = tuple(trial.values for trial in trials[:FEW])
        taken = f"only the best {len(few)} run first"
        notice = f"tuner.warm_start: {name}: {reason}, so scores cannot be compared: {taken}"
        text = f"{len(few)} {'; '.join([*parts, reason])}"
        return WarmStart(first=few, text=text, notice=notice)
    if len(trials) > MOST:
        parts.append(f"{MOST} of them, evenly from best to worst")
        trials = [trials[i] for i in np.linspace(0, len(trials) - 1, MOST).round().astype(int)]
    first = tuple(trial.values for trial in trials[:1])
    return WarmStart(trials=tuple(trials), first=first, text=f"{inside} {'; '.join(parts)}")


def values_here(
    values: Mapping[str, Any],
    defaults: Mapping[str, Any],
    space: kt.HyperParameters,
    declared: kt.HyperParameters,
) -> dict[str, Any] | None:
    """Converts an earlier trial's values to the new space; None if the space has no such point.

    `defaults` are those of the earlier space; the new HyperModel has `declared` its own.
    """
    new_defaults = {hp.name: hp.default for hp in declared.space}
    here: dict[str, Any] = {}
    for hp in space.space:
        if spaces.is_active(hp, here):
            had = values.get(hp.name) if hp.name in defaults else new_defaults.get(hp.name)
            here[hp.name] = spaces.own_value(hp, had)
            if here[hp.name] is None:
                return None
    only_then = (n for n in values if n not in new_defaults and not n.startswith("tuner/"))
    return here if all(values[name] == defaults.get(name) for name in only_then) else None


def _fully_trained(saved: SavedSearch) -> tuple[Sequence[EarlierTrial], int]:
    """The configurations that trained to the end, by their last trials; how many others completed.

    A re-evaluated trial did, and has the mean score of the re-evaluation.
    """
    longest = saved.config["training.epochs"]
    completed = [record for record in saved.records if record.result.status == "COMPLETED"]
    promoted = {record.spec.parent_id for record in completed}
    last = [record for record in completed if record.spec.trial_id not in promoted]
    whole = []
    for record in sorted(last, key=lambda record: record.spec.number):
        score = record.reevaluated_score
        if score is None and record.spec.epochs == longest and not record.result.reason:
            score = saved.told[record.spec.trial_id]
        if score is not None:
            values = record.spec.hyperparameters["values"]
            whole.append(EarlierTrial(values=values, score=score))
    return whole, len(last) - len(whole)


def _difference(saved: SavedSearch, config: Config, identity: Mapping[str, Any]) -> str:
    """Why the scores of an earlier run cannot be compared; empty if they can."""
    then = saved.config
    if then["hypermodel.name"] != config.hypermodel.name:
        return f"its HyperModel was {then['hypermodel.name']}"
    if saved.identity["data"]["content"] != identity["data"]["content"]:
        return "its rows, or their split or scaling, were different"
    if not 0.5 <= then["training.epochs"] / config.training.epochs <= 2:
        return f"its trials trained for up to {then['training.epochs']} epochs (training.epochs)"
    return ""
