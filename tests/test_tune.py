"""The command: exit statuses, messages, output, imports."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from src import tune
from src.messages import SearchEnd
from src.store.run_directory import RunDirectory
from src.store.saved_search import read_search
from tests.conftest import TINY

ROOT = Path(__file__).parents[1]


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_lists_the_names_and_imports_nothing_heavy() -> None:
    script = (
        "import sys, runpy; sys.argv = ['tune', '--help']\n"
        "try: runpy.run_module('src.tune', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'tensorflow', 'keras', 'keras_tuner', 'pandas', 'sklearn', 'numpy', 'pydantic'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = python("-c", script)
    assert done.returncode == 0, done.stderr
    for word in ("binary_mlp", "fashion_mnist", "residual_mlp", "hyperband", "--dry-run", "130"):
        assert word in done.stdout


def test_mistakes_that_need_no_space_are_reported_without_tensorflow() -> None:
    script = (
        "import sys; from src import tune\n"
        "assert tune.main(['training.epoch=3']) == 2\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    done = python("-c", script)
    assert done.returncode == 0, done.stderr
    assert "Did you mean 'epochs'?" in done.stderr


BAD = [
    (["training.epochs=0"], ["training.epochs", "0", "at least 1"]),
    (["tuner.max_trials"], ["tuner.max_trials", "="]),
    (["--config", "qick"], ["qick", "'quick'"]),
    (["--config", "missing.yaml"], ["missing.yaml"]),
    (["--from", ""], ["tuner.", "''", "a text that is not empty"]),
    (["--workers", "0"], ["run.workers", "0", "at least 1, or auto"]),
    (["--workers", "2", "run.engine=serial"], ["run.workers", "2", "run.engine", "'serial'"]),
    (["run.name=../elsewhere"], ["run.name", "../elsewhere"]),
    (["data.source=csv"], ["data.path", "csv"]),
    (["data.source=csv", "data.path=nowhere.csv"], ["data.path", "nowhere.csv"]),
    (["data.path=x.csv"], ["data.path", "digits"]),
    (["data.task=binary"], ["data.task", "binary", "10"]),
    (["data.source=iris", "tuner.folds=80"], ["tuner.folds", "80"]),
    (["hypermodel.name=mpl"], ["hypermodel.name", "'mpl'", "'mlp'"]),
    (["space.unit=32"], ["space.unit", "'units'"]),
    (["space.activation=rellu"], ["space.activation", "'rellu'", "'relu'", "gelu"]),
    (["space.optimizer=adam", "space.momentum=0.6"], ["space.momentum", "no effect", "nesterov"]),
    (["space.schedule=constant", "space.schedule_rate=2"], ["space.schedule_rate", "exponential"]),
    (["objective.name=val_rmse"], ["objective.name", "val_rmse", "multiclass"]),
    (["objective.name=val_loss", "space.label_smoothing=open"], ["val_loss", "label_smoothing"]),
    (["objective.name=val_accuracy", "objective.direction=min"], ["objective.direction", "max"]),
    (["tuner.factor=4"], ["tuner.factor", "4", "hyperband"]),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(a) for a, _ in BAD])
def test_a_mistake_is_status_2_and_a_message_that_names_it(
    arguments: list[str],
    words: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
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
        "if optimizer: momentum, nesterov",
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
    done = python("-m", "src.tune", *words, "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no start-up noise of TensorFlow's
    run = RunDirectory(tmp_path / "first")
    scores = json.loads(run.metrics.read_text())
    shown = " ".join(done.stdout.split())
    for text in (
        "space.layers 1",  # differs from the default
        "0002",
        "best so far",
        "stopped all 3 trials are done (tuner.max_trials); 3 completed",
        f"accuracy {scores['validation']['accuracy']:.5g} {scores['test']['accuracy']:.5g}",
        f"tensorboard.main --host 127.0.0.1 --logdir {run.tensorboard}",
        f"src.tune --resume {run.path} tuner.max_trials=6",
        f"src.report {run.path}",
        f"src.retrain {run.path} --seeds 5 --ensemble",
        f"src.predict {run.path} FILE",
        f"src.tune --config {run.config} run.name=auto tuner.name=TUNER",
        "data.source=csv data.path=FILE.csv",
        str(run.model),
    ):
        assert text in shown, text
    assert "finished: all 3 trials are done" in run.log.read_text()

    assert tune.main(words) == 2
    assert "run.name: 'first' is taken" in capsys.readouterr().err
    assert tune.main([*words, "run.name=second", "--quiet"]) == 0
    quiet = capsys.readouterr()
    assert quiet.out == f"{tmp_path / 'second'}\n"
    *notices, stopped = quiet.err.splitlines()
    assert all(line.startswith("notice: ") for line in notices)
    assert stopped == "stopped: all 3 trials are done (tuner.max_trials)"
    both = [pd.read_csv(tmp_path / name / "trials.csv") for name in ("first", "second")]
    assert set(both[0]["worker"]) <= {0, 1}
    same = ["trial_id", "status", "score"]
    pd.testing.assert_frame_equal(both[0][same], both[1][same])


@pytest.mark.parametrize(
    ("kind", "winner", "status"),
    [("finished", True, 0), ("finished", False, 1), ("failing", True, 1), ("interrupted", 0, 130)],
)
def test_the_status_says_how_the_search_ended(
    kind: str, winner: bool, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = SimpleNamespace(end=SimpleNamespace(kind=kind), winner=object() if winner else None)
    monkeypatch.setattr("src.search.preparation.prepare", lambda *_: None)
    monkeypatch.setattr("src.search.workflow.search", lambda *_: outcome)
    assert tune.main(["run.engine=serial"]) == status


def test_sigterm_keeps_everything_and_gives_130(tmp_path: Path) -> None:
    words = ["--config", "quick", *TINY, f"run.directory={tmp_path}", "run.name=cut"]
    with subprocess.Popen(
        [sys.executable, "-m", "src.tune", *words, "tuner.max_trials=500"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert any("best so far" in line for line in process.stdout)  # the first trial has ended
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped by SIGTERM" in output
    saved = read_search(RunDirectory(tmp_path / "stopped_by"))
    assert saved.end == SearchEnd("interrupted", "stopped by SIGTERM")
    assert saved.records[0].result.status == "COMPLETED"


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


def test_a_package_that_is_not_installed_is_named_with_the_way_out() -> None:
    script = (
        "import sys; sys.modules['pydantic'] = None\n"
        "from src import tune; sys.exit(tune.main([]))\n"
    )
    done = python("-c", script)
    assert done.returncode == 2
    assert "the package pydantic is not installed; use `make tune`" in done.stderr
