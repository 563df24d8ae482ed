"""Small finished searches, each made once; `tests/conftest.py` has them for all tests."""

import numpy as np
import pandas as pd
import pytest

from src.store.run_directory import RunDirectory

SMALL = (
    *("run.workers=1", "tuner.max_trials=1", "training.epochs=3", "space.layers=1"),
    *("space.units=8", "space.batch_size=16", "space.schedule=cosine"),
)
COLOURS = ("red", "green", "blue")
ROWS = 120


def colour_table(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """A number with gaps, a category, a date and labels that depend on them."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=rows)
    colour = rng.choice(COLOURS, rows)
    label = np.where(size + (colour == "red") + rng.normal(0, 0.3, rows) > 0.3, "yes", "no")
    return pd.DataFrame(
        {
            "size": [("" if row % 10 == 3 else f"{value:.4f}") for row, value in enumerate(size)],
            "bought": pd.date_range("2020-01-01", periods=rows, freq="D").strftime("%Y-%m-%d"),
            "answer": label,
            "colour": colour,
        }
    )


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A table with semicolons, two folds, a tuned threshold, class weights and a plateau."""
    folder = tmp_path_factory.mktemp("colours")
    path = folder / "colours.csv"
    colour_table().to_csv(path, index=False, sep=";")
    return _searched(
        *("data.source=csv", f"data.path={path}", "data.target=answer", "tuner.folds=2"),
        *("objective.threshold=tuned", "data.class_weight=balanced"),
        *("space.plateau=true", "space.plateau_patience=1"),
        *(f"run.directory={folder}", "run.name=colours"),
    )


@pytest.fixture(scope="session")
def headless(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A table without names of columns, whose second column is a quantity to predict."""
    folder = tmp_path_factory.mktemp("headless")
    rng = np.random.default_rng(1)
    x = rng.normal(size=(ROWS, 2))
    y = 500 + 90 * x[:, 0] - 40 * x[:, 1]
    path = folder / "headless.csv"
    table = pd.DataFrame({"a": x[:, 0].round(3), "y": y.round(2), "b": x[:, 1].round(3)})
    table.to_csv(path, index=False, header=False)
    return _searched(
        *("data.source=csv", f"data.path={path}", "data.target=column_2"),
        *(f"run.directory={folder}", "run.name=headless"),
    )


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Images of 2 × 3 whole numbers with the labels 3, 5 and 9."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(2)
    x = rng.integers(0, 256, size=(ROWS, 2, 3)).astype(np.uint8)
    y = np.array([3, 5, 9])[x[:, 0].argmax(axis=1)]
    path = folder / "images.npz"
    np.savez(path, x_train=x, y_train=y)
    return _searched(
        *("data.source=npz", f"data.path={path}", "data.test_fraction=0.4"),
        *(f"run.directory={folder}", "run.name=images"),
    )


def _searched(*overrides: str) -> RunDirectory:
    from src.search import run as search  # which tests without a run need not wait for

    outcome = search("quick", [*SMALL, *overrides])
    assert outcome.winner is not None, outcome.end
    return outcome.run
