"""What the console shows of the winner: sentences, intervals, untuned models, the leaderboard."""

import io

import keras_tuner as kt
import pytest
from rich.console import Console

from src.console.winner import winner_facts, winner_table
from src.evaluation.baselines import Baseline
from src.evaluation.threshold import Threshold
from src.evaluation.winner import Winner
from src.records import FitResult, TrialRecord, TrialResult, TrialSpec
from src.search.events import SearchProgress


def record(number: int, score: float) -> TrialRecord:
    spec = TrialSpec(f"{number:04}", f"{number:04}", None, {"space": [], "values": {}}, 0, 3)
    fits = (FitResult(0, 0, score, 2, 3, {"val_auc": score}),)
    return TrialRecord(spec, TrialResult("COMPLETED", fits, "", "", (), 10, 0.0, 1.0, "0"))


PROGRESS = SearchProgress(kt.Objective("val_auc", "max"), 2, [record(0, 0.9), record(1, 0.8)])


def winner(test: float, **more: object) -> Winner:
    return Winner(
        record=PROGRESS.records[0],
        validation={"roc_auc": 0.9},
        test={"roc_auc": test},
        test_interval={"roc_auc": (0.83, 0.9167)},
        baselines=(Baseline("most frequent class", {"roc_auc": 0.5}, {"roc_auc": 0.5}),),
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        (
            0.87,
            "roc_auc 0.03 worse on the test rows; noise, and selection: it was the best of 2 "
            "trials on the validation rows",
        ),
        (0.92, "roc_auc 0.02 better on the test rows; noise: nothing of the score was lost"),
    ],
)
def test_what_the_test_rows_leave_of_the_score_is_said(test: float, sentence: str) -> None:
    assert winner_facts(winner(test), PROGRESS, ("no", "yes")) == [("validation to test", sentence)]


def test_how_it_was_made_is_said() -> None:
    tuned = Threshold(0.3, "f1", 0.8, 0.7)
    facts = dict(
        winner_facts(winner(0.87, averaged_models=6, threshold=tuned), PROGRESS, ("no", "yes"))
    )
    assert facts["averaged"] == "the mean of the 6 models of all folds"
    assert facts["threshold"].startswith("'yes' from a probability of 0.3 on")


def test_intervals_and_untuned_models_stand_beside_the_metrics() -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(winner_table(winner(0.87)))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert shown.splitlines()[-1].split() == ["roc_auc", "0.9", "0.87", "0.83…0.9167", "0.5"]
    assert "test, 95 %" in shown
