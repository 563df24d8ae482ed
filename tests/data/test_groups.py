"""`data.group`: rows of a group stand on one side of every split."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.config.schema import DataSettings
from src.data.loading import Data, load_data
from src.errors import UserError

PATIENTS = 30


@pytest.fixture
def visits(tmp_path: Path) -> Path:
    """Five visits of each patient, in random order; two have no patient's name."""
    random, rows = np.random.default_rng(0), 5 * PATIENTS
    frame = pd.DataFrame(
        {
            "patient": [f"p{number}" for number in random.permutation(rows) % PATIENTS],
            "pulse": random.normal(70, 10, rows).round(1),
            "ill": random.choice(["yes", "no"], rows),
        }
    )
    frame.loc[[3, 9], "patient"] = None
    frame.to_csv(tmp_path / "visits.csv", index=False)
    return tmp_path / "visits.csv"


def check_apart(data: Data, names: "pd.Series[Any]") -> None:
    for train, validation in (*data.folds(1), *data.folds(3)):
        sets = [set(names[rows].dropna()) for rows in (train, validation, data.test)]
        assert sum(map(len, sets)) == len(set.union(*sets)) == PATIENTS


def test_a_column_of_a_table_or_an_array_of_an_npz_file(visits: Path) -> None:
    data = load_data(DataSettings(source="csv", path=str(visits), group="patient"), 0)
    assert data.table is not None
    assert data.groups is not None
    assert (data.feature_names, len(set(data.groups.tolist()))) == (("pulse",), PATIENTS + 2)
    assert data.table.columns[0].done == "keeps its rows together"
    frame = pd.read_csv(visits)
    check_apart(data, frame["patient"])
    path, groups = str(visits.with_suffix(".npz")), frame["patient"].fillna("nobody")
    y = frame["ill"].to_numpy("U3")
    np.savez(path, x_train=frame[["pulse"]], y_train=y, patient=groups.to_numpy("U6"))
    settings = DataSettings(source="npz", path=path, group="patient")
    check_apart(load_data(settings, 0), frame["patient"])
    with pytest.raises(UserError, match=r"^data\.group: .* has no array 'doctor'; it has patient"):
        load_data(settings.model_copy(update={"group": "doctor"}), 0)
    with pytest.raises(UserError, match=r"^data\.group: its array has shape \(150, 1\)"):
        load_data(settings.model_copy(update={"group": "x_train"}), 0)


def test_mistakes_name_the_key(visits: Path) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"group": "patiens"}, r"no column 'patiens'\. Did you mean 'patient'\?"),
        ({"group": "ill"}, r"'ill' is the target"),
        ({"group": "pulse", "drop": ("pulse",)}, r"'pulse' is in data\.drop or data"),
        ({"group": "pulse", "columns": {"pulse": "numeric"}}, r"'pulse' is in data\.drop or data"),
    ]
    for settings, message in cases:
        with pytest.raises(UserError, match=rf"^data\.group: .*{message}"):
            load_data(DataSettings(source="csv", path=str(visits), **settings), 0)
