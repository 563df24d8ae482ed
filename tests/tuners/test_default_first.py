"""Every search begins with the configurations that it is given, then the default one."""

from typing import Any

import keras_tuner as kt
import pytest

from src.config.schema import WITH_RUNGS, Config
from src.errors import UserError
from src.registry import TUNERS, load
from src.tuners import space as spaces
from src.tuners import space_settings as narrowing
from src.tuners.oracle import SearchOracle
from src.tuners.points_to_evaluate import check_initial

OBJECTIVE = kt.Objective("score", "max")
NAMES = ["random", "bayesian", "hyperband", "gp", "tpe", "bohb"]


def declared() -> kt.HyperParameters:
    hp = kt.HyperParameters()
    hp.Float("rate", 1e-4, 1e-1, sampling="log", default=1e-3)
    hp.Int("units", 16, 512, sampling="log", default=64)
    hp.Choice("optimizer", ["sgd", "momentum", "adam"], default="momentum")
    with hp.conditional_scope("optimizer", ["momentum"]):
        hp.Float("momentum", 0.5, 0.99, default=0.9)
    with hp.conditional_scope("optimizer", ["adam"]):
        hp.Float("epsilon", 1e-8, 1e-3, sampling="log", default=1e-7)
    hp.Boolean("bias", default=True)
    return hp


DEFAULT = {"rate": 1e-3, "units": 64, "optimizer": "momentum", "momentum": 0.9, "bias": True}


def make(name: str, space: kt.HyperParameters, trials: int = 30) -> Any:
    if name == "tpe":
        pytest.importorskip("optuna", reason="tuner.name=tpe needs the package optuna")
    config = Config.model_validate(
        {
            "tuner": {"name": name} | ({} if name in WITH_RUNGS else {"max_trials": trials}),
            "training": {"epochs": 9},
        }
    )
    return load(TUNERS, name, "tuner.name").from_config(
        config, objective=OBJECTIVE, hyperparameters=space, seed=7
    )


def propose(oracle: SearchOracle, trials: int) -> list[dict[str, Any]]:
    """The values of so many trials, with scores that fall."""
    proposed = []
    for number in range(trials):
        trial = oracle.create_trial("slot0")
        assert trial.status == "RUNNING"
        proposed.append(dict(trial.hyperparameters.values))
        oracle.update_trial(trial.trial_id, {"score": -float(number)})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    return proposed


@pytest.mark.parametrize("name", NAMES)
def test_the_first_trial_has_the_defaults_and_no_other_has(name: str) -> None:
    points = propose(make(name, declared()), 9)
    own = [{n: v for n, v in point.items() if n[:6] != "tuner/"} for point in points]
    assert own[0] == DEFAULT
    assert DEFAULT not in own[1:]


@pytest.mark.parametrize("name", WITH_RUNGS)
def test_the_default_is_a_member_of_the_first_rung_and_can_be_promoted(name: str) -> None:
    oracle = make(name, declared())
    points = propose(oracle, 12)
    assert points[0] == DEFAULT | {
        **{"tuner/epochs": 1, "tuner/initial_epoch": 0, "tuner/bracket": 2, "tuner/round": 0},
    }
    assert points[9]["tuner/trial_id"] == "0000"  # its score was the best
    assert points[9]["tuner/epochs"] == 3


@pytest.mark.parametrize("name", NAMES)
def test_of_a_narrowed_space_it_is_the_narrowed_default(name: str) -> None:
    settings = {
        **{"rate": {"min": 1e-2}, "units": {"min": 100, "max": 400}},
        **{"optimizer": ["adam", "sgd"], "bias": False},
    }
    first = propose(make(name, narrowing.narrow(declared(), settings, {})), 1)[0]
    own = {n: v for n, v in first.items() if n[:6] != "tuner/"}
    assert own == {
        **{"rate": 1e-2, "units": 100, "optimizer": "adam", "epsilon": 1e-7, "bias": False},
    }


def test_a_default_between_two_steps_or_outside_is_moved_to_the_nearest_value() -> None:
    hp = kt.HyperParameters()
    hp.Int("units", 16, 116, step=25, default=64)  # 16, 41, 66, 91, 116
    hp.Int("size", 1, 100, sampling="log", step=10, default=4)  # 1, 10, 100
    hp.Float("rate", 0.0, 1.0, step=0.25, default=0.7)
    hp.Float("decay", 0.5, 1.0, default=2.0)
    hp.Int("layers", 1, 3)
    assert spaces.default_values(hp.space) == {
        **{"units": 66, "size": 1, "rate": 0.75, "decay": 1.0, "layers": 1},
    }


def test_after_a_restart_it_is_not_tried_again() -> None:
    oracle = make("random", declared())
    propose(oracle, 3)
    restored = make("random", declared())
    restored.restore(oracle.get_state(), [t.get_state() for t in oracle.trials.values()])
    assert DEFAULT not in propose(restored, 5)
    assert [t.hyperparameters.values for t in restored.trials.values()].count(DEFAULT) == 1


def test_an_oracle_of_ones_own_proposes_from_the_second_trial_on() -> None:
    class Own(SearchOracle):
        def propose(self, trial_id: str) -> dict[str, Any]:
            return {"status": "RUNNING", "values": DEFAULT | {"units": 16 + int(trial_id)}}

    points = propose(Own(objective=OBJECTIVE, hyperparameters=declared(), seed=1), 3)
    assert [point["units"] for point in points] == [64, 17, 18]


@pytest.mark.parametrize("name", ["random", "gp", "tpe"])
def test_a_space_with_one_point_has_one_trial(name: str) -> None:
    space = kt.HyperParameters()
    space.Fixed("rate", 0.1)
    oracle = make(name, space)
    assert propose(oracle, 1) == [{"rate": 0.1}]
    assert oracle.create_trial("slot0").status == "STOPPED"
    empty = make(name, kt.HyperParameters())
    assert propose(empty, 1) == [{}]
    assert empty.create_trial("slot0").status == "STOPPED"


GOOD = {"rate": 1e-2, "units": 128, "optimizer": "adam"}
FIRST = [GOOD, {}, {"bias": False, "momentum": 0.95}]
WHOLE = [
    {"rate": 1e-2, "units": 128, "optimizer": "adam", "epsilon": 1e-7, "bias": True},
    DEFAULT,
    DEFAULT | {"bias": False, "momentum": 0.95},
]


@pytest.mark.parametrize("name", NAMES)
def test_initial_configurations_come_first_in_their_order_and_once(name: str) -> None:
    oracle = make(name, declared())
    oracle.initial = [*FIRST, GOOD]
    points = propose(oracle, 9)
    own = [{n: v for n, v in point.items() if n[:6] != "tuner/"} for point in points]
    assert own[:3] == WHOLE
    assert all(point not in WHOLE for point in own[3:])
    if name == "hyperband":
        assert [point["tuner/round"] for point in points] == [0] * 9


def test_after_a_restart_the_initial_configurations_go_on_where_they_were() -> None:
    oracle = make("random", declared())
    oracle.initial = FIRST
    propose(oracle, 2)
    restored = make("random", declared())
    restored.initial = FIRST
    restored.restore(oracle.get_state(), [t.get_state() for t in oracle.trials.values()])
    assert propose(restored, 1) == WHOLE[2:]


def test_more_initial_configurations_than_trials_are_told() -> None:
    many: list[dict[str, Any]] = [{"units": 16 + number} for number in range(40)]
    random, hyperband = make("random", declared(), 30), make("hyperband", declared())
    random.initial = hyperband.initial = many[:30]
    assert random.notices(30) == ()
    told = "tuner.points_to_evaluate: 30 configurations are more than the 17 that this search can"
    assert told in hyperband.notices(None)[0]  # 9, 5 and 3 begin in the first rungs
    random.initial = many
    assert "40 configurations are more than the 30" in random.notices(30)[0]


def test_initial_values_are_checked_against_the_narrowed_space() -> None:
    space = narrowing.narrow(declared(), {"units": {"max": 200}, "bias": True}, {})
    names = [hp.name for hp in space.space]
    found = check_initial([{"units": 128.0, "rate": 0.1, "momentum": 0.6}], space, names, "it")
    assert found.values == ({"rate": 0.1, "units": 128, "momentum": 0.6},)
    assert [type(value) for value in found.values[0].values()] == [float, int, float]
    assert found.notices == ()
    entry = {"optimizer": "adam", "momentum": 0.6, "label_smoothing": 0.1}
    found = check_initial([{}, entry, {"units": 64}], space, names, "it")
    assert found.values[1:] == ({"optimizer": "adam"}, {"units": 64})
    assert found.notices == (
        "tuner.points_to_evaluate, entry 2: momentum has no effect: it counts only where optimizer "
        "is momentum",
        "tuner.points_to_evaluate, entry 2: label_smoothing has no effect on this data",
        "tuner.points_to_evaluate, entry 3: is the same as entry 1; it runs once",
    )
    wrong = {"rate": 1, "units": 256, "optimizer": "adm", "bias": False, "unit": 3}
    with pytest.raises(UserError) as raised:
        check_initial([{}, wrong], space, names, "hypermodel.name=it")
    place = "tuner.points_to_evaluate, entry 2: "
    assert str(raised.value).splitlines() == [
        place + "unit: hypermodel.name=it has no such hyperparameter. Did you mean 'units'? "
        "Leave it out",
        place + "rate: 1 is not valid. Valid: 0.0001 … 0.1 (log)",
        place + "units: 256 is not valid. Valid: 16 … 200 (log)",
        place + "optimizer: 'adm' is not valid. Did you mean 'adam'? Valid: sgd, momentum, adam",
        place + "bias: false is not valid. Valid: true, as space.bias pins it",
    ]


def test_what_a_hyperparameters_own_value_is() -> None:
    hp = kt.HyperParameters()
    hp.Int("steps", 16, 116, step=25)
    hp.Float("rate", 1e-3, 1.0, sampling="log")
    hp.Float("stepped", 0.0, 1.0, step=0.1)
    hp.Choice("size", [32, 64])
    hp.Boolean("on")
    steps, rate, stepped, size, on = hp.space
    own = spaces.own_value
    assert (own(steps, 41.0), own(steps, 42), own(steps, True), own(steps, 10**400)) == (
        *(41, None),
        *(None, None),
    )
    assert own(rate, 1.0 + 1e-12) == 1.0
    assert (own(rate, 2), own(rate, float("nan")), own(rate, "1")) == (None, None, None)
    assert own(rate, 1) == 1.0
    assert own(stepped, 0.30000000000000004) == pytest.approx(0.3)
    assert own(stepped, 0.35) is None
    assert (own(size, 64.0), own(size, 48), own(size, "64")) == (64, None, None)
    assert (own(on, False), own(on, 0)) == (False, None)
