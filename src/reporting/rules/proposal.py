"""Where to search next: ranges around what was good, wider where the good is at an edge."""

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from src.reporting.analysis.importance import Importance
from src.reporting.domains import Domain
from src.reporting.rules.edges import edge_of
from src.reporting.rules.failures import FailingEnd, failing_end
from src.reporting.run_data import RunData
from src.text import command, go_on_command, python_command, resume_command

ROOM = 0.1  # of a range, left on both sides of the good values
NARROWER = 0.7  # a range that stays larger than this part of itself is left as it is
REEVALUATED = 5  # trials that are trained again where the noise hides which is best
TRIED = 3  # trials with a choice, below which it is not dropped
_PLAIN_TEXT = re.compile(r"[a-z][a-z0-9_]*")
_YAML_WORDS = frozenset(("open", "y", "n", "yes", "no", "on", "off", "true", "false", "null"))


@dataclass(frozen=True)
class Override:
    """A changed setting.

    Attributes:
        name: the hyperparameter, or another key.
        text: `space.<name>=…` as the command line takes it, not quoted for a shell.
        reason: `widened`, `narrowed` or `longer`.
    """

    name: str
    text: str
    reason: str


def proposed_space(
    trials: pd.DataFrame,
    completed: pd.DataFrame,
    domains: Sequence[Domain],
    importance: Importance,
    limits: Mapping[str, tuple[float, float]],
) -> list[Override]:
    """The changes that the trials speak for.

    A range is widened where the best trials crowd at its end and the limits allow it, narrowed to
    where the best fifth of the trials lies if it clearly matters, and cut where trials fail. Of
    choices that clearly matter, those are dropped that were tried and are not among the best third.
    Choices that decide whether other hyperparameters are active, and ranges with steps, stay.

    Args:
        trials: all of them.
        completed: those with a score, best first.
        domains: all hyperparameters.
        importance: of the same trials.
        limits: how far ranges may be widened.
    """
    parents = {name for domain in domains for name, _ in domain.conditions}
    found = []
    for domain in domains:
        if not domain.searched or domain.name not in completed.columns or domain.step is not None:
            continue
        override = None
        if domain.is_range:
            failing = failing_end(trials, domain)
            override = _range(completed, domain, importance, limits.get(domain.name), failing)
        elif domain.kind == "choice" and domain.name not in parents:
            override = _choices(completed, domain, importance)
        if override is not None:
            found.append(override)
    return found


def next_command(
    data: RunData, overrides: Sequence[Override], *, exhausted: bool
) -> tuple[str, str]:
    """What to run next, and why: a command ready for a shell.

    A search that did not end goes on; else a new one searches the proposed space. Without changes
    to propose, this one gets twice the trials, or twice of what ended it, or, where these were
    enough, its best are trained again.

    A tuner that can learn from this run's trials does.

    Args:
        data: the run.
        overrides: the proposed space.
        exhausted: whether the last trials brought nothing better than noise.
    """
    path = data.run.path
    if data.state == "running":
        return "look again while the search runs", command("report", path)
    if data.state in ("killed", "interrupted"):
        return "go on with this search", resume_command(path)
    start = (
        f"{python_command()} -m src.tune --config {shlex.quote(str(data.run.config))} run.name=auto"
    )
    if overrides:
        texts = [override.text for override in overrides]
        if data.settings.get("tuner.points_to_evaluate"):  # they may lie outside what is proposed
            texts.append("tuner.points_to_evaluate=[]")
        if data.uses_warm_start:
            texts.append(f"tuner.warm_start={path}")
        words = " ".join(map(shlex.quote, texts))
        kinds = list(dict.fromkeys(override.reason for override in overrides))
        return f"search again, {' and '.join(kinds)}", f"{start} {words}"
    if exhausted:
        executions, times = data.settings.get("tuner.reevaluate.executions"), 3
        if isinstance(executions, int) and data.settings.get("tuner.reevaluate.trials") is not None:
            times *= executions
        return "see past the noise, by training the best few again from new seeds", (
            f"{resume_command(path)} tuner.reevaluate.trials={REEVALUATED} "
            f"tuner.reevaluate.executions={times}"
        )
    if data.ended_by.startswith("limits."):
        limit = data.settings.get(data.ended_by)
        if isinstance(limit, (int, float)):
            return go_on_command(path, data.ended_by, limit)
    if data.max_trials is not None:
        return go_on_command(path, "tuner.max_trials", data.max_trials)
    return "search again from another seed", f"{start} seed={_seed(data) + 1}"


def _seed(data: RunData) -> int:
    seed = data.settings.get("seed")
    return seed if isinstance(seed, int) else 42


def _range(
    completed: pd.DataFrame,
    domain: Domain,
    importance: Importance,
    limits: tuple[float, float] | None,
    failing: FailingEnd | None,
) -> Override | None:
    values = domain.numbers(completed[domain.name])
    good = values[: max(3, len(values) // 5)]
    good = good[np.isfinite(good)]
    edge = edge_of(completed, domain)
    low, high = domain.low, domain.high
    if edge is not None and limits is not None:
        low, high = _wider(domain, edge, limits)
    matters = importance.matters(domain.name)
    if matters and len(good) >= 3:
        places = [domain.within(float(value)) for value in good]
        if edge != "low":
            low = max(low, _value(domain, min(places) - ROOM))
        if edge != "high":
            high = min(high, _value(domain, max(places) + ROOM))
    if failing is not None and failing.edge == "high":
        high = min(high, failing.bound)
    elif failing is not None:
        low = max(low, failing.bound)
    if domain.kind == "int":
        low, high = float(math.floor(low)), float(math.ceil(high))
    else:
        low, high = float(f"{low:.3g}"), float(f"{high:.3g}")
    if limits is not None:
        low, high = max(low, limits[0]), min(high, limits[1])
    else:
        low, high = max(low, domain.low), min(high, domain.high)
    wider = low < domain.low or high > domain.high
    size = domain.within(high) - domain.within(low)
    if low >= high or (not wider and size > NARROWER):
        return None
    reason = "widened" if wider else "narrowed"
    text = f"space.{domain.name}={{min: {_exact(low)}, max: {_exact(high)}}}"
    return Override(domain.name, text, reason)


def _wider(domain: Domain, edge: str, limits: tuple[float, float]) -> tuple[float, float]:
    """The range with half of itself more at one end, on its own scale."""
    if edge == "high":
        return domain.low, min(_value(domain, 1.5), limits[1])
    low = max(_value(domain, -0.5), limits[0])
    return (low if low > 0 or not domain.log else domain.low), domain.high


def _value(domain: Domain, place: float) -> float:
    """The value at a place in the range, which may lie beyond 0 … 1."""
    if domain.log:
        return float(domain.low * (domain.high / domain.low) ** place)
    return domain.low + place * (domain.high - domain.low)


def _choices(completed: pd.DataFrame, domain: Domain, importance: Importance) -> Override | None:
    if not importance.matters(domain.name):
        return None
    places = domain.numbers(completed[domain.name])
    good = places[: max(3, len(places) // 3)]
    kept = [
        value
        for index, value in enumerate(domain.values)
        if (good == index).any() or (places == index).sum() < TRIED
    ]
    if not kept or len(kept) == len(domain.values):
        return None
    words = [_yaml(domain.name, value) for value in kept]
    text = words[0] if len(words) == 1 else f"[{', '.join(words)}]"
    return Override(domain.name, f"space.{domain.name}={text}", "narrowed")


def _yaml(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if name == "batch_size" and value == 0:
        return "full"
    if isinstance(value, (int, float)):
        return _exact(value)
    text = str(value)
    plain = _PLAIN_TEXT.fullmatch(text) and text not in _YAML_WORDS
    return text if plain else json.dumps(text)


def _exact(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:g}"
