"""Finds, before a search, patience and lengths that never pass in it: they would do nothing."""

from collections.abc import Iterator

import keras_tuner as kt

from src.config.schema import Config
from src.tuners.space import possible_values

# What waits for so many epochs without improvement of the objective, and what it then does.
PLATEAUS = {
    "plateau_patience": "lowers its learning rate",
    "batch_schedule_patience": "raises its batch size",
}
# What happens when a length has passed, from 1 on epochs.
LENGTHS = {
    "schedule_every": "lowers its learning rate",
    "schedule_boundary": "lowers its learning rate",
    "schedule_rise": "lowers its learning rate",
    "batch_schedule_every": "raises its batch size",
}


def patience_notices(space: kt.HyperParameters, config: Config, has_rungs: bool) -> list[str]:
    """Says, with the numbers, where no value in the space can ever have an effect.

    The first epoch always counts as an improvement, so that a patience of p runs out after epoch
    p + 1 at the earliest; what it changes shows in the next. Counters go on from rung to rung: the
    longest is what counts.

    Args:
        space: pinned and narrowed.
        config: has the epochs.
        has_rungs: whether the tuner continues trials from rung to rung.
    """
    return list(_notices(space, config.training.epochs, config, has_rungs))


def _notices(
    space: kt.HyperParameters, epochs: int, config: Config, has_rungs: bool
) -> Iterator[str]:
    longest = f"the longest rung trains {epochs}" if has_rungs else f"a trial trains {epochs}"
    longest += f" epoch{'' if epochs == 1 else 's'} (training.epochs)"
    stopping = possible_values(space, "early_stopping_patience")
    starts = possible_values(space, "early_stopping_start") or [0]
    on = [value for value in stopping if value > 0]
    least_delta = min(possible_values(space, "early_stopping_min_delta"), default=0)
    baseline = config.training.early_stopping_baseline is not None
    if on and (first := min(starts) + min(on) + (0 if baseline else 1)) >= epochs:
        yield (
            f"space.early_stopping_patience: {_all(on)} can never stop a trial early: that takes "
            f"{first} epochs, and more to be spared, but {longest}"
        )
    for name, does in PLATEAUS.items():
        values = possible_values(space, name)
        # What is too small an improvement for a plateau may be one for early stopping.
        deltas = possible_values(space, name.replace("patience", "min_delta"))
        pickier = max(deltas, default=0) > least_delta
        if not values:
            continue
        least = min(values)
        if least + 2 > epochs:
            yield (
                f"space.{name}: with {_all(values)} no trial ever {does}: an effect shows in epoch "
                f"{least + 2:g} at the earliest, but {longest}"
            )
        elif on and len(on) == len(stopping) and least >= max(starts) + max(on) and not pickier:
            after = f" from epoch {max(starts)} on" if max(starts) else ""
            yield (
                f"space.{name}: with {_all(values)} no trial ever {does}: early stopping ends it "
                f"first, after {max(on):g} epochs without improvement{after} "
                "(space.early_stopping_patience)"
            )
    growth = possible_values(space, "regularization_patience")
    if growth and min(growth) + 2 > epochs:
        yield (
            f"space.regularization_patience: with {_all(growth)} no trial ever raises its "
            f"strengths: that shows in epoch {min(growth) + 2:g} at the earliest, but {longest}"
        )
    for name, does in LENGTHS.items():
        entries = (name, f"{name}_2", f"{name}_3")  # several boundaries are several hyperparameters
        lengths = sorted(value for entry in entries for value in possible_values(space, entry))
        if lengths and min(lengths) >= epochs:
            yield f"space.{name}: with {_all(lengths)} epochs no trial ever {does}: {longest}"
    warm = possible_values(space, "warmup_epochs")
    if warm and min(warm) >= epochs:
        yield (
            f"space.warmup_epochs: with {_all(warm)} the learning rate never reaches its base: "
            f"{longest}"
        )


def _all(values: list[float]) -> str:
    """The values in words: one, or from the smallest to the largest."""
    low, high = values[0], values[-1]
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
