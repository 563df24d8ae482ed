"""The command: exit statuses, messages, what it prints, what it imports."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from src import tune
from tests.conftest import TINY

ROOT = Path(__file__).parents[1]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "src.tune", *arguments]


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": "100"}
    return subprocess.run(
        command(*arguments), cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_help_lists_what_there_is_and_imports_nothing_heavy() -> None:
    script = (
        "import sys, runpy; sys.argv = ['tune', '--help']\n"
        "try: runpy.run_module('src.tune', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'tensorflow', 'keras', 'keras_tuner', 'pandas', 'sklearn', 'numpy', 'pydantic'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for word in ("binary_mlp", "fashion_mnist", "residual_mlp", "hyperband", "--dry-run", "130"):
        assert word in done.stdout


def test_mistakes_that_need_no_space_are_told_without_tensorflow() -> None:
    script = (
        "import sys; from src import tune\n"
        "assert tune.main(['training.epoch=3']) == 2\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "Did you mean 'epochs'?" in done.stderr


@pytest.mark.parametrize("arguments", [["training.epoch=3"], ["--dry-run", "run.engine=process"]])
def test_what_trains_nothing_starts_no_fork_server(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[bool] = []
    monkeypatch.setattr("src.startup.start_fork_server", lambda: started.append(True))
    assert tune.main(arguments) == (0 if "--dry-run" in arguments else 2)
    assert not started
    capsys.readouterr()


BAD = [
    (["trainig.epochs=3"], ["trainig", "'training'"]),
    (["training.epochs=ten"], ["training.epochs", "'ten'", "integer"]),
    (["training.epochs=0"], ["training.epochs", "0", "at least 1"]),
    (["training.epochs=2.5"], ["training.epochs", "2.5", "integer"]),
    (["seed=-1"], ["seed", "-1", "at least 0"]),
    (["tuner.name=hyperbnd"], ["tuner.name", "'hyperbnd'", "'hyperband'"]),
    (["tuner.name=hyperband", "tuner.folds=3"], ["tuner.folds", "3", "hyperband"]),
    (["data.source=digit"], ["data.source", "'digit'", "'digits'"]),
    (["data.source=csv"], ["data.path", "csv"]),
    (["data.source=csv", "data.path=nowhere.csv"], ["data.path", "nowhere.csv"]),
    (["data.path=x.csv"], ["data.path", "digits"]),
    (["data.validation_fraction=0.7", "data.test_fraction=0.4"], ["validation_fraction", "0.7"]),
    (["data.task=binary"], ["data.task", "binary", "10"]),
    (["data.source=iris", "tuner.folds=80"], ["tuner.folds", "80"]),
    (["hypermodel.name=mpl"], ["hypermodel.name", "'mpl'", "'mlp'"]),
    (["space.unit=32"], ["space.unit", "'units'"]),
    (
        ["tuner.points_to_evaluate=[{units: 5000}]"],
        ["tuner.points_to_evaluate, entry 1: units", "5000", "32 … 256"],
    ),
    (
        ["tuner.points_to_evaluate=[{}]", "tuner.name=grid", "tuner.max_trials=2"],
        ["tuner.points_to_evaluate", "grid"],
    ),
    (["--from", "2024", "tuner.name=gp"], ["tuner.warm_start", "'2024' is not a run"]),
    (["objective.secondary=[parametres]"], ["objective.secondary", "'parametres'", "'parameters'"]),
    (["space.activation=rellu"], ["space.activation", "'rellu'", "'relu'", "gelu"]),
    (["space.activation=[relu, tahn]"], ["space.activation", "'tahn'", "'tanh'"]),
    (["space.activation={min: 1, max: 2}"], ["space.activation", "choices", "relu"]),
    (["space.units=0"], ["space.units", "0", "65536"]),
    (["space.units=3.5"], ["space.units", "3.5", "integer"]),
    (["space.units={min: 64, max: 32}"], ["space.units", "64", "32"]),
    (["space.layers={min: 9}"], ["space.layers", "9", "give both"]),
    (["space.learning_rate=fast"], ["space.learning_rate", "'fast'", "number"]),
    (["space.learning_rate.min=0"], ["space.learning_rate", "0"]),
    (["space.plateau=3"], ["space.plateau", "3", "true or false"]),
    (["space.loss_function=mae", "space.loss=1"], ["space.loss_function", "label_smoothing"]),
    (["space.schedule=cosin"], ["space.schedule", "'cosin'", "'cosine'"]),
    (["objective.name=val_acuracy", "objective.direction=max"], ["val_acuracy", "val_accuracy"]),
    (["objective.name=val_rmse"], ["objective.name", "val_rmse", "multiclass"]),
    (["objective.name=val_loss", "space.label_smoothing=open"], ["val_loss", "label_smoothing"]),
    (["objective.name=val_accuracy", "objective.direction=min"], ["objective.direction", "max"]),
    (["tuner.name=grid"], ["grid", "tuner.max_trials"]),
    (["run.name=../elsewhere"], ["run.name", "../elsewhere"]),
    (["--workers", "0"], ["run.workers", "0", "at least 1, or auto"]),
    (["--workers", "2", "run.engine=serial"], ["run.workers", "2", "run.engine", "'serial'"]),
    (["run.engine=proces"], ["run.engine", "'proces'", "process"]),
    (["--config", "qick"], ["qick", "'quick'"]),
    (["--config", "missing.yaml"], ["missing.yaml"]),
    (["tuner.max_trials"], ["tuner.max_trials", "="]),
    (["space.dropout=.nan"], ["space.dropout", "nan"]),
    (["space.optimizer=adam", "space.momentum=0.6"], ["space.momentum", "no effect", "nesterov"]),
    (["space.schedule=constant", "space.schedule_rate=2"], ["space.schedule_rate", "exponential"]),
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
    told = capsys.readouterr().err
    assert status == 2, told
    assert told.startswith("error: ")
    assert "Traceback" not in told
    for word in words:
        assert word in told, told
    assert not (tmp_path / "logs").exists()


def test_a_dry_run_shows_space_and_plan_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["tuner.name=hyperband", "--dry-run", "training.epochs=27"]
    arguments.append("tuner.points_to_evaluate=[{learning_rate: 1e-2, batch_size: 128}]")
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
        "initial 1: learning_rate 0.01, batch_size 128",
        "epochs at most 27 a trial; 375 in all",
        "val_accuracy (max)",
    ):
        assert words in shown
    assert not (tmp_path / "logs").exists()


def test_the_command_searches_and_says_what_to_do_next(tmp_path: Path) -> None:
    done = run_command("--config", "quick", *TINY, f"run.directory={tmp_path}", "run.name=first")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no start-up noise of TensorFlow's
    run = tmp_path / "first"
    scores = json.loads((run / "best" / "metrics.json").read_text())
    validation, test = scores["validation"]["accuracy"], scores["test"]["accuracy"]
    shown = " ".join(done.stdout.split())
    for words in (
        "space.layers 1",  # differs from the default
        "0002",
        "best so far",
        "stopped all 3 trials are done (tuner.max_trials); 3 completed",
        f"accuracy {validation:.5g}",
        f"{test:.5g}",
        f"tensorboard.main --host 127.0.0.1 --logdir {run / 'tensorboard'}",
        f"-m src.report {run}",
        f"src.retrain {run} --seeds 5 --ensemble",
        f"src.predict {run} FILE",
        "tuner.name=gp",
        "data.source=csv data.path=FILE.csv",
        str(run / "best" / "model.keras"),
    ):
        assert words in shown, words

    log = (run / "search.log").read_text()
    assert "0002" in log
    assert "finished: all 3 trials are done" in log

    again = run_command("--config", "quick", *TINY, f"run.directory={tmp_path}", "run.name=first")
    assert again.returncode == 2
    assert "run.name: 'first' is taken" in again.stderr

    quiet = run_command(
        *("--quiet", "--config", "quick", "--workers", "2", *TINY, f"run.directory={tmp_path}")
    )
    assert quiet.returncode == 0
    assert Path(quiet.stdout.strip()).parent == tmp_path
    assert all(line.startswith("notice: ") for line in quiet.stderr.splitlines())
    table = (Path(quiet.stdout.strip()) / "trials.csv").read_text().splitlines()
    column = table[0].split(",").index("worker")
    assert {row.split(",")[column] for row in table[1:]} <= {"0", "1"}
    serial = (run / "trials.csv").read_text().splitlines()
    assert [row.split(",")[:4] for row in table] == [row.split(",")[:4] for row in serial]


@pytest.mark.slow
def test_commands_to_run_next_keep_brackets_and_budgets(tmp_path: Path) -> None:
    arguments = [word for word in TINY if not word.startswith("space.activation")]
    done = run_command(
        *("--config", "quick", *arguments, f"run.directory={tmp_path}", "run.workers=1"),
        *("tuner.max_trials=1", "tuner.name=grid", "tuner.grid_points=3"),
        "space.activation=[relu, tanh]",
    )
    assert done.returncode == 0, done.stderr
    assert "tuner.grid_points" not in done.stdout.partition("# another tuner")[2]
    assert "'space.activation=[relu, tanh]' tuner.name=gp" in done.stdout
    assert "tuner.max_trials=1" in done.stdout
    assert "[relu, tanh]" in done.stdout.partition("Data")[0]  # the settings that differ


def test_a_package_that_is_not_installed_is_named_with_the_way_out() -> None:
    script = (
        "import sys; sys.modules['pydantic'] = None\n"
        "from src import tune; sys.exit(tune.main([]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "the package pydantic is not installed" in done.stderr
    assert "make tune" in done.stderr


def test_sigterm_keeps_everything_and_gives_130(tmp_path: Path) -> None:
    arguments = [*TINY, f"run.directory={tmp_path}", "run.name=cut", "tuner.max_trials=500"]
    with subprocess.Popen(
        command("--config", "quick", "--workers", "2", *arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 120
        while not (tmp_path / "stopped_by" / "trials.csv").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped by SIGTERM" in output
    assert "COMPLETED" in (tmp_path / "stopped_by" / "trials.csv").read_text()
    state = json.loads((tmp_path / "stopped_by" / "search.json").read_text())["state"]
    assert state["end"] == {
        "kind": "interrupted",
        "reason": "stopped by SIGTERM",
        "setting": "",
    }


def test_a_search_in_which_every_trial_fails_is_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)).astype("float32")
    x[:, 0] *= 1e38  # overflows in training
    y = np.arange(60) % 2
    np.savez(tmp_path / "huge.npz", x_train=x, y_train=y)
    status = tune.main(
        [
            *("--config", "quick"),
            *("data.source=npz", f"data.path={tmp_path / 'huge.npz'}", "data.scaling=none"),
            *("tuner.max_trials=6", "training.epochs=3", "space.normalization=none"),
            *("space.activation=relu", "limits.consecutive_failures=3", "run.workers=1"),
            f"run.directory={tmp_path}",
        ]
    )
    shown = " ".join(capsys.readouterr().out.split())
    assert status == 1, shown
    assert "3 trials in a row failed (limits.consecutive_failures)" in shown
    assert "3 × loss became nan in epoch 1" in shown


@pytest.mark.parametrize("where", ["src.tune._tune", "src.search.resume.open_run"])
def test_a_signal_at_the_very_start_of_a_resume_names_the_command_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(where, interrupted)
    words = ["--resume", "logs/some run", *(["tuner.max_trials=9"] if "open" in where else [])]
    assert tune.main(words) == 130
    message = capsys.readouterr().err
    assert "what was finished before is kept" in message
    assert (
        f"-m src.tune --resume 'logs/some run'{' tuner.max_trials=9' * ('open' in where)}"
        in message
    )
