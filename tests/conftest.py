"""What all tests share: TensorFlow as the commands start it, and tiny configurations."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from src.config import Config, load_config
from src.registry import LISTENERS, load
from src.search.listener import SearchListener
from src.startup import start_tensorflow
from tests.evaluation.runs import colours, headless, images  # noqa: F401

start_tensorflow()
# A runner in the background may ignore these, and all that is started here would do so too.
for number, handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, handler)

TINY = (
    "run.workers=1",
    "data.source=iris",
    "training.epochs=3",
    "tuner.max_trials=3",
    "space.layers=1",
    "space.units={min: 4, max: 16}",
    "space.activation=relu",
)


def report_listeners() -> list[SearchListener]:
    """Fresh listeners that write tables and what TensorBoard shows, and print nothing."""
    names = ("tables", "hparams", "board")
    return [load(LISTENERS, name, "LISTENERS")() for name in names]


@pytest.fixture(autouse=True)
def _no_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out of TensorBoard what takes longest to draw, but where that is what is tested."""
    if "reporting" not in request.path.parts:
        monkeypatch.setattr("src.reporting.board.plots", lambda *_: {})


MakeConfig = Callable[..., Config]


@pytest.fixture
def tiny(tmp_path: Path) -> MakeConfig:
    """Makes a configuration that searches iris in about a second, below the test's folder."""

    def make(*overrides: str) -> Config:
        return load_config("quick", [*TINY, f"run.directory={tmp_path}", *overrides])

    return make
