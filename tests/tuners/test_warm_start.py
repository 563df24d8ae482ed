"""What a search takes over from an earlier run, and what it does with it."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import keras_tuner as kt
import pytest
from rich.console import Console

from src.config.schema import Config
from src.console.listener import ConsoleListener
from src.errors import UserError
from src.search import resume as resuming
from src.store.run_directory import RunDirectory
from src.store.snapshot import SavedSearch
from src.store.snapshot_schema import problem_in
from src.tuners import warm_start as knowledge
from src.tuners.warm_start import Knowledge, KnownTrial, known_of, values_here
from tests.quick_search import fake, result, resume, search  # noqa: F401
from tests.tuners.test_default_first import DEFAULT, declared, make, propose

IDENTITY = {
    "data": {"content": "these rows"},
    "objective": {"name": "val_accuracy", "direction": "max"},
}
SPACE = {hp.name: {"default": hp.default} for hp in declared().space}
GRID: list[dict[str, Any]] = [DEFAULT | {"units": 20 + number} for number in range(40)]


def saved_run(
    values: list[dict[str, Any]], scores: list[float | None], **changes: Any
) -> SavedSearch:
    """The state of an earlier run; a score of None is a failure."""
    trials, records = [], []
    for number, (own, score) in enumerate(zip(values, scores, strict=True)):
        status = "FAILED" if score is None else "COMPLETED"
        trial = {"trial_id": f"{number:04d}", "hyperparameters": {"values": own}}
        trials.append(trial | {"status": status, "score": score})
        records.append(
            {"trial_id": f"{number:04d}", "result": {"reason": ""}, "confirmation": None}
        )
    head = {
        "identity": {**IDENTITY, "space": SPACE},
        "config": {"hypermodel.name": "mlp", "training.epochs": 9},
    }
    state = SavedSearch(head, {}, None, {}, trials, records)
    return dataclasses.replace(state, **changes)


def known(
    saved: SavedSearch, space: kt.HyperParameters | None = None, epochs: int = 9
) -> Knowledge:
    config = Config.model_validate({"training": {"epochs": epochs}})
    run = RunDirectory(Path("logs/old"))
    return known_of(saved, run, config, IDENTITY, space or declared(), declared())


def test_every_completed_trial_counts_where_the_spaces_are_the_same() -> None:
    found = known(saved_run(GRID[:3], [0.1, 0.9, None]))
    assert found.trials == (KnownTrial(GRID[1], 0.9), KnownTrial(GRID[0], 0.1))
    assert found.first == (GRID[1],)
    assert (found.text, found.notice) == ("2 of 2 completed configurations of old", "")


def test_trials_outside_the_space_are_counted_and_left_out() -> None:
    space = kt.HyperParameters()
    space.merge(declared())
    narrow = kt.HyperParameters()
    narrow.Float("rate", 1e-3, 1e-1, sampling="log", default=1e-3)
    narrow.Int("units", 16, 30, sampling="log")
    for hp in declared().space[2:]:
        narrow.merge([hp])
    values = [*GRID, DEFAULT | {"rate": 1e-4}, DEFAULT | {"rate": 1e-3 * (1 - 1e-12)}]
    found = known(saved_run(values, [float(n) for n in range(42)]), narrow)
    assert len(found.trials) == 11  # 20 to 30 units
    assert found.text == "11 of 42 completed configurations of old; 31 lie outside the space"
    assert found.first == (GRID[10],)


def test_what_only_one_of_the_runs_has_counts_where_it_is_at_its_default() -> None:
    space = declared().space
    old = dict.fromkeys(("rate", "units", "optimizer", "momentum", "epsilon", "bias", "dropout"), 0)
    new = {hp.name: hp.default for hp in space}
    assert values_here(DEFAULT | {"dropout": 0}, space, old, new) == DEFAULT
    assert values_here(DEFAULT | {"dropout": 0.5}, space, old, new) is None
    without = {name: value for name, value in DEFAULT.items() if name != "bias"}
    old.pop("bias")
    assert values_here(without, space, old, new) == DEFAULT
    pinned = [kt.HyperParameters().Fixed, *space][1:-1]
    fixed = kt.engine.hyperparameters.Fixed("bias", False)
    assert values_here(without, [*pinned, fixed], old, new) is None  # the old model had the default
    assert values_here(DEFAULT | {"bias": False}, [*pinned, fixed], old | {"bias": True}, new) == (
        DEFAULT | {"bias": False}
    )
    adam = without | {"optimizer": "adam"}
    assert values_here(adam, space, old, new) is None  # epsilon is active, and it had none


def test_of_rungs_the_furthest_counts_and_only_the_longest() -> None:
    first = {"tuner/epochs": 3, "tuner/bracket": 1, "tuner/round": 0}
    last = {"tuner/epochs": 9, "tuner/trial_id": "0000", "tuner/round": 1}
    values = [GRID[0] | first, GRID[1] | first, GRID[0] | last, GRID[2] | {"tuner/epochs": 9}]
    found = known(saved_run(values, [0.1, 0.2, 0.3, 0.4]))
    assert found.trials == (KnownTrial(GRID[2], 0.4), KnownTrial(GRID[0], 0.3))
    assert found.text == "2 of 3 completed configurations of old; 1 was not trained to the end"


def test_a_trial_that_was_cut_short_does_not_count() -> None:
    saved = saved_run(GRID[:2], [0.1, 0.2])
    saved.records[1]["result"]["reason"] = "pruned after epoch 3"
    assert known(saved).trials == (KnownTrial(GRID[0], 0.1),)


def test_a_trial_that_was_confirmed_has_trained_to_the_end_and_counts_with_its_mean() -> None:
    saved = saved_run(GRID[:2], [0.5, 0.2])
    saved.records[1]["result"]["reason"] = "ended at epoch 3"
    fit = {"fold": 0, "best_epoch": 1, "epochs": 9, "metrics": {}}
    saved.records[1] |= {
        "history": 0,
        "confirmation": {
            **{"executions": 2, "seconds": 1.0, "reason": "", "histories": {"1": 1, "2": 1}},
            "fits": [fit | {"execution": 1, "score": 0.5}, fit | {"execution": 2, "score": 1.0}],
        },
    }
    found = known(saved)
    assert found.trials == (KnownTrial(GRID[1], 0.75), KnownTrial(GRID[0], 0.5))
    assert found.first == (GRID[1],)


@pytest.mark.parametrize(
    ("head", "epochs", "told"),
    [
        ({"identity": {**IDENTITY, "data": {"content": "others"}}}, 9, "rows, or their split"),
        ({"config": {"hypermodel.name": "own"}}, 9, "its HyperModel was own"),
        ({}, 19, "up to 9 epochs"),
        ({}, 4, "up to 9 epochs"),
    ],
)
def test_of_scores_that_mean_something_else_the_best_few_run_first(
    head: dict[str, Any], epochs: int, told: str
) -> None:
    saved = saved_run(GRID[:5], [0.1, 0.5, 0.3, 0.2, 0.4])
    for section, content in head.items():
        saved.head[section] = {**saved.head[section], **content}
    found = known(saved, epochs=epochs)
    assert (found.trials, found.first) == ((), (GRID[1], GRID[4], GRID[2]))
    assert found.text.startswith("the best 3 of 5 completed configurations of old, to run first; ")
    assert told in found.text
    assert told in found.notice
    assert found.notice.endswith(
        "its best configurations run first, and nothing more is taken from it"
    )
    assert known(saved_run(GRID[:5], [0.1] * 5), epochs=5).notice == ""


def test_a_large_run_is_thinned_evenly() -> None:
    number = knowledge.MOST + 50
    values = [DEFAULT | {"rate": 1e-3 + 1e-5 * n} for n in range(number)]
    found = known(saved_run(values, [float(n) for n in range(number)]))
    scores = [trial.score for trial in found.trials]
    assert len(scores) == knowledge.MOST
    assert (scores[0], scores[-1]) == (number - 1, 0)
    assert found.text.endswith("300 of 350 that differ, evenly from best to worst")


@pytest.mark.parametrize("name", ["gp", "tpe"])
def test_the_best_known_configuration_runs_first_and_no_known_one_again(name: str) -> None:
    oracle = make(name, declared())
    given = tuple(KnownTrial(values, -abs(values["units"] - 40.0)) for values in GRID)
    best = max(given, key=lambda trial: trial.score).values
    oracle.learn(Knowledge(given, (best,), "40 of 40"))
    points = propose(oracle, 6)
    assert points[0] == best
    assert all(point not in GRID for point in points[1:])


def test_with_enough_knowledge_there_is_no_start_at_random() -> None:
    space = kt.HyperParameters()
    space.Float("x", 0.0, 1.0)
    space.Float("y", 0.0, 1.0)
    places = [(0.1 * n, (0.37 * n) % 1) for n in range(10)]
    given = tuple(
        KnownTrial({"x": x, "y": y}, -((x - 0.7) ** 2) - (y - 0.2) ** 2) for x, y in places
    )
    oracle = make("gp", space)
    oracle.learn(Knowledge(given, ({"x": 0.6, "y": 0.22},), "10 of 10"))
    assert oracle.plan(20)[1] == "1 given or known configuration first"  # the default is known too
    second = propose(oracle, 2)[1]
    assert abs(second["x"] - 0.7) < 0.25
    assert abs(second["y"] - 0.2) < 0.25
    blank = make("gp", space)
    assert "spread evenly" in blank.plan(20)[1]


def test_the_default_runs_where_its_score_is_not_known_or_it_is_asked_for() -> None:
    oracle = make("gp", declared())
    oracle.learn(Knowledge((KnownTrial(GRID[0], 1.0),), (GRID[0],), "1 of 1"))
    assert oracle.firsts() == [GRID[0], DEFAULT]
    oracle.learn(Knowledge((KnownTrial(DEFAULT, 1.0),), (GRID[0],), "1 of 1"))
    assert oracle.firsts() == [GRID[0]]
    oracle.initial = [{}, {"units": 20}]
    assert oracle.firsts() == [DEFAULT, GRID[0]]


@pytest.mark.parametrize("name", ["gp", "tpe"])
def test_a_restart_needs_nothing_but_the_state(name: str) -> None:
    given = tuple(KnownTrial(values, float(values["units"])) for values in GRID)
    whole, killed, restored = (make(name, declared()) for _ in range(3))
    whole.learn(Knowledge(given, (GRID[-1],), "40 of 40"))
    killed.learn(Knowledge(given, (GRID[-1],), "40 of 40"))
    points = propose(whole, 6)
    assert propose(killed, 3) == points[:3]
    trials = [trial.get_state() for trial in killed.trials.values()]
    restored.restore(json.loads(json.dumps(killed.get_state())), trials)
    assert restored.knowledge.trials == given
    later = []
    for number in range(3, 6):
        trial = restored.create_trial("slot0")
        later.append(trial.hyperparameters.values)
        restored.update_trial(trial.trial_id, {"score": -float(number)})
        trial.status = "COMPLETED"
        restored.end_trial(trial)
    assert later == points[3:]


def test_made_up_knowledge_in_a_snapshot_is_refused() -> None:
    oracle = make("gp", declared())
    oracle.learn(Knowledge((KnownTrial(GRID[0] | {"units": 5000}, 1.0),), (), "1 of 1"))
    with pytest.raises(ValueError, match="units cannot be 5000"):
        make("gp", declared()).restore(oracle.get_state(), [])
    oracle.knowledge = Knowledge((KnownTrial(GRID[0], float("inf")),), (), "1 of 1")
    head = {"fingerprint": "", "config_text": "", "config": {}, "identity": {}, "versions": {}}
    state: dict[str, Any] = {"head": head, "end": {}, "exported": None}
    state |= {"trials": [], "records": []}
    told = problem_in(state | {"oracle": json.loads(json.dumps(oracle.get_state()))})
    assert told.startswith("oracle.knowledge.trials.0.score")


@pytest.mark.usefixtures("fake")
def test_a_search_from_a_run_resumes_without_it(tmp_path: Path) -> None:
    old = tmp_path / "old"
    search(old, "tuner.max_trials=6")
    settings = ("tuner.name=gp", "tuner.max_trials=5", f"tuner.warm_start={old / 'run'}")
    console = ConsoleListener(Console(quiet=True))
    outcome = search(tmp_path / "whole", *settings, listeners=[console])
    assert (
        outcome.progress.warm_start == "5 of 5 completed configurations of run"
    )  # one of 6 had failed
    assert "knowledge: 5 of 5 completed configurations of run" in outcome.run.log.read_text()
    known_best = (old / "run" / "best" / "hyperparameters.yaml").read_text()
    assert outcome.progress.records[0].spec.values == json.loads(known_best)
    assert len(outcome.progress.records) == 5  # what is known is no trial here
    assert len(outcome.run.trials_table.read_text().splitlines()) == 6
    search(tmp_path / "parts", *(*settings[:1], "tuner.max_trials=2", *settings[2:]))
    shutil.rmtree(old)
    resume(tmp_path / "parts", "tuner.max_trials=5")
    assert result(tmp_path / "parts") == result(tmp_path / "whole")
    with pytest.raises(UserError, match=r"tuner\.warm_start"):
        resuming.open_run(str(tmp_path / "parts" / "run"), None, ("tuner.warm_start=other",))


@pytest.mark.usefixtures("fake")
def test_runs_that_tell_nothing_are_refused(tmp_path: Path) -> None:
    search(tmp_path, "tuner.max_trials=2")
    run = f"tuner.warm_start={tmp_path / 'run'}"
    with pytest.raises(
        UserError, match=r"tuner\.name=random cannot learn.*tuner\.points_to_evaluate="
    ):
        search(tmp_path / "new", run)
    with pytest.raises(UserError, match=r"searched for val_accuracy \(max\).*val_log_loss \(min\)"):
        search(tmp_path / "new", run, "tuner.name=gp", "objective.name=val_log_loss")
    with pytest.raises(UserError, match=r"tuner\.warm_start: 'none' is not a run"):
        search(tmp_path / "new", "tuner.warm_start=none", "tuner.name=gp")
