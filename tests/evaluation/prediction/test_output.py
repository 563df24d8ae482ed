"""The file of predictions is there whole or not at all, and replaces nothing."""

from pathlib import Path

import pandas as pd
import pytest

from src.errors import UserError
from src.evaluation.prediction.output import PredictionFile

TABLE = pd.DataFrame({"prediction": ["a", "b"]})


def test_pieces_make_one_table_with_one_header(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with PredictionFile(str(path)) as output:
        output.write(TABLE)
        output.write(TABLE)
        assert not path.exists()
    assert path.read_text() == "prediction\na\nb\na\nb\n"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_left_of_predictions_that_were_stopped(tmp_path: Path) -> None:
    output = PredictionFile(str(tmp_path / "out.csv"))
    output.__enter__()
    output.write(TABLE)
    assert len(list(tmp_path.iterdir())) == 1
    output.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_not_replaced_even_if_it_comes_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    output = PredictionFile(str(path))
    output.__enter__()
    output.write(TABLE)
    path.write_text("mine")
    with pytest.raises(UserError, match="made by somebody else meanwhile"):
        output.__exit__(None, None, None)
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(UserError, match=r"--output: .*out\.csv' exists"):
        PredictionFile(str(path))
    with pytest.raises(UserError, match="there is no folder"):
        PredictionFile(str(tmp_path / "nowhere" / "out.csv"))
