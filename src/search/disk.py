"""How much disk a search will need, estimated before it begins.

The sizes are those of the files as they are written here; what varies is the number of weights,
which is counted in a few models of the space.
"""

from dataclasses import dataclass
from typing import Any

import keras_tuner as kt
from keras_tuner.engine.hyperparameters import Float, Int

from src.config.schema import Config
from src.search import space as spaces
from src.search.history import log_names
from src.search.preparing import PreparedSearch

SAMPLES = 8  # configurations at random whose parameters are counted, beside the default one
UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
WEIGHT = 4  # bytes of a float32
# Bytes, as measured on runs of this program.
ARCHIVE = 2_500  # what an npz file has beside its arrays
MODEL = 40_000  # what model.keras has beside its weights
PICTURES = 450_000  # of a finished search, in TensorBoard
SCALAR = 26  # in an event file
CELL = 17  # in a table, of a number
TRIAL = 6_000  # two snapshots, trials.csv, HParams, log
FIT = 700  # of several: two snapshots, fits.csv
RUN = 80_000  # config.yaml, two snapshots and TensorBoard without a trial
HISTOGRAM = 900  # of a variable after an epoch, where TensorBoard gets everything
VARIABLES = 8  # of a model, for that
STATE = 4  # copies of the weights in a training state: they, the best, two moments of an optimizer


@dataclass(frozen=True)
class Disk:
    """Bytes that a search needs at its fullest.

    Attributes:
        about: if its models are like those of the space on average.
        most: if they are all the largest.
    """

    about: float
    most: float

    def __str__(self) -> str:
        return f"about {in_words(self.about)}, at most {in_words(self.most)}"


def in_words(size: float) -> str:
    """Bytes as kB, MB or GB, in two digits."""
    unit, scale = next((u for u in UNITS if size >= u[1]), UNITS[-1])
    return f"{float(f'{size / scale:.2g}'):,g} {unit}"


def estimate_disk(prepared: PreparedSearch) -> Disk | None:
    """Estimates the disk that a search needs; None if nobody knows how many trials it has.

    Builds some models of the space, which takes a moment each.
    """
    if prepared.trials is None or prepared.epochs is None:
        return None
    counts, largest = parameter_counts(prepared.hypermodel, prepared.space)
    limit = prepared.config.limits.parameters
    average = sum(counts) / len(counts)
    if limit is not None:  # larger models are rejected
        average, largest = min(average, limit), min(largest, limit)
    fixed = _without_weights(prepared)
    return Disk(fixed + _of_weights(prepared, average), fixed + _of_weights(prepared, largest))


def parameter_counts(hypermodel: Any, space: kt.HyperParameters) -> tuple[list[int], int]:
    """Parameters of the default model and of some at random, and of the largest that was found.

    Beside these, one with every number at its upper end is looked at. Configurations whose model
    cannot be built are passed over.
    """
    random = [_filled(space, lambda hp, s=seed: hp.random_sample(s)) for seed in range(SAMPLES)]
    top = _filled(space, lambda hp: hp.max_value if isinstance(hp, (Int, Float)) else hp.default)
    default = _filled(space, lambda hp: hp.default)
    counts = [_parameters(hypermodel, hp) for hp in (default, *random)]
    found = [count for count in counts if count is not None] or [0]
    return found, max(*found, _parameters(hypermodel, top) or 0)


def _filled(space: kt.HyperParameters, choose: Any) -> kt.HyperParameters:
    hp = spaces.without_values(space)
    for parameter in hp.space:
        if hp.is_active(parameter):
            hp.values[parameter.name] = choose(parameter)
    return hp


def _parameters(hypermodel: Any, hp: kt.HyperParameters) -> int | None:
    try:
        return int(hypermodel.build(hp).count_params())
    except Exception:  # a HyperModel of any user's may raise anything; its trial will tell
        return None


def _of_weights(prepared: PreparedSearch, parameters: float) -> float:
    """Bytes of the files whose size depends on the models'."""
    config = prepared.config
    trials = prepared.trials or 0
    weights = WEIGHT * parameters + ARCHIVE
    state = STATE * WEIGHT * parameters + 2 * ARCHIVE
    kept = min(config.run.keep_top, trials) * _fits(config)
    states = prepared.oracle.most_states(config.tuner.trial_cap) * config.tuner.executions_per_trial
    if config.training.save_every is not None:
        states += prepared.workers
    again = config.tuner.confirm.trainings * config.tuner.folds
    return (kept + again) * weights + states * state + MODEL + WEIGHT * parameters


def _without_weights(prepared: PreparedSearch) -> float:
    config, data = prepared.config, prepared.data
    again = config.tuner.confirm.trainings * config.tuner.folds
    trials, epochs = prepared.trials or 0, (prepared.epochs or 0) + again * config.training.epochs
    columns = len(log_names(prepared.hypermodel.metric_names)) + 2  # the rate and the batch size
    epoch = SCALAR * columns + CELL * (columns + 2)
    if config.run.tensorboard == "full":
        epoch += HISTOGRAM * VARIABLES
    predicted = len(data.validation) + len(data.test)
    if config.tuner.folds > 1:
        predicted += len(data.train)
    row = 25 + 21 * max(len(data.class_names), 1)
    fits = FIT * _fits(config) if _fits(config) > 1 else 0
    ended = trials * (TRIAL + fits) + again * FIT
    return RUN + PICTURES + epochs * epoch + ended + predicted * row


def _fits(config: Config) -> int:
    return config.tuner.executions_per_trial * config.tuner.folds
