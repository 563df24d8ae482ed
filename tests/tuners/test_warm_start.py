"""What a search takes over from an earlier run, and what it does with it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras_tuner as kt
import pytest

from src.config.schema import Config
from src.errors import UserError
from src.records import FitResult, Reevaluation, TrialRecord, TrialResult, TrialSpec
from src.search import resume as resuming
from src.store.run_directory import RunDirectory
from src.tuners import warm_start as warm
from src.tuners.warm_start import EarlierTrial, WarmStart, values_here, warm_start_of
from tests.quick_search import fake, result, resume, search  # noqa: F401
from tests.tuners.driving import DEFAULT, make, mixed_space, restored, run

IDENTITY = {
    "data": {"content": "these rows"},
    "objective": {"name": "val_accuracy", "direction": "max"},
}
SPACE = {hp.name: {"default": hp.default} for hp in mixed_space().space}
GRID: list[dict[str, Any]] = [DEFAULT | {"units": 20 + number} for number in range(40)]


def earlier(values: dict[str, Any], score: float) -> EarlierTrial:
    return EarlierTrial(values=values, score=score)


def saved_run(values: list[dict[str, Any]], scores: list[float | None]) -> Any:
    """What is read of an earlier run's state; a score of None is a failure."""
    records, told = [], {}
    for number, (own, score) in enumerate(zip(values, scores, strict=True)):
        trial_id, parent = f"{number:04d}", own.get("tuner/trial_id")
        spec = TrialSpec(
            *(trial_id, parent or trial_id, parent, {"space": [], "values": own}),
            *(0, own.get("tuner/epochs", 9)),
        )
        fits = () if score is None else (FitResult(0, 0, score, 1, spec.epochs, {}),)
        status: Any = "FAILED" if score is None else "COMPLETED"
        result = TrialResult(status, fits, "", "", (), 1, 0.0, 1.0, "0")
        records.append(TrialRecord(spec, result))
        if score is not None:
            told[trial_id] = score
    config = {"hypermodel.name": "mlp", "training.epochs": 9}
    identity = {**IDENTITY, "space": SPACE}
    run = RunDirectory(Path("old"))
    return SimpleNamespace(run=run, config=config, identity=identity, told=told, records=records)


def ended_early(saved: Any, number: int) -> Any:
    record = saved.records[number]
    early = replace(record.result, reason="ended early", stopped_by="limit")
    saved.records[number] = replace(record, result=early)
    return saved.records[number]


def taken(saved: Any, space: kt.HyperParameters | None = None, epochs: int = 9) -> WarmStart:
    config = Config.model_validate({"training": {"epochs": epochs}})
    return warm_start_of(saved, config, IDENTITY, space or mixed_space(), mixed_space())


def test_every_completed_trial_counts_best_first_and_large_runs_are_thinned_evenly() -> None:
    found = taken(saved_run(GRID[:3], [0.1, 0.9, None]))
    assert found.trials == (earlier(GRID[1], 0.9), earlier(GRID[0], 0.1))
    assert found.first == (GRID[1],)
    assert (found.text, found.notice) == ("2 of 2 completed configurations of old", "")
    number = warm.MOST + 50
    values = [DEFAULT | {"rate": 1e-3 + 1e-5 * n} for n in range(number)]
    found = taken(saved_run(values, [float(n) for n in range(number)]))
    scores = [trial.score for trial in found.trials]
    assert (len(scores), scores[0], scores[-1]) == (warm.MOST, number - 1, 0)
    assert found.text.endswith("300 of them, evenly from best to worst")


def test_trials_outside_the_space_are_counted_and_left_out() -> None:
    narrow = kt.HyperParameters()
    narrow.Float("rate", 1e-3, 1e-1, sampling="log", default=1e-3)
    narrow.Int("units", 16, 30, sampling="log")
    for hp in mixed_space().space[2:]:
        narrow.merge([hp])
    values = [*GRID, DEFAULT | {"rate": 1e-4}, DEFAULT | {"rate": 1e-3 * (1 - 1e-12)}]
    found = taken(saved_run(values, [float(n) for n in range(42)]), narrow)
    assert len(found.trials) == 11  # 20 to 30 units
    assert found.text == "11 of 42 completed configurations of old; 31 outside the space"
    assert found.first == (GRID[10],)


def test_what_only_one_of_the_runs_has_counts_where_it_is_at_its_default() -> None:
    space, declared = mixed_space(), mixed_space()
    old = {hp.name: hp.default for hp in declared.space} | {"dropout": 0}
    assert values_here(DEFAULT | {"dropout": 0}, old, space, declared) == DEFAULT
    assert values_here(DEFAULT | {"dropout": 0.5}, old, space, declared) is None
    without = {name: value for name, value in DEFAULT.items() if name != "bias"}
    old.pop("bias")
    assert values_here(without, old, space, declared) == DEFAULT
    pinned = kt.HyperParameters()
    for hp in space.space:
        pinned.merge([hp]) if hp.name != "bias" else pinned.Fixed("bias", False)
    assert values_here(without, old, pinned, declared) is None  # the old model had the default
    off = DEFAULT | {"bias": False}
    assert values_here(off, old | {"bias": True}, pinned, declared) == off
    adam = without | {"optimizer": "adam"}
    assert values_here(adam, old, space, declared) is None  # epsilon is active, and it had none


def test_only_whole_trainings_count_each_configuration_by_its_last_trial() -> None:
    first = {"tuner/epochs": 3, "tuner/bracket": 1, "tuner/round": 0}
    last = {"tuner/epochs": 9, "tuner/trial_id": "0000", "tuner/round": 1}
    values = [GRID[0] | first, GRID[1] | first, GRID[0] | last, GRID[2] | {"tuner/epochs": 9}]
    saved = saved_run([*values, GRID[3]], [0.1, 0.2, 0.3, 0.4, 0.5])
    ended_early(saved, 4)
    found = taken(saved)
    assert found.trials == (earlier(GRID[2], 0.4), earlier(GRID[0], 0.3))
    assert found.text == "2 of 4 completed configurations of old; 2 not trained to the end"


def test_a_reevaluated_trial_was_trained_to_the_end_and_counts_with_its_mean() -> None:
    saved = saved_run(GRID[:2], [0.5, 0.2])
    fits = tuple(FitResult(n, 0, score, 1, 9, {}) for n, score in ((1, 0.5), (2, 1.0)))
    saved.records[1] = replace(ended_early(saved, 1), reevaluation=Reevaluation(2, fits))
    assert taken(saved).trials == (earlier(GRID[1], 0.75), earlier(GRID[0], 0.5))


@pytest.mark.parametrize(
    ("head", "epochs", "told"),
    [
        ({"identity": {"data": {"content": "others"}}}, 9, "rows, or their split"),
        ({"config": {"hypermodel.name": "own"}}, 9, "its HyperModel was own"),
        ({}, 19, "up to 9 epochs"),
        ({}, 4, "up to 9 epochs"),
    ],
)
def test_where_scores_cannot_be_compared_the_best_few_run_first(
    head: dict[str, Any], epochs: int, told: str
) -> None:
    saved = saved_run(GRID[:5], [0.1, 0.5, 0.3, 0.2, 0.4])
    for section, content in head.items():
        setattr(saved, section, {**getattr(saved, section), **content})
    found = taken(saved, epochs=epochs)
    assert (found.trials, found.first) == ((), (GRID[1], GRID[4], GRID[2]))
    assert found.text.startswith("3 of 5 completed configurations of old; ")
    assert told in found.text
    assert told in found.notice
    assert found.notice.endswith("so scores cannot be compared: only the best 3 run first")
    assert taken(saved_run(GRID[:5], [0.1] * 5), epochs=5).notice == ""


@pytest.mark.parametrize("name", ["gp", "tpe", "bohb"])
def test_the_best_known_runs_first_none_again_and_a_restart_makes_no_difference(name: str) -> None:
    given = tuple(earlier(values, -abs(values["units"] - 40.0)) for values in GRID)
    start = WarmStart(trials=given, first=(GRID[20],), text="40 of 40")
    scores = iter([*range(6), *range(6)])
    oracle, killed, fresh = (make(name) for _ in range(3))
    for one in (oracle, killed, fresh):
        one.use_warm_start(WarmStart.model_validate(json.loads(start.model_dump_json())))
    assert fresh.warm_start == start
    points = run(oracle, 6, lambda _: next(scores))
    own = [{n: v for n, v in point.items() if n in DEFAULT or n == "epsilon"} for point in points]
    assert own[0] == GRID[20]
    assert all(point not in GRID for point in own[1:])
    assert run(killed, 3, lambda _: next(scores)) == points[:3]
    assert "trials" not in killed.get_state()  # they are stored once, not with every trial
    assert run(restored(killed, fresh), 3, lambda _: next(scores)) == points[3:]


def test_with_enough_known_trials_there_is_no_start_at_random() -> None:
    def far(values: dict[str, Any]) -> float:
        return float((values["x"] - 0.7) ** 2 + (values["y"] - 0.2) ** 2)

    space = kt.HyperParameters()
    space.Float("x", 0.0, 1.0)
    space.Float("y", 0.0, 1.0)
    points = [{"x": 0.1 * n, "y": (0.37 * n) % 1} for n in range(10)]
    given = tuple(earlier(values, -far(values)) for values in points)
    oracle = make("gp", space)
    oracle.use_warm_start(WarmStart(trials=given, first=({"x": 0.6, "y": 0.22},), text="10"))
    found = run(oracle, 4, lambda values: -far(values))
    assert min(far(values) for values in found[1:]) < 0.002


def test_the_default_is_enqueued_where_its_score_is_not_known_or_it_is_asked_for() -> None:
    oracle = make("gp")
    oracle.use_warm_start(WarmStart(trials=(earlier(GRID[0], 1.0),), first=(GRID[0],), text="1"))
    assert oracle.enqueued() == [GRID[0], DEFAULT]
    oracle.use_warm_start(WarmStart(trials=(earlier(DEFAULT, 1.0),), first=(GRID[0],), text="1"))
    assert oracle.enqueued() == [GRID[0]]
    oracle.points_to_evaluate = [{}, {"units": 20}]
    assert oracle.enqueued() == [DEFAULT, GRID[0]]
    wrong = WarmStart(trials=(earlier(GRID[0] | {"units": 5000}, 1.0),), text="1")
    with pytest.raises(ValueError, match="units cannot be 5000"):
        oracle.use_warm_start(wrong)


@pytest.mark.usefixtures("fake")
def test_a_search_from_a_run_resumes_without_it_and_wrong_runs_are_refused(tmp_path: Path) -> None:
    old = tmp_path / "old"
    search(old, "tuner.max_trials=6")
    settings = ("tuner.name=gp", f"tuner.warm_start={old / 'run'}")
    outcome = search(tmp_path / "whole", *settings, "tuner.max_trials=5")
    text = "5 of 5 completed configurations of run"  # one of 6 had failed
    assert outcome.progress.warm_start == text
    known_best = (old / "run" / "best" / "hyperparameters.yaml").read_text()
    assert outcome.progress.records[0].spec.values == json.loads(known_best)
    assert len(outcome.progress.records) == 5  # what is known is no trial here
    with pytest.raises(UserError, match=r"optimised val_accuracy \(max\).*val_log_loss \(min\)"):
        search(tmp_path / "new", *settings, "objective.name=val_log_loss")
    with pytest.raises(UserError, match=r"tuner\.warm_start: 'none' is not a run"):
        search(tmp_path / "new", "tuner.warm_start=none", "tuner.name=gp")
    search(tmp_path / "parts", *settings, "tuner.max_trials=2")
    shutil.rmtree(old)
    resume(tmp_path / "parts", "tuner.max_trials=5")
    assert result(tmp_path / "parts") == result(tmp_path / "whole")
    with pytest.raises(UserError, match=r"tuner\.warm_start"):
        resuming.open_run(str(tmp_path / "parts" / "run"), None, ("tuner.warm_start=other",))
