"""The proposed space is one that the search takes, and lies where the trials were good."""

import math
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.config import load_config
from src.reporting.analysis.importance import Importance
from src.reporting.domains import Domain
from src.reporting.rules.proposal import Override, next_command, proposed_space
from src.reporting.run_data import read_run
from src.reporting.story import tell
from tests.reporting.made_up import make_run, prepare_untried
from tests.reporting.tables import run_data, trials_table

RATE = Domain("rate", "float", low=1e-4, high=1e-2, log=True)
NOTHING = Importance(None, 0, {}, {})


def clear(*names: str) -> Importance:
    return Importance(0.8, 40, dict.fromkeys(names, 0.5), dict.fromkeys(names, 0.01))


def space_of(domain: Domain, values: Any, importance: Importance, **limits: Any) -> list[str]:
    table = trials_table(np.linspace(1, 0, len(values)), **{domain.name: list(values)})
    found = proposed_space(table, table, [domain], importance, limits)
    return [f"{override.reason} {override.text}" for override in found]


def test_what_matters_is_narrowed_to_the_good_trials() -> None:
    values = [1e-3, 1.2e-3, 0.8e-3, 1.1e-3, *np.geomspace(1e-4, 1e-2, 16)]
    (text,) = space_of(RATE, values, clear("rate"))
    assert text == "narrowed space.rate={min: 0.000505, max: 0.0019}"
    assert space_of(RATE, values, NOTHING) == []


def test_an_edge_is_widened_up_to_the_limit() -> None:
    values = [9.8e-3, 9.5e-3, 9e-3, 9.9e-3, *np.geomspace(1e-4, 5e-3, 16)]
    (text,) = space_of(RATE, values, NOTHING, rate=(1e-9, 10.0))
    assert text == "widened space.rate={min: 0.0001, max: 0.1}"
    (text,) = space_of(RATE, values, NOTHING, rate=(1e-9, 0.02))
    assert text == "widened space.rate={min: 0.0001, max: 0.02}"
    assert space_of(RATE, values, NOTHING) == []  # how far it may go is not known


def test_choices_that_lost_are_dropped_unless_others_hang_on_them() -> None:
    domain = Domain("kind", "choice", ("none", "batch", "on"))
    values = ["on", "none", "on", "none", "none", *["batch"] * 5, "on", "none"]
    assert space_of(domain, values, clear("kind")) == ['narrowed space.kind=[none, "on"]']
    table = trials_table(np.linspace(1, 0, 12), kind=values)
    child = Domain("child", "float", conditions=(("kind", ("batch",)),))
    assert proposed_space(table, table, [domain, child], clear("kind"), {}) == []


def test_integers_stay_integers_and_steps_are_left_alone() -> None:
    width = Domain("width", "int", low=16, high=512, log=True)
    values = [60, 64, 70, 66, *np.geomspace(16, 512, 16).astype(int)]
    (text,) = space_of(width, values, clear("width"))
    assert text == "narrowed space.width={min: 42, max: 99}"
    stepped = Domain("width", "int", low=16, high=512, step=16)
    assert space_of(stepped, values, clear("width")) == []


def test_where_trials_fail_is_left_out() -> None:
    scores = [*np.linspace(0.9, 0.5, 8), *[math.nan] * 4]
    rates = [*np.geomspace(1e-4, 1e-3, 8), 5e-3, 6e-3, 7e-3, 8e-3]
    table = trials_table(scores, rate=rates)
    (found,) = proposed_space(table, table.head(8), [RATE], NOTHING, {})
    assert found.text == "space.rate={min: 0.0001, max: 0.001}"


def overrides_of(command: str) -> tuple[str, list[str]]:
    """The configuration and the overrides of a command, as a shell splits it."""
    words = shlex.split(command)
    assert words[1:3] == ["-m", "src.tune"]
    place = words.index("--config")
    return words[place + 1], words[place + 2 :]


def test_the_search_accepts_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.reporting.analysis.importance.TREES", 4)
    overrides = ["space.learning_rate={min: 1e-5, max: 0.005}", "space.optimizer=[adam, sgd]"]
    run = make_run(
        tmp_path / "logs here", *overrides, "tuner.max_trials=40", trials=40, score=_rate
    )
    source, words = overrides_of(tell(read_run(run)).command)
    prepared = prepare_untried(load_config(source, words))
    rate = next(hp for hp in prepared.space.space if hp.name == "learning_rate")
    assert rate.max_value > 0.005  # the best rates lay at the upper end


def _rate(values: dict[str, Any]) -> float:
    return 0.95 - 0.1 * math.log10(values["learning_rate"] / 0.02) ** 2


def test_a_search_that_did_not_end_goes_on() -> None:
    table = trials_table([0.9, 0.8])
    for state in ("interrupted", "killed"):
        purpose, command = next_command(run_data(table, state=state), [], exhausted=False)
        assert purpose == "go on with this search"
        assert command.endswith("-m src.tune --resume logs/run")
    _, command = next_command(run_data(table, state="running"), [], exhausted=False)
    assert "src.report" in command


def test_a_tuner_that_can_learn_from_this_run_does() -> None:
    override = Override("units", "space.units.max=64", "narrowed")
    found = {}
    settings = {"tuner.points_to_evaluate": [{"units": 128}]}
    for learns in (False, True):
        recorded = {"tuner": {"uses_warm_start": learns}}
        data = run_data(trials_table([0.9, 0.8]), settings=settings, recorded=recorded)
        found[learns] = overrides_of(next_command(data, [override], exhausted=False)[1])[1]
    assert found[False] == ["run.name=auto", "space.units.max=64", "tuner.points_to_evaluate=[]"]
    assert found[True] == [*found[False], "tuner.warm_start=logs/run"]


def test_without_a_proposal_the_search_is_longer_or_repeats() -> None:
    recorded = {"tuner": {"max_trials": 30}}
    data = run_data(trials_table([0.9, 0.8]), settings={"seed": 4}, recorded=recorded)
    assert next_command(data, [], exhausted=False)[1].endswith("tuner.max_trials=60")
    assert next_command(data, [], exhausted=True)[1].endswith(
        "--resume logs/run tuner.reevaluate.trials=5 tuner.reevaluate.executions=3"
    )
    before = {"tuner.reevaluate.trials": 2, "tuner.reevaluate.executions": 4}
    more = next_command(replace(data, settings=before), [], exhausted=True)[1]
    assert more.endswith("tuner.reevaluate.trials=5 tuner.reevaluate.executions=12")
    data = replace(data, recorded={"tuner": {"max_trials": None}})
    assert next_command(data, [], exhausted=False)[1].endswith("run.name=auto seed=5")


def test_what_ended_the_search_is_what_lets_it_go_on() -> None:
    recorded = {"tuner": {"max_trials": 30}}
    limits = {
        "limits.epochs": (500_000, "limits.epochs=1000000"),
        "limits.minutes": (0.25, "limits.minutes=0.5"),
        "limits.target": (0.9, "limits.target=null"),
        "limits.trials_without_improvement": (10, "limits.trials_without_improvement=20"),
    }
    for ended_by, (value, expected) in limits.items():
        facts = {"settings": {ended_by: value}, "recorded": recorded, "ended_by": ended_by}
        data = run_data(trials_table([0.9, 0.8]), **facts)
        purpose, command = next_command(data, [], exhausted=False)
        assert purpose.startswith("go on with this search")
        assert command.endswith(f" -m src.tune --resume logs/run {expected}")
        load_config(None, [expected])
