"""The tables of a run come back from its state with the types that code expects."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from src.errors import UserError
from src.records import FitResult, Objective, TrialRecord, TrialResult, TrialSpec
from src.reporting import load_history, load_trials
from src.reporting.frames import fits_frame, history_frame, trials_frame
from src.reporting.tables import Tables
from src.search.progress import SearchProgress
from src.store.run_directory import RunDirectory
from tests.reporting.made_up import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return make_run(tmp_path_factory.mktemp("logs"), trials=8, epochs=4)


def record(trial_id: str, parent_id: str | None, batch_size: int, folds: int = 1) -> TrialRecord:
    """A trial with a fit for each fold, the second of which lost all."""
    values = {"values": {"batch_size": batch_size}}
    spec = TrialSpec(trial_id, "0000", parent_id, values, 0, 1, folds=folds)
    fits = tuple(FitResult(0, fold, 0.5 - fold / 2, 1, 1, {"loss": 1.0}) for fold in range(folds))
    keys = {"execution": 0, "fold": 0, "learning_rate": 0.1, "batch_size": 32}
    history = tuple(
        keys | {"epoch": n, "loss": loss} for n, loss in enumerate((float("inf"), float("nan")), 1)
    )
    return TrialRecord(spec, TrialResult("COMPLETED", fits, "", "", history, 9, 0.0, 1.0, "0"))


def tables(*records: TrialRecord) -> Tables:
    progress = SearchProgress(Objective("val_loss", "min"), None)
    for ended in records:
        progress.add(ended)
    return Tables(progress, ["batch_size"], ())


def test_trials_are_numbers_texts_and_times(run: RunDirectory) -> None:
    trials = load_trials(run.path)
    assert list(trials["trial_id"]) == [f"{number:04d}" for number in range(8)]
    assert [str(trials[name].dtype) for name in ("score", "epochs")] == ["float64", "Int64"]
    assert list(trials["epochs"]) == [4] * 8
    assert str(trials["started"].dt.tz) == "UTC"
    assert (trials["root"] == trials["trial_id"]).all()
    assert trials.loc[trials["status"] == "FAILED", "score"].isna().all()
    assert set(trials["optimizer"]) <= {"adam", "adamw", "nesterov", "rmsprop"}
    assert (trials["momentum"].notna() == (trials["optimizer"] == "nesterov")).all()


def test_history_has_a_row_an_epoch_and_the_exported_tables_say_the_same(
    run: RunDirectory,
) -> None:
    history = load_history(run.path)
    assert len(history) == 32
    assert list(history[history["trial_id"] == "0001"]["epoch"]) == [1, 2, 3, 4]
    exported = pd.read_csv(run.trials_table, dtype={"trial_id": str})
    assert list(exported["score"]) == pytest.approx(list(load_trials(run)["score"]), nan_ok=True)
    epochs = pd.read_csv(run.history_table)
    assert list(epochs["val_loss"]) == pytest.approx(list(history["val_loss"]))


def test_fits_are_there_where_trials_have_several() -> None:
    assert fits_frame(tables(record("0000", None, 32))).empty
    fits = fits_frame(tables(record("0000", None, 32, folds=2)))
    assert fits[["trial_id", "fold", "score"]].to_dict("list") == {
        "trial_id": ["0000", "0000"],
        "fold": [0, 1],
        "score": [0.5, 0.0],
    }


def test_a_promotions_root_is_the_first_of_its_chain() -> None:
    chain = [record("0000", None, 32), record("0001", "0000", 32), record("0002", "0001", 0)]
    trials = trials_frame(tables(*chain))
    assert list(trials["root"]) == ["0000", "0000", "0000"]
    assert list(trials["batch_size"]) == ["32", "32", "full"]
    circle = [record("0000", "0001", 32), record("0001", "0000", 32)]
    assert len(trials_frame(tables(*circle))) == 2


def test_an_infinite_metric_stays_a_number_and_a_text_is_none() -> None:
    ended = record("0000", None, 32)
    history = history_frame(tables(ended))
    assert history["loss"].iloc[0] == float("inf")
    assert pd.isna(history["loss"].iloc[1])
    rows: Any = tuple(row | {"loss": "x"} for row in ended.result.history)
    strange = replace(ended, result=replace(ended.result, history=rows))
    assert history_frame(tables(strange))["loss"].isna().all()


def test_without_a_run_or_a_whole_state_there_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a run's folder"):
        load_trials(tmp_path / "nowhere")
    (tmp_path / "search.sqlite3").write_bytes(b"\0\0\0")
    with pytest.raises(UserError, match=r"search\.sqlite3: is damaged"):
        load_trials(tmp_path)
