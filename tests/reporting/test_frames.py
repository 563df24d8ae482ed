"""Tables come back with the types that code expects, from whole and from half-written files."""

from pathlib import Path

import pandas as pd
import pytest

from src.errors import UserError
from src.reporting import load_history, load_trials
from src.reporting.frames import load_fits
from tests.reporting.made_up import make_run

HEADER = "trial_id,status,score,score_std,epochs,parent,rung,bracket,units,batch_size,started\n"


def written(folder: Path, trials: str) -> Path:
    """A run's folder with just these trials."""
    (folder / "config.yaml").write_text("seed: 1\n")
    (folder / "trials.csv").write_text(trials)
    return folder


def test_trials_are_numbers_texts_and_times(tmp_path: Path) -> None:
    run = make_run(tmp_path, trials=8)
    trials = load_trials(run.path)
    assert list(trials["trial_id"]) == [f"{number:04d}" for number in range(8)]
    assert trials["score"].dtype == float
    assert trials["epochs"].dtype == "Int64"
    assert str(trials["started"].dt.tz) == "UTC"
    assert (trials["root"] == trials["trial_id"]).all()
    failed = trials[trials["status"] == "FAILED"]
    assert failed["score"].isna().all()
    assert set(trials["optimizer"]) <= {"adam", "adamw", "nesterov", "rmsprop"}
    nesterov = trials["optimizer"] == "nesterov"
    assert (trials["momentum"].notna() == nesterov).all()


def test_history_has_a_row_an_epoch(tmp_path: Path) -> None:
    history = load_history(make_run(tmp_path, trials=3, epochs=4).path)
    assert len(history) == 12
    assert list(history[history["trial_id"] == "0001"]["epoch"]) == [1, 2, 3, 4]
    assert history["val_accuracy"].dtype == float


def test_fits_are_there_where_trials_have_several(tmp_path: Path) -> None:
    run = written(tmp_path, HEADER)
    assert load_fits(run).empty
    (run / "fits.csv").write_text("trial_id,execution,fold,score\n0000,0,1,0.5\n0000,0,2,0.\n0001")
    fits = load_fits(run)
    assert fits.to_dict("list") == {
        **{"trial_id": ["0000", "0000"], "execution": [0, 0], "fold": [1, 2]},
        "score": [0.5, 0.0],
    }


def test_a_promotions_root_is_the_first_of_its_chain(tmp_path: Path) -> None:
    rows = "0000,COMPLETED,.5,,1,,0,1,8,32,\n0001,COMPLETED,.6,,3,0000,1,1,8,32,\n"
    rows += "0002,COMPLETED,.7,,9,0001,2,1,8,full,\n"
    trials = load_trials(written(tmp_path, HEADER + rows))
    assert list(trials["root"]) == ["0000", "0000", "0000"]
    assert list(trials["batch_size"]) == ["32", "32", "full"]


def test_parents_in_a_circle_end(tmp_path: Path) -> None:
    rows = "0000,COMPLETED,.5,,1,0001,0,1,8,32,\n0001,COMPLETED,.6,,3,0000,1,1,8,32,\n"
    assert len(load_trials(written(tmp_path, HEADER + rows))) == 2


def test_a_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    rows = "0000,COMPLETED,.5,,1,,,,8,32,\n0001,COMPL"
    assert list(load_trials(written(tmp_path, HEADER + rows))["trial_id"]) == ["0000"]


@pytest.mark.parametrize("text", ["", "\0\0\0", "a,b\n1,2\n", "\xff\xfe"])
def test_what_is_no_table_is_told_with_the_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"trials\.csv"):
        load_trials(written(tmp_path, text))


def test_without_a_run_there_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a run's folder"):
        load_trials(tmp_path / "nowhere")


def test_an_infinite_metric_stays_a_number(tmp_path: Path) -> None:
    folder = written(tmp_path, HEADER)
    (folder / "history.csv").write_text("trial_id,epoch,loss\n0000,1,inf\n0000,2,nan\n")
    history = load_history(folder)
    assert history["loss"].iloc[0] == float("inf")
    assert pd.isna(history["loss"].iloc[1])
