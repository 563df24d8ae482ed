"""What the console shows of the winner: sentences, intervals, untuned models."""

import io

import pytest
from rich.console import Console

from src.console.outcome import winner_facts, winner_table
from src.evaluation.baselines import Baseline
from src.evaluation.threshold import Threshold
from src.evaluation.winner import Winner
from src.records import Objective
from src.search.progress import SearchProgress
from tests.console.test_listener import ended

PROGRESS = SearchProgress(Objective("val_auc", "max"), 2)
for record in (ended("0000", 0.9), ended("0001", 0.8)):
    PROGRESS.add(record)


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
def test_the_loss_from_validation_to_test_is_explained(test: float, sentence: str) -> None:
    facts = list(winner_facts(winner(test), PROGRESS, ("no", "yes")))
    assert facts == [("validation to test", sentence)]


def test_the_way_the_model_was_made_is_said() -> None:
    tuned = Threshold(0.3, "f1", 0.8, 0.7)
    facts = dict(winner_facts(winner(0.87, threshold=tuned), PROGRESS, ("no", "yes")))
    assert facts["threshold"].startswith("'yes' from a probability of 0.3 on")


def test_intervals_and_untuned_models_stand_beside_the_metrics() -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(winner_table(winner(0.87)))
    assert isinstance(console.file, io.StringIO)
    header, *_, row = console.file.getvalue().splitlines()
    assert row.split() == ["roc_auc", "0.9", "0.87", "0.83…0.9167", "0.5"]
    assert "test, 95 %" in header
