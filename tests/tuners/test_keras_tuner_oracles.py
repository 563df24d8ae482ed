"""Keras Tuner's oracles in our hands: seeds, ids, brackets, failures, and no files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner as kt
import pytest
from keras_tuner.engine.hyperparameters import Fixed

from hypermodels.mlp import MLP
from hypermodels.problem import Problem
from src.config import load_config
from src.config.schema import Config
from src.registry import TUNERS, load
from src.seeds import oracle_seed
from src.tuners import space as spaces
from src.tuners import space_settings as narrowing
from src.tuners.keras_tuner_oracles import BayesianOracle, HyperbandOracle, RandomOracle
from src.tuners.oracle import SearchOracle
from src.tuners.rungs import Rung, hyperband_rungs

OBJECTIVE = kt.Objective("val_accuracy", "max")


def small_space() -> kt.HyperParameters:
    hp = kt.HyperParameters()
    hp.Float("rate", 1e-4, 1e-1, sampling="log")
    hp.Int("units", 16, 64, sampling="log")
    hp.Choice("optimizer", ["sgd", "momentum"])
    with hp.conditional_scope("optimizer", ["momentum"]):
        hp.Float("momentum", 0.5, 0.99)
    hp.Boolean("bias")
    hp.Fixed("batch_size", 32)
    return hp


@pytest.fixture(scope="module")
def mlp_space() -> kt.HyperParameters:
    hp = kt.HyperParameters()
    MLP(Problem("multiclass", 4, 3)).declare_hyperparameters(hp)
    return narrowing.narrow(hp, {}, MLP.limits())


def make(name: str, seed: int = 42, **tuner: Any) -> Any:
    config = Config.model_validate(
        {"tuner": {"name": name} | tuner, "training": {"epochs": 9}, "seed": seed}
    )
    return load(TUNERS, name, "tuner.name").from_config(
        config, objective=OBJECTIVE, hyperparameters=small_space(), seed=oracle_seed(seed)
    )


def run(oracle: SearchOracle, trials: int) -> list[Any]:
    """Runs trials one after the other, scored by their hyperparameters alone."""
    done: list[Any] = []
    while len(done) < trials:
        trial = oracle.create_trial("slot0")
        if trial.status != "RUNNING":
            break
        values = trial.hyperparameters.values
        score = -abs(values["rate"] - 0.01) - abs(values["units"] - 40) / 100
        oracle.update_trial(trial.trial_id, {"val_accuracy": score})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
        done.append(trial)
    return done


def points(trials: list[Any]) -> list[tuple[Any, ...]]:
    return [tuple(sorted(trial.hyperparameters.values.items())) for trial in trials]


@pytest.mark.parametrize("name", sorted(TUNERS))
def test_no_oracle_writes_a_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    oracle = make(name)
    oracle._set_project_dir(str(tmp_path / "project"), "run")
    assert len(run(oracle, 6)) == 6
    oracle.save()
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("name", sorted(TUNERS))
def test_ids_have_a_fixed_width_of_four_digits(name: str) -> None:
    assert [trial.trial_id for trial in run(make(name), 3)] == ["0000", "0001", "0002"]


@pytest.mark.parametrize("name", sorted(TUNERS))
def test_failures_neither_raise_nor_end_the_search(name: str) -> None:
    # Keras Tuner raises at the third in a row, and leaves the oracle's lock held.
    oracle = make(name)
    for number in range(5):
        trial = oracle.create_trial("slot0")
        assert trial.trial_id == f"{number:04d}"
        trial.status, trial.message = "FAILED", "the loss was NaN"
        oracle.end_trial(trial)
    assert [trial.status for trial in oracle.trials.values()] == ["FAILED"] * 5
    assert oracle.ongoing_trials == {}
    assert len(run(oracle, 1)) == 1


@pytest.mark.parametrize("name", sorted(TUNERS))
def test_states_are_json(name: str) -> None:
    oracle = make(name)
    run(oracle, 4)
    state = oracle.get_state()
    read = json.loads(json.dumps(state, allow_nan=False))
    assert json.dumps(read) == json.dumps(state)


def test_trap_neighbouring_seeds_share_trials_in_keras_tuner_but_not_here(
    mlp_space: kt.HyperParameters,
) -> None:
    def trials(kind: Any, seed: int) -> set[tuple[Any, ...]]:
        oracle = kind(
            objective=OBJECTIVE, max_trials=None, hyperparameters=mlp_space.copy(), seed=seed
        )
        propose = getattr(oracle, "propose", oracle.populate_space)  # ours, without the default
        return {tuple(sorted(propose("")["values"].items())) for _ in range(100)}

    stock = kt.oracles.RandomSearchOracle
    assert len(trials(stock, 1) & trials(stock, 2)) > 50
    for first, second in ((1, 2), (0, 1), (41, 42)):
        ours = [trials(RandomOracle, oracle_seed(seed)) for seed in (first, second)]
        assert len(ours[0]) == len(ours[1]) == 100
        assert not ours[0] & ours[1]


@pytest.mark.parametrize("name", ["random", "bayesian", "hyperband"])
def test_trap_seed_0_gives_the_same_trials_every_time(name: str) -> None:
    # For Keras Tuner a seed of 0 is any seed.
    first, second = (points(run(make(name, seed=0), 8)) for _ in range(2))
    assert first == second
    assert first != points(run(make(name, seed=1), 8))


def test_random_search_stops_when_a_small_space_is_exhausted() -> None:
    hp = kt.HyperParameters()
    hp.Choice("rate", [0.1, 0.2])
    hp.Fixed("units", 40)
    oracle = RandomOracle(objective=OBJECTIVE, max_trials=None, hyperparameters=hp, seed=1)
    assert len(set(points(run(oracle, 10)))) == 2
    assert oracle.total(20) == 20
    assert oracle.plan(20) == ["20 trials"]
    assert oracle.plan(None) == ["trials until the space is exhausted"]


@pytest.mark.parametrize(("max_trials", "initial"), [(100, 15), (20, 10), (5, 2), (1, 1)])
def test_bayesian_starts_with_three_points_a_dimension_at_most_half_the_budget(
    max_trials: int, initial: int
) -> None:
    # Searched are rate, units, optimizer, momentum and bias.
    oracle = make("bayesian", max_trials=max_trials)
    assert oracle.num_initial_points == initial
    assert oracle.plan(max_trials)[1] == f"the first {initial} at random"


def test_trap_a_budget_below_bayesians_starting_design_is_told_with_its_numbers() -> None:
    assert make("bayesian", max_trials=15).notices(15) == ()
    oracle = make("bayesian", max_trials=14)
    assert oracle.notices(14) == [
        "tuner.max_trials: 14 is below the 15 random trials, three for each of the 5 "
        "hyperparameters searched, with which Bayesian optimisation should start; it starts with "
        "7 and learns from little. Set tuner.max_trials=30, pin hyperparameters, or take "
        "tuner.name=gp, which needs fewer"
    ]
    assert [make(name).notices(1) for name in ("random", "gp", "grid", "hyperband")] == [()] * 4


@pytest.mark.slow
def test_bayesian_proposes_after_its_initial_points_within_the_space() -> None:
    narrowed = narrowing.narrow(
        small_space(), {"optimizer": "momentum", "momentum": 0.9, "units": {"max": 48}}, {}
    )
    oracle = BayesianOracle(
        objective=OBJECTIVE,
        max_trials=None,
        num_initial_points=5,
        hyperparameters=narrowed,
        seed=oracle_seed(42),
    )
    fitted = [hasattr(oracle.gpr, "X_train_")]
    trials = run(oracle, 5)
    fitted.append(hasattr(oracle.gpr, "X_train_"))
    trials += run(oracle, 2)
    fitted.append(hasattr(oracle.gpr, "X_train_"))
    assert fitted == [False, False, True]
    for trial in trials:
        values = trial.hyperparameters.values
        assert set(values) == {hp.name for hp in narrowed.space}
        assert 1e-4 <= values["rate"] <= 1e-1
        assert 16 <= values["units"] <= 48
        assert (values["optimizer"], values["momentum"]) == ("momentum", 0.9)
        assert values["batch_size"] == 32
        assert values["bias"] in (True, False)


def test_trap_the_upper_end_of_a_log_integer_is_never_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Keras Tuner's Gaussian process reaches probability 1, which its integers take for one more.
    oracle = make("bayesian")
    units = next(hp for hp in oracle.hyperparameters.space if hp.name == "units")
    assert units.prob_to_value(1.0) == 65

    def at_the_end(*_: Any) -> dict[str, Any]:
        values = {hp.name: hp.prob_to_value(1.0) for hp in oracle.hyperparameters.space}
        return {"status": "RUNNING", "values": values}

    monkeypatch.setattr(kt.oracles.BayesianOptimizationOracle, "populate_space", at_the_end)
    run(oracle, 1)  # the default
    values = oracle.create_trial("slot0").hyperparameters.values
    assert values["units"] == 64
    assert values["rate"] == 0.1
    assert values["batch_size"] == 32


@pytest.mark.parametrize(
    ("factor", "epochs", "trials", "total_epochs"),
    [(3, 9, None, None), (3, 27, 70, 375), (2, 10, None, None), (3, 1, 1, 1), (4, 50, None, None)],
)
def test_hyperband_rungs_are_what_the_oracle_does(
    factor: int, epochs: int, trials: int | None, total_epochs: int | None
) -> None:
    oracle = HyperbandOracle(
        objective=OBJECTIVE,
        max_epochs=epochs,
        factor=factor,
        hyperparameters=small_space(),
        seed=oracle_seed(42),
    )
    done = run(oracle, 10_000)
    found: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for trial in done:
        values = trial.hyperparameters.values
        found.setdefault((values["tuner/bracket"], values["tuner/round"]), []).append(values)
    counted = [
        Rung(bracket, len(rung), rung[0]["tuner/initial_epoch"], rung[0]["tuner/epochs"])
        for (bracket, _), rung in found.items()
    ]
    rungs = hyperband_rungs(epochs, factor)
    assert counted == rungs
    for rung in found.values():  # every trial of a rung is like its first
        assert len({(v["tuner/initial_epoch"], v["tuner/epochs"]) for v in rung}) == 1
    trained = sum(rung.trials * (rung.epochs - rung.initial_epoch) for rung in rungs)
    assert oracle.total(None) == len(done) == (trials or len(done))
    assert trained == (total_epochs or trained)
    assert oracle.plan(None)[-1] == f"{len(done):,} trials, {trained:,} epochs in all"
    assert oracle.create_trial("slot0").status == "STOPPED"


def test_hyperband_27_by_3_in_full() -> None:
    assert hyperband_rungs(27, 3) == [
        Rung(3, 27, 0, 1),
        Rung(3, 9, 1, 3),
        Rung(3, 3, 3, 9),
        Rung(3, 1, 9, 27),
        Rung(2, 12, 0, 3),
        Rung(2, 4, 3, 9),
        Rung(2, 2, 9, 27),
        Rung(1, 6, 0, 9),
        Rung(1, 2, 9, 27),
        Rung(0, 4, 0, 27),
    ]


def test_promoted_trials_name_their_parent_and_keep_its_values() -> None:
    oracle = make("hyperband")
    run(oracle, 10_000)
    promoted = 0
    for trial in oracle.trials.values():
        values = trial.hyperparameters.values
        if values["tuner/round"] == 0:
            assert "tuner/trial_id" not in values
            continue
        promoted += 1
        parent = oracle.trials[values["tuner/trial_id"]].hyperparameters.values
        assert values["tuner/initial_epoch"] == parent["tuner/epochs"]
        assert values["tuner/round"] == parent["tuner/round"] + 1
        own = {name: value for name, value in values.items() if not name.startswith("tuner/")}
        assert own == {name: parent[name] for name in own}
    assert promoted == sum(rung.trials for rung in hyperband_rungs(9, 3) if rung.initial_epoch)


def test_hyperband_promotes_the_best() -> None:
    oracle = make("hyperband")
    trials = run(oracle, 9 + 3)
    best = sorted(trials[:9], key=lambda trial: -oracle.trials[trial.trial_id].score)[:3]
    parents = {trial.hyperparameters.values["tuner/trial_id"] for trial in trials[9:]}
    assert parents == {trial.trial_id for trial in best}


def test_hyperbands_plan_counts_iterations_and_the_cap() -> None:
    plan = make("hyperband", hyperband_iterations=2).plan(10)
    rungs = hyperband_rungs(9, 3)
    trials = 2 * sum(rung.trials for rung in rungs)
    epochs = 2 * sum(rung.trials * (rung.epochs - rung.initial_epoch) for rung in rungs)
    assert plan == [
        "bracket 2: 9 trials to epoch 1, then 3 trials to epoch 3, then 1 trial to epoch 9",
        "bracket 1: 5 trials to epoch 3, then 2 trials to epoch 9",
        "bracket 0: 3 trials to epoch 9",
        f"{trials} trials, {epochs} epochs in all in 2 iterations, ended after 10 trials",
    ]
    assert make("hyperband", hyperband_iterations=2).total(None) == trials
    assert make("hyperband").total(10) == 10
    # 9 begin, 3 and 1 go on; 5 begin, 2 go on
    begun = {9: 9, 12: 9, 13: 9, 15: 11, 20: 14}
    assert {cap: make("hyperband").beginnings(cap) for cap in begun} == begun


def test_fixed_hyperparameters_are_no_dimension(mlp_space: kt.HyperParameters) -> None:
    narrowed = narrowing.narrow(mlp_space, {"regularizer": "none", "schedule": "constant"}, {})
    oracle = BayesianOracle(objective=OBJECTIVE, max_trials=None, hyperparameters=narrowed, seed=1)
    names = {hp.name for hp in oracle.hyperparameters.space if not isinstance(hp, Fixed)}
    assert names == spaces.searched_names(narrowed)
    assert not names & {"l1", "l2", "schedule_final"}


def drive(oracle: HyperbandOracle, fails: Callable[[int], bool]) -> list[Any]:
    """Runs an oracle to its end with made-up scores; `fails` tells which trials fail."""
    trials: list[Any] = []
    while True:
        trial = oracle.create_trial("slot0")
        if trial.status != "RUNNING":
            return trials
        if fails(len(trials)):
            trial.status = "FAILED"
        else:
            oracle.update_trial(trial.trial_id, {"val_accuracy": (len(trials) * 7 % 23) / 23})
            trial.status = "COMPLETED"
        oracle.end_trial(trial)
        trials.append(trial)


def hyperband(space: kt.HyperParameters, max_epochs: int) -> HyperbandOracle:
    objective = kt.Objective("val_accuracy", "max")
    return HyperbandOracle(
        objective=objective, hyperparameters=space, max_epochs=max_epochs, factor=3, seed=5
    )


def test_trap_hyperband_promotes_in_a_space_with_fewer_points_than_trials() -> None:
    space = kt.HyperParameters()
    space.Choice("activation", ["relu", "tanh"])
    space.Choice("rate", [0.1, 0.01])
    trials = drive(hyperband(space, 9), lambda _: False)
    assert len(trials) == sum(rung.trials for rung in hyperband_rungs(9, 3))
    assert any("tuner/trial_id" in trial.hyperparameters.values for trial in trials)


@pytest.mark.parametrize("every", [2, 3, 4])
def test_trap_failed_trials_cost_no_promotions(every: int) -> None:
    space = kt.HyperParameters()
    space.Float("rate", 0.0, 1.0)
    oracle = hyperband(space, 27)
    trials = drive(oracle, lambda number: number % every == 0)
    assert len(trials) == sum(rung.trials for rung in hyperband_rungs(27, 3))
    for trial in trials:
        values = trial.hyperparameters.values
        parent = values.get("tuner/trial_id")
        assert parent is None or oracle.trials[parent].status == "COMPLETED"
        assert (parent is None) == (values["tuner/initial_epoch"] == 0)
    assert {t.status for t in oracle.trials.values()} == {"COMPLETED", "FAILED"}
    assert all(t.score is None for t in oracle.trials.values() if t.status == "FAILED")


def test_where_all_of_a_rung_failed_new_configurations_fill_the_next() -> None:
    space = kt.HyperParameters()
    space.Float("rate", 0.0, 1.0)
    trials = drive(hyperband(space, 9), lambda number: number < 9)
    filled = [t.hyperparameters.values for t in trials[9:13]]
    assert [values["tuner/epochs"] for values in filled] == [3, 3, 3, 9]
    assert [values["tuner/initial_epoch"] for values in filled] == [0, 0, 0, 3]


def test_bayesian_with_nothing_to_search_tries_the_single_point_once() -> None:
    space = kt.HyperParameters()
    space.Fixed("rate", 0.1)
    config = load_config(None, ["tuner.name=bayesian"])
    oracle = BayesianOracle.from_config(
        config, objective=kt.Objective("val_accuracy", "max"), hyperparameters=space, seed=3
    )
    trial = oracle.create_trial("slot0")
    oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5})
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
    assert oracle.create_trial("slot0").status == "STOPPED"


def test_trap_an_exhausted_random_search_stays_exhausted_however_often_it_is_asked() -> None:
    # Keras Tuner draws on: a resumed search would find what the search itself did not.
    space = kt.HyperParameters()
    space.Choice("rate", [0.1, 0.2, 0.3])
    oracle = RandomOracle(objective=OBJECTIVE, max_trials=None, hyperparameters=space, seed=1)
    for _ in range(9):
        trial = oracle.create_trial("slot0")
        if trial.status == "STOPPED":
            break
        oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    before = oracle.get_state()
    assert oracle.create_trial("slot0").status == "STOPPED"
    assert oracle.get_state() == before
