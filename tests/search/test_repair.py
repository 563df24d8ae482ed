"""Files of ended trials that are missing or damaged: found, and made again exactly, or refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from src.errors import DiskError
from src.files import checksum
from src.records import FitResult, TrialRecord, TrialResult, TrialSpec
from src.search.repair import check_repaired, damaged_files, whole_training
from src.store.run_directory import RunDirectory
from tests.quick_search import fake, ran, resume, search  # noqa: F401

SPEC = TrialSpec("0007", "0002", "0005", {"space": [], "values": {}}, 3, 9, keep_state=True)


def record(*fits: FitResult) -> TrialRecord:
    return TrialRecord(SPEC, TrialResult("COMPLETED", fits, "", "", (), 1, 0.0, 0.0, "0"))


def fit(score: float, weights: int | None = None, state: int | None = None) -> FitResult:
    return FitResult(0, 0, score, 4, 9, {}, weights, state)


def test_files_that_changed_or_are_missing_are_found(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    weights, state = run.weights("0007", 0, 0), run.training_state("0007", 0)
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    state.write_bytes(b"state")
    known = record(fit(0.5, checksum(weights), checksum(state)))
    assert damaged_files(run, known, weights=True) == []
    assert damaged_files(run, known, weights=False) == []
    weights.write_bytes(b"weight5")
    state.unlink()
    assert damaged_files(run, known, weights=True) == [weights]
    assert damaged_files(run, known, weights=False) == [state]
    assert damaged_files(run, record(fit(0.5)), weights=True) == []  # it left none to compare


def test_a_promotion_is_trained_from_its_roots_first_epoch() -> None:
    whole = whole_training(record(fit(0.5)))
    assert (whole.parent_id, whole.initial_epoch, whole.epochs) == (None, 0, 9)
    assert (whole.trial_id, whole.root_id, whole.keep_state) == ("0007", "0002", True)


def test_the_same_score_is_taken_with_the_new_files_and_another_is_refused() -> None:
    known = record(fit(0.5, 1, 2))
    again = record(fit(0.5, 3, 4)).result
    assert check_repaired(known, again, Path("x")).result.fits == (fit(0.5, 3, 4),)
    with pytest.raises(DiskError, match=r"x: .*trial 0007 again gave 0\.25 instead of 0\.5"):
        check_repaired(known, record(fit(0.25)).result, Path("x"))
    failed = replace(again, status="FAILED", fits=(), reason="loss became nan")
    with pytest.raises(DiskError, match=r"gave loss became nan instead of 0\.5"):
        check_repaired(known, failed, Path("x"))


@pytest.mark.usefixtures("fake")
def test_a_trial_that_a_limit_ended_is_trained_again_to_the_same_epoch(tmp_path: Path) -> None:
    search(tmp_path, "tuner.max_trials=9", "training.epochs=5", "limits.epochs=3")
    outcome = resume(tmp_path)
    best = outcome.progress.best
    assert best is not None
    assert (best.result.cut, best.result.epochs) == ("ended", 3)
    outcome.run.weights("0000", 0, 0).write_text("damaged")
    ran.clear()
    again = resume(tmp_path)
    assert ran == ["0000"]
    assert again.progress.records[0].result == best.result
    assert again.end.reason == "all 3 epochs are used (limits.epochs)"
