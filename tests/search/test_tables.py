"""Tables from the file to the exported model: searched, exported, resumed, streamed, folded."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import yaml

from src.config import load_config
from src.data.loading import load_data
from src.data.tables.columns import read_columns
from src.data.tables.model_rows import raw_inputs
from src.errors import UserError
from src.search import run
from src.search.completed_trial import open_trial
from src.search.workflow import SearchOutcome
from src.store.saved_search import read_search
from tests.conftest import TINY, report_listeners

LOAD = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np, pandas as pd
assert not any((p / "src").is_dir() for p in map(__import__("pathlib").Path, sys.path) if p.name)
model = keras.models.load_model("model.keras", safe_mode=True)
frame = pd.read_csv("raw.csv", dtype=str, keep_default_na=False)
texts = ("color", "town", "owned")
rows = {}
for name in ("size", "rooms", "color", "town", "owned"):
    column = frame[name].to_numpy(dtype=object)
    rows[name] = column if name in texts else pd.to_numeric(column).astype("float32")
np.save("prediction.npy", model.predict(rows, verbose=0))
"""


def table(folder: Path, count: int = 120) -> Path:
    random = np.random.default_rng(1)
    size = random.lognormal(3, 1, count).round(2)
    color = random.choice(["red", "blue", "green"], count)
    frame = pd.DataFrame(
        {
            "id": np.arange(1, count + 1),
            "size": size,
            "rooms": random.integers(1, 6, count),
            "color": color,
            "town": [f"town {n}" for n in random.integers(0, 34, count)],
            "owned": random.choice(["yes", "no"], count),
            "same": 1,
            "price": (1e5 + 300 * size + 2e4 * (color == "red")).round(0),
            "dear": np.where(size + 15 * (color == "red") > 25, "dear", "cheap"),
        }
    )
    frame.loc[::9, "size"] = np.nan
    frame.loc[::8, "color"] = np.nan
    frame.loc[4, ["price", "dear"]] = np.nan
    frame.to_csv(folder / "houses.csv", index=False)
    return folder / "houses.csv"


def searched(path: Path, *overrides: str, target: str = "dear", name: str = "run") -> SearchOutcome:
    other = "price" if target == "dear" else "dear"
    settings = [
        *(*TINY, "data.source=csv", f"data.path={path}", f"data.target={target}"),
        *(f"data.drop=[{other}]", f"run.directory={path.parent}", f"run.name={name}"),
        *("tuner.max_trials=2", "training.epochs=2", *overrides),
    ]
    return run("quick", settings, report_listeners())


def predictions(outcome: SearchOutcome) -> pd.DataFrame:
    return pd.read_csv(outcome.run.predictions)


def raw_rows(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("houses"))


@pytest.fixture(scope="module")
def outcome(houses: Path) -> SearchOutcome:
    return searched(houses)


def scores(outcome: SearchOutcome) -> list[float | None]:
    return [record.result.score for record in outcome.progress.records]


def test_the_exported_model_takes_the_rows_of_the_file(
    outcome: SearchOutcome, houses: Path
) -> None:
    columns = read_columns(outcome.run.columns)
    assert [c.name for c in columns.columns] == ["size", "rooms", "color", "town", "owned"]
    assert (columns.target.name, columns.task) == ("dear", "binary")
    assert columns.class_names == ("cheap", "dear")
    model = keras.models.load_model(outcome.run.model, safe_mode=True)
    written = predictions(outcome)
    assert 4 not in written["row"].to_numpy()  # it has no target
    chosen = raw_rows(houses).iloc[written["row"]]
    predicted = model.predict(raw_inputs(chosen, columns.columns), verbose=0)[:, 0]
    np.testing.assert_allclose(predicted, written["probability_dear"], atol=1e-5)
    assert written["target"].tolist() == chosen["dear"].tolist()
    tested = written[written["split"] == "test"]
    accuracy = float((tested["target"] == tested["prediction"]).mean())
    assert json.loads(outcome.run.metrics.read_text())["test"]["accuracy"] == accuracy


@pytest.mark.slow
def test_the_model_loads_without_the_project(
    outcome: SearchOutcome, houses: Path, tmp_path: Path
) -> None:
    written = predictions(outcome)
    raw_rows(houses).iloc[written["row"]].to_csv(tmp_path / "raw.csv", index=False)
    shutil.copy(outcome.run.model, tmp_path)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    subprocess.run([sys.executable, "-I", "-c", LOAD], cwd=tmp_path, env=environment, check=True)
    predicted = np.load(tmp_path / "prediction.npy")[:, 0]
    np.testing.assert_allclose(predicted, written["probability_dear"], atol=1e-5)


def test_the_configuration_of_a_run_has_what_was_inferred(outcome: SearchOutcome) -> None:
    values = yaml.safe_load(outcome.run.config.read_text())
    assert values["data"]["columns"] == {
        **{"id": "drop", "size": "numeric", "rooms": "numeric", "color": "categorical"},
        **{"town": "categorical", "owned": "boolean", "same": "drop"},
    }
    facts = {column["name"]: column for column in values["recorded"]["data"]["columns"]}
    assert facts["size"] == {
        **{"name": "size", "kind": "numeric", "format": "plain", "missing": 14, "distinct": 105},
        "done": "number; missing: median, flag",
    }
    assert facts["id"]["kind"] == "identifier"
    assert facts["dear"] == {
        **{"name": "dear", "kind": "target", "format": "text", "missing": 1, "distinct": 2},
        "done": "1 row left out",
    }
    config = load_config(outcome.run.config, ["run.name=again"])
    again = load_data(config.data, config.seed)
    assert read_search(outcome.run).identity["data"]["content"] == again.fingerprint


def test_a_resumed_search_of_a_table_goes_on(
    outcome: SearchOutcome, houses: Path, tmp_path: Path
) -> None:
    path = tmp_path / "moved.csv"
    shutil.copy(houses, path)
    folder = shutil.copytree(outcome.run.path, tmp_path / "run")
    moved = [f"data.path={path}", "tuner.max_trials=3"]
    resumed = run(None, moved, report_listeners(), resume=str(folder))
    assert resumed.resumed_trials == 2
    assert scores(resumed)[:2] == scores(outcome)
    assert len(scores(resumed)) == 3
    trial = open_trial(resumed.run, "0000", [f"data.path={path}"])  # as src.retrain does
    assert trial.context.config.data.path == str(path)
    with pytest.raises(UserError, match=r"data\.target"):
        open_trial(resumed.run, "0000", ["data.target=rooms"])

    for setting in ("data.missing=[red]", "data.decimal=comma", "data.encoding=utf-8"):
        name = setting.split("=")[0].replace(".", r"\.")
        with pytest.raises(UserError, match=name):
            run(None, [setting, *moved], (), resume=str(folder))
    changes = ["data.columns.rooms=categorical", *moved]
    with pytest.raises(UserError, match="this is not the search that it was"):
        run(None, changes, (), resume=str(folder))
    path.write_text(houses.read_text().replace("blue", "azure", 1))
    with pytest.raises(UserError, match="this is not the search that it was"):
        run(None, moved, (), resume=str(folder))


def test_streamed_rows_and_worker_processes_give_the_same(
    outcome: SearchOutcome, houses: Path
) -> None:
    streamed = searched(houses, "training.batches=stream", name="stream")
    assert scores(streamed) == pytest.approx(scores(outcome), abs=1e-5)
    processes = searched(houses, "run.engine=process", "run.workers=1", name="process")
    assert scores(processes) == scores(outcome)


def test_each_fold_is_encoded_by_its_own_training_rows(houses: Path) -> None:
    outcome = searched(houses, "tuner.folds=2", "tuner.max_trials=1", target="price", name="folds")
    assert outcome.winner is not None
    assert outcome.winner.refit_epochs is not None
    written = predictions(outcome)
    assert (written["split"] == "validation").sum() == 119 - 24
    columns = read_columns(outcome.run.columns)
    model = keras.models.load_model(outcome.run.model, safe_mode=True)
    tested = written[written["split"] == "test"]
    chosen = raw_rows(houses).iloc[tested["row"]]
    predicted = model.predict(raw_inputs(chosen, columns.columns), verbose=0)[:, 0]
    np.testing.assert_allclose(predicted, tested["prediction"], rtol=1e-5)
    error = np.sqrt(np.mean((tested["target"] - tested["prediction"]) ** 2))
    assert json.loads(outcome.run.metrics.read_text())["test"]["rmse"] == pytest.approx(error)


def test_the_size_of_an_embedding_is_searched(tmp_path: Path) -> None:
    path = table(tmp_path, count=400)
    frame = raw_rows(path)
    frame["town"] = [f"town {n % 40}" for n in range(len(frame))]
    frame.to_csv(path, index=False)
    outcome = searched(path, "space.embedding_size=[3,5]", "tuner.max_trials=1")
    values: list[Any] = [r.spec.values["embedding_size"] for r in outcome.progress.records]
    assert set(values) <= {3, 5}
    assert outcome.winner is not None
    weights = {
        tuple(weight.shape)
        for weight in keras.models.load_model(outcome.run.model).weights
        if "embedding" in weight.path
    }
    assert weights == {(41, outcome.progress.best.spec.values["embedding_size"])}  # type: ignore[union-attr]
    columns = read_columns(outcome.run.columns)
    model = keras.models.load_model(outcome.run.model, safe_mode=True)
    written = predictions(outcome)
    chosen = raw_rows(path).iloc[written["row"]]
    predicted = model.predict(raw_inputs(chosen, columns.columns), verbose=0)[:, 0]
    np.testing.assert_allclose(predicted, written["probability_dear"], atol=1e-5)
