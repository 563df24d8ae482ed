"""Which trial is trained anew, and what is said where there is none."""

from pathlib import Path
from typing import Any

import pytest

from src.errors import UserError
from src.evaluation.choosing import choose_trial, completed_trials
from src.store.run_directory import RunDirectory
from src.store.snapshot import SavedSearch


def saved(
    *scores: float | None, direction: str = "max", exported: str | None = None
) -> SavedSearch:
    """A search whose trials have these scores; None for failed ones."""
    records = []
    for number, score in enumerate(scores):
        fit = {"execution": 0, "fold": 0, "best_epoch": 1, "epochs": 1, "metrics": {}}
        result: dict[str, Any] = {
            "status": "FAILED" if score is None else "COMPLETED",
            "fits": [] if score is None else [fit | {"score": score}],
            **{"reason": "", "traceback": "", "parameters": 1, "started": 0.0, "seconds": 1.0},
            "worker": "0",
        }
        record = {"trial_id": f"{number:04}", "result": result, "history": 0}
        records.append(record | {"confirmation": None})
    head: dict[str, Any] = {"identity": {"objective": {"name": "val_x", "direction": direction}}}
    head["config"] = {"tuner.executions_per_trial": 1, "tuner.folds": 1}
    known = None if exported is None else {"trial_id": exported, "files": {}}
    return SavedSearch(head, {}, known, {}, [], records)


def test_completed_trials_come_best_first() -> None:
    scores = (0.5, None, 0.9, 0.5)
    assert completed_trials(saved(*scores)) == ["0002", "0000", "0003"]
    assert completed_trials(saved(*scores, direction="min")) == ["0000", "0003", "0002"]


def test_the_exported_trial_is_taken_or_the_one_that_is_named(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    search = saved(0.5, None, 0.9, exported="0000")
    for name in ("2", "0002", "00002"):
        assert choose_trial(run, search, name) == "0002"
    assert choose_trial(run, search, "0") == "0000"
    run.best.mkdir()
    run.model.write_text("")
    assert choose_trial(run, search, None) == "0000"


@pytest.mark.parametrize(
    ("scores", "trial", "words"),
    [
        ((None,), None, ["none of its trials has completed", "src.tune --resume"]),
        ((), "3", ["none of its trials has completed", "src.tune --resume"]),
        ((0.1, 0.2), None, ["has not ended", "src.tune --resume", "--trial 0001"]),
        ((0.1, None), "1", ["--trial: '1' has FAILED", "best first: 0000"]),
        ((0.1, None), "7", ["--trial: '7' is no trial of this run that has ended"]),
        ((0.1,), "best", ["--trial: 'best' is no trial"]),
        ((0.1,) * 7, "7", ["one of the 7", "0000, 0001, 0002, 0003, 0004, …"]),
    ],
)
def test_a_run_that_has_no_such_trial_is_told_what_to_do(
    tmp_path: Path, scores: tuple[float | None, ...], trial: str | None, words: list[str]
) -> None:
    with pytest.raises(UserError) as error:
        choose_trial(RunDirectory(tmp_path), saved(*scores), trial)
    for word in words:
        assert word in str(error.value)
