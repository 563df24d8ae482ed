"""The file of predictions is there whole or not at all, and replaces nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.errors import UserError
from src.evaluation.prediction.output import check_output, prediction_file


def write(path: Path, meanwhile: Callable[[], Any] = lambda: None) -> None:
    with prediction_file(str(path)) as file:
        file.write("a\n")
        assert not path.exists()
        meanwhile()


def test_the_file_is_there_whole_or_not_at_all_and_replaces_nothing(tmp_path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    path = tmp_path / "out.csv"
    check_output(str(path))
    with pytest.raises(KeyboardInterrupt):
        write(path, stop)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match=r"--output: .*out\.csv' exists"):
        write(path, lambda: path.write_text("mine"))
    assert path.read_text() == "mine"
    path.unlink()
    write(path)
    assert path.read_text() == "a\n"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(UserError, match="there is no folder"):
        check_output(str(tmp_path / "nowhere" / "out.csv"))
