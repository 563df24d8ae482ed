"""The rate of every step is base × schedule × plateau factor, for whatever is put together."""

import json
import math
from functools import cache
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callbacks import (
    SCHEDULES,
    LearningRateScheduler,
    Monitor,
    ReduceLROnPlateau,
    WarmUp,
    get_schedule,
)
from callbacks.schedules import parameters_of
from tests.callbacks.helpers import BASE, ScriptedMetric
from tests.hypermodels.training.test_step_rates import ROWS, Mode, one_weight, train

BATCH = 4


class Growth(keras.callbacks.Callback):
    """Doubles the batch size in every epoch."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.model.batch_size.assign(BATCH * 2**epoch)


class Setup(NamedTuple):
    """A training: its callbacks, in which order, and how much of it is done when it is resumed."""

    schedule: Any
    warm_up: WarmUp | None
    unit: Any
    scores: list[float]
    plateau: tuple[float, int, float, int]  # factor, patience, floor, cooldown
    order: list[int]
    growing: bool
    cut: float

    @property
    def epochs(self) -> int:
        return len(self.scores)

    def callbacks(self) -> dict[str, Any]:
        return {
            "scheduler": LearningRateScheduler(self.schedule, self.epochs, self.unit, self.warm_up),
            "plateau": ReduceLROnPlateau(Monitor("val_score", "max"), *self.plateau),
            "growth": Growth() if self.growing else keras.callbacks.Callback(),
        }


@st.composite
def schedules(draw: Any) -> Any:
    name, count = draw(st.sampled_from(sorted(SCHEDULES))), draw(st.integers(1, 3))
    parameters: dict[str, Any] = {}
    for parameter, search in parameters_of(name).items():
        number: Any = st.floats(search.min, search.max)
        if isinstance(search.min, int):
            number = st.integers(int(search.min), int(search.max))
        several = st.lists(number, min_size=count, max_size=count)
        parameters[parameter] = draw(several if search.more else number)
    return get_schedule(name, parameters)


WARM_UPS = st.builds(
    WarmUp,
    st.sampled_from(["linear", "exponential"]),
    st.floats(0.25, 8.0),
    st.sampled_from(["epoch", "step"]),
    st.floats(0.01, 1.0),
)
SCORES = st.sampled_from([0.1, 0.2, 0.3, 0.4, math.nan, math.inf])
SETUPS = st.builds(
    Setup,
    schedules(),
    st.none() | WARM_UPS,
    st.sampled_from(["epoch", "step"]),
    st.lists(SCORES, min_size=1, max_size=7),
    st.tuples(
        st.sampled_from([0.1, 0.5, 0.9]),
        st.integers(1, 3),
        st.sampled_from([0.0, 0.03, 0.2]),
        st.integers(0, 2),
    ),
    st.permutations(range(3)),
    st.booleans(),
    st.floats(0, 1),
)


def expected(setup: Setup) -> list[float]:
    """The rate of every step, from the formula alone."""
    base, (cut_factor, patience, floor, cooldown) = float(np.float32(BASE)), setup.plateau
    growth = [2**epoch if setup.growing else 1 for epoch in range(setup.epochs)]
    steps = [-(-ROWS // (BATCH * times)) for times in growth]
    warm = 0.0
    if setup.warm_up is not None:
        in_epochs = setup.warm_up.length / (1 if setup.warm_up.unit == "epoch" else steps[0])
        warm = in_epochs / setup.epochs
    best, waited, cooling, cuts, rates = -math.inf, 0, 0, 0, []
    for epoch, score in enumerate(setup.scores):
        plateau = max(cut_factor**cuts, min(floor / base, 1.0))
        for step in range(steps[epoch]):
            within = step / steps[epoch] if setup.unit == "step" else 0.0
            progress = (epoch + within) / setup.epochs
            if setup.warm_up is not None and progress < warm:
                part, start = progress / warm, setup.warm_up.start
                linear = start + (1 - start) * part
                factor = linear if setup.warm_up.shape == "linear" else start ** (1 - part)
            else:
                factor = setup.schedule((progress - warm) / (1 - warm))
            rates.append(base * factor * plateau)
        better = math.isfinite(score) and score > best
        best, waited = (score, 0) if better else (best, waited + 1)
        if cooling > 0:
            cooling, waited = cooling - 1, 0
        if waited >= patience:
            cuts, cooling, waited = cuts + 1, cooldown, 0
    return rates


shared = cache(one_weight)


@pytest.mark.parametrize(("mode", "momentum"), [("memory", 0.8), ("stream", 0.0), ("plain", 0.8)])
@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(setup=SETUPS)
def test_every_rate_is_the_product(mode: Mode, momentum: float, setup: Setup) -> None:
    if mode == "plain":  # a plain model can follow no batch sizes
        setup = setup._replace(growing=False)
    model = shared(mode, momentum)
    for variable in (*model.weights, *model.optimizer.variables):
        if variable is not model.optimizer.learning_rate:
            variable.assign(np.zeros(variable.shape))
    states: dict[str, Any] = {}
    middle = round(setup.cut * setup.epochs)
    for start, end in ((0, middle), (middle, setup.epochs)):
        if start < end:
            made = setup.callbacks()
            for name, state in states.items():
                made[name].set_state(state)
            ordered = [list(made.values())[index] for index in setup.order]
            callbacks = [ScriptedMetric(setup.scores), *ordered]
            train(model, mode, callbacks, BATCH, end, start)
            stateful = {name: c for name, c in made.items() if hasattr(c, "get_state")}
            states = {name: json.loads(json.dumps(c.get_state())) for name, c in stateful.items()}
    rates = expected(setup)
    traced = model.optimizer.rates.numpy()[: int(model.optimizer.iterations)]
    np.testing.assert_allclose(traced, rates, rtol=3e-6)
    weight = velocity = 0.0
    for rate in rates:  # the gradient is 1
        velocity = momentum * velocity - rate
        weight += velocity
    np.testing.assert_allclose(model.get_weights()[0].item(), weight, rtol=2e-5)
    assert float(model.optimizer.learning_rate) == np.float32(BASE)
