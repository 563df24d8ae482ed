"""Oracles in random spaces, with failures and restarts at random points: the same trials, always.

The normal run takes a few examples of each. The long form, minutes each, or an hour for bayesian:

    SEARCH_EXAMPLES=500 python -m pytest tests/tuners/test_oracle_restarts.py -k 'not bayesian'
    SEARCH_EXAMPLES=20 python -m pytest tests/tuners/test_oracle_restarts.py -k bayesian
"""

import copy
import json
import os
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras_tuner as kt
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from keras_tuner.engine.hyperparameters import Float

from src.config.schema import WITH_RUNGS, Config
from src.records import FitResult, TrialRecord, TrialResult, TrialSpec
from src.registry import TUNERS, load
from src.search.progress import SearchProgress
from src.store.run_directory import RunDirectory
from src.store.snapshot import Snapshot, read_snapshot
from src.tuners import space as search_spaces
from src.tuners.oracle import SearchOracle
from tests.tuners.random_spaces import check_point, spaces

EXAMPLES = int(os.environ.get("SEARCH_EXAMPLES", "0"))
TRIALS = 30
BAYESIAN_TRIALS = TRIALS if EXAMPLES else 9  # seconds a trial
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # snapshots are synced
NAME = "val_accuracy"
HEAD: dict[str, Any] = {
    **{"fingerprint": "", "config_text": ""},
    **{"config": {}, "identity": {}, "versions": {}},
}

MakeOracle = Callable[[], Any]


def few(examples: int) -> settings:
    return settings(
        max_examples=EXAMPLES or examples,
        deadline=None,
        derandomize=not EXAMPLES,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


scores = st.one_of(
    st.none(),  # the trial fails
    st.sampled_from([0.5, 0.5, 0.25, -0.0, 0.0, 1.7e308, -1.7e308, 5e-324]),  # ties, extremes
    st.floats(allow_nan=False, allow_infinity=False),
)


@dataclass(frozen=True)
class Script:
    """What happens in a search, beside what the oracle does.

    Attributes:
        scores: of each trial; None for a failure.
        slots: how many trials run at once.
        restarts: after which of the events (a proposal, an end) the process is killed.
        fall_back: whether the snapshot before the last is the one to go on from.
        order: a seed that decides which of the running trials ends next.
    """

    scores: list[float | None]
    slots: int
    restarts: frozenset[int]
    fall_back: bool
    order: int


@st.composite
def scripts(draw: st.DrawFn, most_slots: int, trials: int = TRIALS, fall_back: bool = False) -> Any:
    return Script(
        scores=draw(st.lists(scores, min_size=trials, max_size=trials)),
        slots=draw(st.integers(1, most_slots)),
        restarts=draw(st.frozensets(st.integers(0, 2 * trials), min_size=1, max_size=5)),
        fall_back=fall_back and draw(st.booleans()),
        order=draw(st.integers(0, 2**32)),
    )


@dataclass
class Searched:
    """A search that was driven: its oracle, and its points in the order of their proposal."""

    oracle: Any
    progress: SearchProgress
    ended: bool
    restarts: int = 0
    kept_states: list[int] = field(default_factory=list)

    def trials(self) -> list[tuple[Any, ...]]:
        return [
            (
                *(trial_id, trial.status, trial.best_step),
                None if trial.score is None else float(trial.score).hex(),
                repr(sorted(trial.hyperparameters.values.items())),
            )
            for trial_id, trial in self.oracle.trials.items()
        ]

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(json.dumps(self.oracle.get_state()))
        return state | {"tried_so_far": sorted(state["tried_so_far"])}


class Driver:
    """Does what the loop does: asks, ends, writes the snapshot, and is killed now and then."""

    def __init__(self, make: MakeOracle, script: Script, folder: Path | None) -> None:
        self.make, self.script = make, script
        self.run = None if folder is None else RunDirectory(folder)
        self.begin(make(), [])
        self.searched_restarts = 0
        self.states: set[str] = set()  # training states on the disk
        self.before: set[str] = set()
        self.sizes: list[int] = []

    def begin(self, oracle: Any, records: list[TrialRecord]) -> None:
        self.oracle = oracle
        self.progress = SearchProgress(oracle.objective, None, records)
        self.snapshot = None if self.run is None else Snapshot(self.run, HEAD, lambda _: 0)

    def drive(self, trials: int) -> Searched:
        order, event, ended = random.Random(self.script.order), 0, False
        restarts = set(self.script.restarts)
        self.write()
        while True:
            running = sorted(self.oracle.ongoing_trials.values(), key=lambda t: t.trial_id)
            more = len(self.oracle.trials) < trials and not ended
            if more and len(running) < self.script.slots:
                slot = next(
                    s
                    for s in map("slot{}".format, range(99))
                    if s not in self.oracle.ongoing_trials
                )
                continuable = self.oracle.continuable()
                trial = self.oracle.create_trial(slot)
                if trial.status == "RUNNING":
                    self.check(trial, continuable)
                    self.write()
                elif trial.status == "STOPPED":
                    ended = True
                else:
                    assert running  # it waits for one of them
                    self.end(order.choice(running))
            elif running:
                self.end(order.choice(running))
            else:
                break
            if event in restarts and self.run is not None:
                restarts.remove(event)
                self.restart()
            event += 1
        if ended:  # whoever asks again, or after a resume, gets the same answer
            if self.run is not None:
                self.write()
                self.restart(whole=True)
            assert self.oracle.create_trial("slot0").status == "STOPPED"
        return Searched(self.oracle, self.progress, ended, self.searched_restarts, self.sizes)

    def check(self, trial: Any, continuable: set[str]) -> None:
        values = trial.hyperparameters.values
        check_point(self.oracle.hyperparameters, values)
        assert trial.trial_id == f"{len(self.oracle.trials) - 1:04d}"
        parent = values.get("tuner/trial_id")
        if parent is not None:
            assert self.oracle.trials[parent].status == "COMPLETED"
            assert parent in continuable
            assert parent in self.states

    def end(self, trial: Any) -> None:
        score = self.script.scores[int(trial.trial_id) % len(self.script.scores)]
        if score is None:
            trial.status, trial.message = "FAILED", "why"
        else:
            self.oracle.update_trial(trial.trial_id, {NAME: score}, step=3)
            trial.status = "COMPLETED"
        self.oracle.end_trial(trial)
        status = "FAILED" if score is None else "COMPLETED"
        fits = () if score is None else (FitResult(0, 0, score, 3, 3, {NAME: score}),)
        result = TrialResult(status, fits, "", "", (), 1, 0.0, 0.0, "0")  # type: ignore[arg-type]
        spec = TrialSpec(trial.trial_id, trial.trial_id, None, {"space": [], "values": {}}, 0, 3)
        self.progress.records.append(TrialRecord(spec, result))
        self.write()
        if self.oracle.continues_trials:  # as the loop prunes
            kept = self.oracle.continuable()
            self.states = (self.states | {trial.trial_id}) & (kept | self.before)
            self.before = kept
            self.sizes.append(len(kept))

    def write(self) -> None:
        if self.snapshot is not None:
            self.snapshot.write(self.oracle, self.progress, {}, None)

    def restart(self, whole: bool = False) -> None:
        assert self.run is not None
        self.searched_restarts += 1
        if self.script.fall_back and not whole and self.run.previous_snapshot.exists():
            self.run.snapshot.write_bytes(self.run.snapshot.read_bytes()[:-9])
        saved = read_snapshot(self.run)
        self.run.snapshot.unlink()
        oracle = self.make()
        oracle.restore(saved.oracle, saved.trials)
        # Of the records only what says which trials have ended: the rest is the loop's affair.
        by_id = {record.spec.trial_id: record for record in self.progress.records}
        self.begin(oracle, [by_id[record["trial_id"]] for record in saved.records])
        self.states &= {record["trial_id"] for record in saved.records}
        self.write()


def search(make: MakeOracle, script: Script, *, killed: bool, trials: int = TRIALS) -> Searched:
    if not killed:
        return Driver(make, script, None).drive(trials)
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        return Driver(make, script, Path(folder)).drive(trials)


def maker(name: str, space: kt.HyperParameters, seed: int, **settings: Any) -> MakeOracle:
    training = {"epochs": settings.pop("epochs", 9)}
    config = Config.model_validate({"tuner": {"name": name} | settings, "training": training})
    direction = "max" if seed % 2 else "min"

    def make() -> SearchOracle:
        oracle: SearchOracle = load(TUNERS, name, "tuner.name").from_config(
            config,
            objective=kt.Objective(NAME, direction),
            hyperparameters=space.copy(),
            seed=seed,
        )
        return oracle

    return make


def check_same(first: Searched, second: Searched) -> None:
    assert first.trials() == second.trials()
    assert first.state() == second.state()
    assert first.ended == second.ended
    ids = [record.spec.trial_id for record in second.progress.records]
    assert sorted(ids) == sorted(second.oracle.trials)
    assert len(set(ids)) == len(ids)


def points(searched: Searched) -> list[str]:
    return [
        repr(sorted((n, v) for n, v in t.hyperparameters.values.items() if n[:6] != "tuner/"))
        for t in searched.oracle.trials.values()
        if "tuner/trial_id" not in t.hyperparameters.values
    ]


@pytest.mark.parametrize("name", ["random", "grid"])
@few(12)
@given(space=spaces() | spaces(3, finite=True), script=scripts(4), seed=st.integers(1, 2**32 - 1))
def test_random_and_grid_search(
    name: str, space: kt.HyperParameters, script: Script, seed: int
) -> None:
    more = {"max_trials": TRIALS} if name == "grid" else {}
    make = maker(name, space, seed, **more)
    whole = search(make, script, killed=False)
    check_same(whole, search(make, script, killed=True))
    assert len(set(points(whole))) == len(points(whole))
    assert whole.ended == (len(whole.progress.records) < TRIALS)
    if name == "grid":
        assert len(whole.progress.records) == min(TRIALS, make().size)


@few(12)
@given(
    space=spaces() | spaces(2, finite=True),
    script=scripts(1, fall_back=True),
    seed=st.integers(1, 2**32 - 1),
    budget=st.sampled_from([(9, 3, 1), (9, 3, 2), (27, 3, 1), (4, 2, 2), (16, 4, 1), (1, 3, 2)]),
)
def test_hyperband(
    space: kt.HyperParameters, script: Script, seed: int, budget: tuple[int, int, int]
) -> None:
    epochs, factor, iterations = budget
    make = maker(
        "hyperband", space, seed, epochs=epochs, factor=factor, hyperband_iterations=iterations
    )
    whole = search(make, script, killed=False)
    check_same(whole, search(make, script, killed=True))
    always_active = [hp for hp in space.space if not hp.conditions]
    if any(
        isinstance(hp, Float) and hp.step is None and hp.max_value > 2 * abs(hp.min_value)
        for hp in always_active
    ):  # never too few points
        assert len(set(points(whole))) == len(points(whole))
    if whole.ended:
        assert len(whole.progress.records) == make().total(None)
        assert whole.oracle.continuable() == set()


@few(5)
@given(
    space=spaces() | spaces(2, finite=True),
    script=scripts(4, fall_back=True),
    seed=st.integers(1, 2**32 - 1),
    budget=st.sampled_from([(9, 3, 1), (9, 3, 2), (4, 2, 2), (16, 4, 1), (1, 3, 2)]),
)
def test_rungs_with_a_model(
    space: kt.HyperParameters, script: Script, seed: int, budget: tuple[int, int, int]
) -> None:
    epochs, factor, iterations = budget
    make = maker("bohb", space, seed, epochs=epochs, factor=factor, hyperband_iterations=iterations)
    whole = search(make, script, killed=False)
    check_same(whole, search(make, script, killed=True))
    tried = points(whole)
    if not any(search_spaces.is_continuous(hp) for hp in space.space):
        # No repeats until the space is exhausted.
        size = search_spaces.size(space).points
        assert len(set(tried)) == min(size, len(tried))
    if whole.ended:
        assert len(whole.progress.records) == make().total(None)
        assert whole.oracle.continuable() == set()


@pytest.mark.parametrize("name", ["gp", "tpe"])
@few(5)
@given(
    space=spaces() | spaces(2, finite=True),
    script=scripts(4),
    seed=st.integers(1, 2**32 - 1),
)
def test_models_of_mixed_spaces(
    name: str, space: kt.HyperParameters, script: Script, seed: int
) -> None:
    if name == "tpe":
        pytest.importorskip("optuna", reason="tuner.name=tpe needs the package optuna")
    make = maker(name, space, seed, max_trials=TRIALS)
    whole = search(make, script, killed=False)
    check_same(whole, search(make, script, killed=True))
    assert len(set(points(whole))) == len(points(whole))
    tried = len(whole.progress.records)
    assert whole.ended == (tried < TRIALS)
    continuous = [h for h in space.space if is_continuum(h)]
    if not continuous:
        assert tried == min(TRIALS, search_spaces.size(space).points)
    assert tried == TRIALS or all(hp.conditions for hp in continuous)


def is_continuum(hp: Any) -> bool:
    return search_spaces.is_continuous(hp) and search_spaces.is_searched(hp)


@few(8)
@given(script=scripts(1, trials=46), seed=st.integers(1, 2**32 - 1))
def test_hyperbands_training_states_become_fewer_as_a_bracket_goes_on(
    script: Script, seed: int
) -> None:
    space = kt.HyperParameters()
    space.Float("rate", 0.0, 1.0)
    make = maker("hyperband", space, seed, epochs=9, hyperband_iterations=2)
    searched = search(make, script, killed=True, trials=46)
    assert searched.kept_states[-1] == 0
    assert max(searched.kept_states) <= 9  # of 46 trials: one rung, while others may continue it


@few(6)
@given(
    space=spaces(3),
    script=scripts(1),
    seed=st.integers(1, 2**32 - 1),
    first=st.integers(1, TRIALS - 1),
)
@pytest.mark.parametrize("name", ["random", "grid", "hyperband", "bohb"])
def test_a_budget_that_is_raised_later_is_as_one_that_was_large_from_the_start(
    name: str, space: kt.HyperParameters, script: Script, seed: int, first: int
) -> None:
    small: dict[str, Any] = {"max_trials": first} if name == "grid" else {}
    large: dict[str, Any] = {"max_trials": TRIALS} if name == "grid" else {}
    if name in WITH_RUNGS:
        small, large = {"hyperband_iterations": 1}, {"hyperband_iterations": 3}
        first = TRIALS
    expected = search(maker(name, space, seed, **large), script, killed=False)

    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        driver = Driver(maker(name, space, seed, **small), script, Path(folder))
        driver.drive(first)
        if name in WITH_RUNGS:
            assert len(driver.oracle.trials) == 23  # one iteration, to its end
        driver.make = maker(name, space, seed, **large)
        driver.restart(whole=True)
        after = driver.drive(TRIALS)
    check_same(expected, after)


@few(2)
@given(space=spaces(2), script=scripts(1, trials=BAYESIAN_TRIALS), seed=st.integers(1, 2**32 - 1))
def test_bayesian_optimisation(space: kt.HyperParameters, script: Script, seed: int) -> None:
    assume(len(search_spaces.searched_names(space)) <= 3)
    make = maker("bayesian", space, seed, max_trials=BAYESIAN_TRIALS)
    whole = search(make, script, killed=False, trials=BAYESIAN_TRIALS)
    check_same(whole, search(make, script, killed=True, trials=BAYESIAN_TRIALS))


def test_a_restored_oracle_shares_nothing_with_the_snapshot_it_came_from() -> None:
    space = kt.HyperParameters()
    space.Choice("a", ["x", "y"])
    with space.conditional_scope("a", ["x"]):
        space.Float("b", 0.0, 1.0)
    make = maker("hyperband", space, 5)
    script = Script([0.5] * TRIALS, 1, frozenset(), False, 0)
    oracle = search(make, script, killed=False, trials=4).oracle
    state = json.loads(json.dumps(oracle.get_state()))
    trials = [json.loads(json.dumps(trial.get_state())) for trial in oracle.trials.values()]
    before = copy.deepcopy((state, trials))
    for _ in range(2):
        restored = make()
        restored.restore(state, trials)
        restored.create_trial("slot0")
        assert (state, trials) == before
