"""`data.group`: rows of a group stand on one side of every split."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.config import dump_config, load_config
from src.config.schema import DataSettings
from src.data.loading import Data, load_data
from src.errors import UserError
from src.search.preparation import prepare

PATIENTS = 30


def visits(folder: Path) -> Path:
    """Five visits of each patient, in random order; two have no patient's name."""
    random = np.random.default_rng(0)
    rows = 5 * PATIENTS
    frame = pd.DataFrame(
        {
            "patient": [f"p{number}" for number in random.permutation(rows) % PATIENTS],
            "pulse": random.normal(70, 10, rows).round(1),
            "ill": random.choice(["yes", "no"], rows),
        }
    )
    frame.loc[[3, 9], "patient"] = None
    frame.to_csv(folder / "visits.csv", index=False)
    return folder / "visits.csv"


def check_apart(data: Data, names: "pd.Series[Any]") -> None:
    for train, validation in (*data.folds(1), *data.folds(3)):
        rest = [names[train], names[validation], names[data.test]]
        for one in range(3):
            for other in range(one):
                assert not set(rest[one].dropna()) & set(rest[other].dropna())


def test_a_column_of_a_table(tmp_path: Path) -> None:
    path = visits(tmp_path)
    data = load_data(DataSettings(source="csv", path=str(path), group="patient"), 0)
    assert data.feature_names == ("pulse",)
    assert data.groups is not None
    assert len(np.unique(data.groups)) == PATIENTS + 2
    check_apart(data, pd.read_csv(path)["patient"])
    assert data.table is not None
    assert data.table.columns[0].done == "keeps its rows together"


def test_an_array_of_an_npz_file(tmp_path: Path) -> None:
    frame = pd.read_csv(visits(tmp_path)).fillna("nobody")
    np.savez(
        tmp_path / "visits.npz",
        x_train=frame[["pulse"]].to_numpy(),
        y_train=frame["ill"].to_numpy(dtype="U3"),
        patient=frame["patient"].to_numpy(dtype="U6"),
    )
    settings = DataSettings(source="npz", path=str(tmp_path / "visits.npz"), group="patient")
    data = load_data(settings, 0)
    check_apart(data, frame["patient"])
    with pytest.raises(UserError, match=r"^data\.group: .* has no array 'doctor'; it has patient"):
        load_data(settings.model_copy(update={"group": "doctor"}), 0)
    with pytest.raises(UserError, match=r"^data\.group: its array has shape \(150, 1\)"):
        load_data(settings.model_copy(update={"group": "x_train"}), 0)


def test_a_run_can_be_repeated(tmp_path: Path) -> None:
    overrides = ["data.source=csv", f"data.path={visits(tmp_path)}", "data.group=patient"]
    prepared = prepare(load_config("quick", overrides))
    (tmp_path / "run.yaml").write_text(dump_config(prepared.config, prepared.recorded))
    again = load_data(load_config(str(tmp_path / "run.yaml")).data, 42)
    assert again.fingerprint == prepared.data.fingerprint


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"group": "patiens"}, r"no column 'patiens'\. Did you mean 'patient'\?"),
        ({"group": "ill"}, r"'ill' is the target"),
        ({"group": "pulse", "drop": ("pulse",)}, r"'pulse' is left out by data\.drop"),
        ({"group": "pulse", "columns": {"pulse": "numeric"}}, r"'pulse' is named in data\.columns"),
    ],
)
def test_mistakes_name_the_key(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^data\.group: .*{message}"):
        load_data(DataSettings(source="csv", path=str(visits(tmp_path)), **settings), 0)


def test_sources_without_groups_refuse_it() -> None:
    with pytest.raises(UserError, match=r"data\.group: 'x' is not used by data\.source=iris"):
        load_data(DataSettings(source="iris", group="x"), 0)
