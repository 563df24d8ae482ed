"""The command: exit statuses, messages, output, imports."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from src import tune
from src.store.run_directory import RunDirectory
from tests.conftest import TINY

ROOT = Path(__file__).parents[1]


HELP = """
import sys, runpy; sys.argv = ["tune", "--help"]
try: runpy.run_module("src.tune", run_name="__main__")
except SystemExit as end: assert end.code == 0
heavy = {"tensorflow", "keras", "keras_tuner", "pandas", "sklearn", "numpy", "pydantic"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
MISTAKE = """
import sys; from src import tune
assert tune.main(["training.epoch=3"]) == 2
assert "tensorflow" not in sys.modules
"""
NO_PACKAGE = """
import sys; sys.modules["pydantic"] = None
from src import tune; assert tune.main([]) == 2
"""


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (HELP, ["binary_mlp", "fashion_mnist", "residual_mlp", "hyperband", "--dry-run", "130"]),
        (MISTAKE, ["Did you mean 'epochs'?"]),
        (NO_PACKAGE, ["the package pydantic is not installed; use `make tune`"]),
    ],
    ids=["help", "mistake", "no_package"],
)
def test_help_and_mistakes_need_no_tensorflow(script: str, words: list[str]) -> None:
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for word in words:
        assert word in done.stdout + done.stderr


BAD = [
    (["--from", ""], ["tuner.warm_start", "''", "a run or null"]),
    (["--workers", "0"], ["run.workers", "0", "at least 1, or auto"]),
    (["--workers", "2", "run.engine=serial"], ["run.workers", "2", "run.engine", "'serial'"]),
    (["data.source=csv", "data.path=nowhere.csv"], ["data.path", "nowhere.csv"]),
    (["data.task=binary"], ["data.task", "binary", "10"]),
    (["data.source=iris", "tuner.folds=80"], ["tuner.folds", "80"]),
    (["hypermodel.name=mpl"], ["hypermodel.name", "'mpl'", "'mlp'"]),
    (["space.unit=32"], ["space.unit", "'units'"]),
    (["space.activation=rellu"], ["space.activation", "'rellu'", "'relu'", "gelu"]),
    (["space.optimizer=adam", "space.momentum=0.6"], ["space.momentum", "no effect", "nesterov"]),
    (["space.schedule=constant", "space.schedule_rate=2"], ["space.schedule_rate", "exponential"]),
    (["objective.name=val_rmse"], ["objective.name", "val_rmse", "multiclass"]),
    (["objective.name=val_loss", "space.label_smoothing=open"], ["val_loss", "label_smoothing"]),
    (["tuner.factor=4"], ["tuner.factor", "4", "tuner.name=random"]),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(a) for a, _ in BAD])
def test_a_mistake_is_status_2_and_a_message_that_names_it(
    arguments: list[str], words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = tune.main([*arguments, f"run.directory={tmp_path / 'logs'}"])
    message = capsys.readouterr().err
    assert status == 2, message
    assert message.startswith("error: ")
    assert "Traceback" not in message
    for word in words:
        assert word in message, message
    assert not (tmp_path / "logs").exists()


def test_a_dry_run_shows_space_and_plan_writes_nothing_and_starts_no_fork_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[bool] = []
    monkeypatch.setattr("src.startup.start_fork_server", lambda: started.append(True))
    arguments = ["tuner.name=hyperband", "training.epochs=27", "run.engine=process", "--dry-run"]
    assert tune.main([*arguments, f"run.directory={tmp_path / 'logs'}"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for words in (
        "tuner.name hyperband",
        "1079 train + 359 validation + 359 test",
        "learning_rate 0.0003 … 0.03 (log)",
        "if optimizer is momentum or nesterov",
        "145,800 combinations × 6 continuous",
        "27 trials to epoch 1",
        "70 trials, 375 epochs in all",
        "epochs at most 27 a trial; 375 in all",
        "objective val_accuracy (max)",
    ):
        assert words in shown
    assert not (tmp_path / "logs").exists()
    assert not started


def test_the_command_searches_and_says_what_to_do_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--config", "quick", *TINY, f"run.directory={tmp_path}", "run.name=first"]
    assert tune.main([*words, "tuner.max_trials=1"]) == 0
    run = RunDirectory(tmp_path / "first")
    scores = json.loads(run.metrics.read_text())
    shown = " ".join(capsys.readouterr().out.split())
    for text in (
        "space.layers 1",  # differs from the default
        "best so far",
        "ended the trial is done (tuner.max_trials); 1 completed",
        f"accuracy {scores['validation']['accuracy']:.5g} {scores['test']['accuracy']:.5g}",
        f"tensorboard.main --host 127.0.0.1 --logdir {run.tensorboard}",
        f"src.tune --resume {run.path} tuner.max_trials=2",
        f"src.report {run.path}",
        f"src.retrain {run.path} --seeds 5 --ensemble",
        f"src.predict {run.path} FILE",
        f"src.tune --config {run.config} run.name=auto tuner.name=TUNER",
        "data.source=SOURCE data.path=FILE data.target=COLUMN",
        *map(str, (run.trials_table, run.history_table, run.log, run.model)),
    ):
        assert text in shown, text
    assert "finished: the trial is done" in run.log.read_text()


@pytest.mark.parametrize(
    ("kind", "winner", "status"),
    [("finished", "a", 0), ("finished", None, 1), ("failing", "a", 1), ("interrupted", None, 130)],
)
def test_the_status_says_how_the_search_ended(
    kind: str, winner: str | None, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = SimpleNamespace(end=SimpleNamespace(kind=kind), winner=winner)
    monkeypatch.setattr("src.search.preparation.prepare", lambda *_: None)
    monkeypatch.setattr("src.search.workflow.search", lambda *_: outcome)
    assert tune.main(["run.engine=serial"]) == status


def test_a_signal_at_the_very_start_of_a_resume_names_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("src.search.resume.open_run", interrupted)
    assert tune.main(["--resume", "logs/some run", "tuner.max_trials=9"]) == 130
    message = capsys.readouterr().err
    assert "what was finished before is kept" in message
    assert "-m src.tune --resume 'logs/some run' tuner.max_trials=9" in message
