"""The rate of every step is base × schedule × plateau factor, for whatever is put together."""

import json
import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callbacks import (
    SCHEDULES,
    BatchSizeScheduler,
    LearningRateScheduler,
    ReduceLROnPlateau,
    ScheduleLogger,
    WarmUp,
    get_schedule,
)
from callbacks.batch_size_scheduler import growing_batch_sizes
from callbacks.schedules import parameters_of
from tests.callbacks.helpers import BASE, ScriptedMetric
from tests.hypermodels.training.test_step_rates import ROWS, Mode, one_weight, train

BATCH = 4
MOMENTUM = 0.8


@dataclass(frozen=True)
class Setup:
    """A training: what its callbacks do, in which order, and where it is cut in two."""

    schedule: str
    parameters: dict[str, Any]
    warm_up: WarmUp | None
    unit: Any
    scores: list[float]
    factor: float
    patience: int
    cooldown: int
    floor: float
    order: list[int]
    growing: bool
    cut: int

    @property
    def epochs(self) -> int:
        return len(self.scores)

    def callbacks(self) -> dict[str, Any]:
        made = {
            "scheduler": LearningRateScheduler(
                get_schedule(self.schedule, self.parameters), self.epochs, self.unit, self.warm_up
            ),
            "plateau": ReduceLROnPlateau(
                *("val_score", "max", self.factor, self.patience, self.floor, 0.0, self.cooldown)
            ),
            "record": ScheduleLogger(),
        }
        if not self.growing:
            return made
        growth = BatchSizeScheduler(growing_batch_sizes(2.0, 0.4, self.epochs, ROWS))
        return made | {"growth": growth}


@st.composite
def setups(draw: Any) -> Setup:
    name = draw(st.sampled_from(sorted(SCHEDULES)))
    parameters: dict[str, Any] = {}
    count = draw(st.integers(1, 3))
    for parameter, search in parameters_of(name).items():
        number: Any = st.floats(search.min, search.max)
        if isinstance(search.min, int):
            number = st.integers(int(search.min), int(search.max))
        parameters[parameter] = draw(
            st.lists(number, min_size=count, max_size=count) if search.more else number
        )
    warm_ups = st.builds(
        WarmUp,
        st.sampled_from(["linear", "exponential"]),
        st.floats(0.25, 8.0),
        st.sampled_from(["epoch", "step"]),
        st.floats(0.01, 1.0),
    )
    scores = st.sampled_from([0.1, 0.2, 0.3, 0.4, math.nan, math.inf])
    found: list[float] = draw(st.lists(scores, min_size=1, max_size=7))
    return Setup(
        name,
        parameters,
        draw(st.none() | warm_ups),
        draw(st.sampled_from(["epoch", "step"])),
        found,
        draw(st.sampled_from([0.1, 0.5, 0.9])),
        draw(st.integers(1, 3)),
        draw(st.integers(0, 2)),
        draw(st.sampled_from([0.0, 0.03, 0.2])),
        draw(st.permutations(range(4))),
        draw(st.booleans()),
        draw(st.integers(0, len(found))),
    )


def expected(setup: Setup, growing: bool) -> tuple[list[float], list[int]]:
    """The rate of every step, and the steps of every epoch, from the formula alone."""
    base, schedule = float(np.float32(BASE)), get_schedule(setup.schedule, setup.parameters)
    sizes = [
        min(BATCH * 2 ** math.floor(epoch / setup.epochs / 0.4 + 1e-9), ROWS) if growing else BATCH
        for epoch in range(setup.epochs)
    ]
    steps = [-(-ROWS // size) for size in sizes]
    warm = 0.0
    if setup.warm_up is not None:
        in_epochs = setup.warm_up.length / (1 if setup.warm_up.unit == "epoch" else steps[0])
        warm = in_epochs / setup.epochs
    best, waited, cooling, cuts, rates = -math.inf, 0, 0, 0, []
    for epoch, score in enumerate(setup.scores):
        plateau = max(setup.factor**cuts, min(setup.floor / base, 1.0))
        for step in range(steps[epoch]):
            within = step / steps[epoch] if setup.unit == "step" else 0.0
            progress = (epoch + within) / setup.epochs
            if setup.warm_up is not None and progress < warm:
                part, start = progress / warm, setup.warm_up.start
                linear = start + (1 - start) * part
                factor = linear if setup.warm_up.shape == "linear" else start ** (1 - part)
            else:
                factor = schedule((progress - warm) / (1 - warm))
            rates.append(base * factor * plateau)
        better = math.isfinite(score) and score > best
        best, waited = (score, 0) if better else (best, waited + 1)
        if cooling > 0:
            cooling, waited = cooling - 1, 0
        if waited >= setup.patience:
            cuts, cooling, waited = cuts + 1, setup.cooldown, 0
    return rates, steps


@cache
def shared(mode: Mode, momentum: float) -> Any:
    return one_weight(mode, momentum)


PROPERTY: dict[str, Any] = {
    "deadline": None,
    "derandomize": True,
    "suppress_health_check": [HealthCheck.too_slow],
}


@settings(max_examples=30, **PROPERTY)
@given(setup=setups(), momentum=st.sampled_from([0.0, MOMENTUM]))
def test_every_rate_is_the_product(setup: Setup, momentum: float) -> None:
    check("memory", setup, momentum)


@settings(max_examples=5, **PROPERTY)
@given(setup=setups(), momentum=st.sampled_from([0.0, MOMENTUM]))
def test_every_rate_is_the_product_in_plain_keras(setup: Setup, momentum: float) -> None:
    check("plain", setup, momentum)


def check(mode: Mode, setup: Setup, momentum: float) -> None:
    """Trains, and compares every rate with the product."""
    growing = setup.growing and mode == "memory"
    model = shared(mode, momentum)
    model.set_weights([np.zeros((1, 1))])
    for variable in model.optimizer.variables:
        if variable is not model.optimizer.learning_rate:
            variable.assign(np.zeros(variable.shape))
    recorded: list[float] = []
    states: dict[str, Any] = {}
    for start, end in ((0, setup.cut), (setup.cut, setup.epochs)):
        if start == end:
            continue
        made = {n: c for n, c in setup.callbacks().items() if n != "growth" or growing}
        for name, state in states.items():
            made[name].set_state(state)
        ordered = [list(made.values())[index] for index in setup.order if index < len(made)]
        callbacks = [ScriptedMetric(setup.scores), *ordered]
        history = train(model, mode, callbacks, BATCH, end, start).history
        recorded += history["learning_rate"]
        stateful = {name: c for name, c in made.items() if hasattr(c, "get_state")}
        states = {name: json.loads(json.dumps(c.get_state())) for name, c in stateful.items()}
    rates, steps = expected(setup, growing)
    traced = model.optimizer.rates.numpy()[: int(model.optimizer.iterations)]
    np.testing.assert_allclose(traced, rates, rtol=3e-6)
    firsts = [rates[sum(steps[:epoch])] for epoch in range(setup.epochs)]
    np.testing.assert_allclose(recorded, firsts, rtol=3e-6)
    weight = velocity = 0.0
    for rate in rates:  # the gradient is 1
        velocity = momentum * velocity - rate
        weight += velocity
    np.testing.assert_allclose(model.get_weights()[0].item(), weight, rtol=2e-5)
    assert float(model.optimizer.learning_rate) == np.float32(BASE)
