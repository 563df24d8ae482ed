"""`training.batches=stream`: the same search as with the rows in memory, without holding them."""

from pathlib import Path

import pandas as pd
import pytest

from src.search import run
from src.search.workflow import SearchOutcome
from tests.conftest import MakeConfig, report_listeners
from tests.execution.test_trial_runner import rows, run_rungs

VOLATILE = ["seconds", "started", "ended", "worker"]
PINS = ["space.normalization=none", "space.optimizer=adam", "space.dropout=0.2"]
STREAM = "training.batches=stream"


def tables(outcome: SearchOutcome) -> tuple[pd.DataFrame, pd.DataFrame]:
    kinds = {"trial_id": str, "parent": str}
    trials = pd.read_csv(outcome.run.trials_table, dtype=kinds).drop(columns=VOLATILE)
    return trials, pd.read_csv(outcome.run.history_table, dtype=kinds)


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        ["space.optimizer=[adam, nesterov, rmsprop]", "space.batch_size=[7, 32, full]"],
        ["tuner.executions_per_trial=2", "data.source=diabetes", "tuner.max_trials=2"],
        ["tuner.folds=2", "tuner.max_trials=2", "objective.name=val_auc", *PINS],
        [
            *("tuner.name=hyperband", "training.epochs=3", "tuner.max_trials=auto", *PINS),
            *("objective.name=val_f1", "data.class_weight=balanced"),
        ],
        [
            *("run.workers=2", "run.engine=process", "data.class_weight=balanced"),
            "objective.name=val_pr_auc",
        ],
    ],
    ids=["trials", "executions", "folds", "promotions", "processes"],
)
def test_a_whole_search_is_the_same(tiny: MakeConfig, overrides: list[str]) -> None:
    memory, streamed = (
        run(tiny(*overrides, *more), listeners=report_listeners()) for more in ([], [STREAM])
    )
    for expected, found in zip(tables(memory), tables(streamed), strict=True):
        assert len(expected) >= 2
        pd.testing.assert_frame_equal(found, expected, rtol=1e-5)
    assert memory.winner is not None
    assert streamed.winner is not None
    assert streamed.winner.test == pytest.approx(memory.winner.test)
    assert streamed.winner.validation == pytest.approx(memory.winner.validation)


def test_a_promotion_continues_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    pins = ("space.early_stopping_patience=0", "space.optimizer=adam", "space.dropout=0.3")
    schedule = ("space.schedule=cosine",)
    at_once = run_rungs(tmp_path / "at_once", [9], *pins, *schedule)
    in_rungs = run_rungs(tmp_path / "in_rungs", [1, 3, 9], *pins, *schedule, stream=True)
    assert [row["loss"] for row in rows(in_rungs)] == [row["loss"] for row in rows(at_once)]
    assert in_rungs[-1].fits[0].score == at_once[0].fits[0].score
