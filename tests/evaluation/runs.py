"""Small finished searches, each made once; `tests/conftest.py` has them for all tests."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from src.store.run_directory import RunDirectory

SMALL = (
    *("run.workers=1", "tuner.max_trials=1", "training.epochs=3", "space.layers=1"),
    *("space.units=8", "space.batch_size=16", "space.schedule=cosine"),
)
ROWS = 120


def colour_table(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """A number with gaps, a category, a date and labels that depend on them."""
    rng = np.random.default_rng(seed)
    size, colour = rng.normal(size=rows), rng.choice(["red", "green", "blue"], rows)
    label = np.where(size + (colour == "red") + rng.normal(0, 0.3, rows) > 0.3, "yes", "no")
    bought = pd.date_range("2020-01-01", periods=rows, freq="D").strftime("%Y-%m-%d")
    texts = ["" if row % 10 == 3 else f"{value:.4f}" for row, value in enumerate(size)]
    return pd.DataFrame({"size": texts, "bought": bought, "answer": label, "colour": colour})


def _searched(source: Path, *overrides: str) -> RunDirectory:
    """The run of a search in the file's folder, which has the file's name."""
    from src.search import run  # which tests without a run need not wait for

    place = (f"data.path={source}", f"run.directory={source.parent}", f"run.name={source.stem}")
    settings = [*SMALL, *place, f"data.source={source.suffix[1:]}", *overrides]
    outcome = run("quick", settings, listeners=())
    assert outcome.winner is not None, outcome.end
    return outcome.run


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A table with semicolons, two folds, a tuned threshold, class weights and a plateau."""
    path = tmp_path_factory.mktemp("colours") / "colours.csv"
    colour_table().to_csv(path, index=False, sep=";")
    return _searched(
        *(path, "data.target=answer", "tuner.folds=2", "objective.threshold=tuned"),
        *("data.class_weight=balanced", "space.plateau=true", "space.plateau_patience=1"),
    )


@pytest.fixture(scope="session")
def headless(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A table without names of columns, whose second column is a quantity to predict."""
    path = tmp_path_factory.mktemp("headless") / "headless.csv"
    x = np.random.default_rng(1).normal(size=(ROWS, 2)).round(3)
    table = pd.DataFrame({"a": x[:, 0], "y": 500 + 90 * x[:, 0] - 40 * x[:, 1], "b": x[:, 1]})
    table.to_csv(path, header=False, index=False)
    return _searched(path, "data.target=column_2")


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Images of 2 × 3 whole numbers with the labels 3, 5 and 9."""
    path = tmp_path_factory.mktemp("images") / "images.npz"
    x = np.random.default_rng(2).integers(0, 256, size=(ROWS, 2, 3)).astype(np.uint8)
    np.savez(path, x_train=x, y_train=np.array([3, 5, 9])[x[:, 0].argmax(axis=1)])
    return _searched(path, "data.test_fraction=0.4")
