"""Finds, before a search, patience and lengths that have no effect in any trial."""

from functools import partial

import keras_tuner as kt

from callbacks import TrainingPlan
from callbacks.registry import first_effects
from src.tuners.space import possible_values


def patience_notices(space: kt.HyperParameters, plan: TrainingPlan) -> list[str]:
    """Names each patience and length of a narrowed space that no trial is long enough for.

    Counters go on from rung to rung of a Hyperband bracket, so that the plan's epochs count.
    """
    first = first_effects(partial(possible_values, space))
    return [
        f"space.{name}: has no effect in any trial: the earliest would be in epoch {epoch}, but "
        f"training.epochs is {plan.epochs}"
        for name, epoch in first.items()
        if epoch > plan.epochs
    ]
