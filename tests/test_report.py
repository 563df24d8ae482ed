"""The command `python -m src.report`: files, texts, statuses, and what it must not do."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from src import report
from src.store.run_directory import RunDirectory
from tests.reporting.made_up import make_run

HOSTILE = "<script>alert(1)</script><img src=x onerror=y>"
TAGS = frozenset(
    re.findall(
        r"\w+",
        "html head meta title style body header main footer h1 h2 h3 p div span b ul li code pre "
        "table thead tbody tr th td details summary figure figcaption svg polyline polygon rect "
        "circle path text",
    )
)


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a forest finds is tested where importance is."""
    monkeypatch.setattr("src.reporting.analysis.importance.TREES", 4)


class Page(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return make_run(tmp_path_factory.mktemp("logs"), trials=20, epochs=4)


@pytest.fixture
def run(made: RunDirectory, tmp_path: Path) -> RunDirectory:
    return RunDirectory(Path(shutil.copytree(made.path, tmp_path / "run")))


def test_it_writes_one_page_prints_the_same_leaderboard_and_never_imports_tensorflow(
    run: RunDirectory,
) -> None:
    code = (
        "import sys; from src import report; from src.reporting.analysis import importance;"
        "importance.TREES = 4; status = report.main(sys.argv[1:]);"
        "heavy = {'tensorflow', 'keras', 'keras_tuner', 'matplotlib'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else status)"
    )
    command = [sys.executable, "-c", code, str(run.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    printed, page = done.stdout, Page(run.report.read_text())
    trials = pd.read_csv(run.trials_table, dtype={"trial_id": str})
    best = trials.iloc[int(trials["score"].fillna(0).argmax())]
    for shown in (best["trial_id"], f"{best['score']:.5g}", "learning_rate mattered most"):
        assert shown in printed
        assert shown.split(" mattered")[0] in page.text
    assert "--config" in printed
    assert str(run.report) in printed.replace("\n", "")
    for heading in ("Best trials", "Learning curves", "The winner", "Time and failures"):
        assert heading in page.text
    assert "test rows (100)" in page.text  # which split is shown
    (line,) = (line for line in printed.splitlines() if line.startswith("dumb guess"))
    assert line.split()[2] == "0.125"
    behind = 0.125 - best["score"]
    assert float(line.split()[3].replace("−", "-")) == pytest.approx(behind, abs=0.01)
    text = " ".join(page.text.split())
    assert "validation test test, 95 % dumb guess accuracy 0.9 0.9 0.873 … 0.909 0.125" in text


def replace_in_state(run: RunDirectory, old: str, new: str) -> None:
    """Replaces a text in every value of the state."""
    columns = ("state.value", "trials.spec", "trials.result", "trials.history")
    with closing(sqlite3.connect(run.database)) as connection, connection:
        for table, column in (name.split(".") for name in columns):
            connection.execute(f"UPDATE {table} SET {column}=replace({column}, ?, ?)", (old, new))


@pytest.mark.parametrize("state", ["strange", "none"])
def test_every_text_of_a_strangers_run_is_escaped_and_the_page_loads_nothing(
    run: RunDirectory, state: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names of hyperparameters, metrics, classes, reasons and settings, in files that are whole."""
    for old in ("units", "nesterov", "accuracy", "loss became nan in epoch 2", "iris"):
        replace_in_state(run, old, f"{HOSTILE}\\u001b]0;title\\u0007")
    replace_in_state(run, '"worker":"0"', f'"worker":"{HOSTILE}"')
    if state == "none":
        run.database.unlink()
    rows = {"name": HOSTILE, "task": HOSTILE, "rows": {HOSTILE: 3}}
    objective = {"name": HOSTILE, "direction": "max"}
    recorded = {"objective": objective, "data": rows, "versions": {HOSTILE: HOSTILE}}
    run.config.write_text(json.dumps({"data": {"source": HOSTILE}, "recorded": recorded}))
    predictions = pd.read_csv(run.predictions)
    predictions["target"] = predictions["prediction"] = HOSTILE
    predictions.columns = [
        f"probability_{HOSTILE}" if "setosa" in str(c) else str(c) for c in predictions
    ]
    predictions.to_csv(run.predictions, index=False)
    run.metrics.write_text(json.dumps({"validation": {HOSTILE: 1.0}, "test": {HOSTILE: 1.0}}))
    elsewhere = tmp_path / "precious"
    elsewhere.write_text("kept")
    run.report.symlink_to(elsewhere)
    assert report.main([str(run.path)]) == 0
    assert (elsewhere.read_text(), run.report.is_symlink()) == ("kept", False)
    text = run.report.read_text()
    assert "&lt;script&gt;" in text
    page = Page(text)
    assert page.tags <= TAGS, page.tags - TAGS
    assert not page.attributes & {"src", "href", "onload", "onclick", "style"}
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|url\(|@import", text)
    assert not {"\x1b", "\x07"} & set(capsys.readouterr().out + text)
    assert ("is damaged" in text, "0019" in text) == (False, state == "strange")


def test_a_state_that_another_program_has_locked_is_one_message(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("src.store.saved_search.BUSY_SECONDS", 0.1)
    with closing(sqlite3.connect(run.database)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert report.main([str(run.path)]) == 1
    assert capsys.readouterr().err == (
        f"error: {run.database}: cannot be read: another program has locked it for 0.1 s; "
        "try again later\n"
    )


def test_several_runs_are_compared_side_by_side(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_run(tmp_path / "more", trials=12, epochs=4, score=lambda _: 0.5, end="interrupted")
    other.path.rename(tmp_path / "worse")
    assert report.main([str(run.path), str(tmp_path / "worse")]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "run found the best val_accuracy" in printed
    assert str(run.comparison) in printed.replace(" ", "")
    page = Page(run.comparison.read_text())
    assert page.tags <= TAGS
    for text in ("12 of 12", "interrupted", "The same in all:", "initializer=he_normal"):
        assert text in page.text
    assert not run.report.exists()


def test_output_and_plots_go_where_they_should(
    run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "plots"
    arguments = [str(run.path), "--output", str(tmp_path / "r.html"), "--plots", str(folder)]
    assert report.main(arguments) == 0
    assert (tmp_path / "r.html").stat().st_size < 3_000_000
    names = {path.stem for path in folder.iterdir()}
    expected = {"best_by_trial", "curves_objective", "importance", "parallel_coordinates"}
    assert expected | {"confusion", "roc", "precision_recall", "timeline", "slice_01"} <= names
    assert all(path.read_text().startswith("<svg xmlns") for path in folder.iterdir())
    capsys.readouterr()
    for words, status, part in (
        ([str(tmp_path / "no")], 2, f"'{tmp_path / 'no'}' is not a run's"),
        ([str(run.path), "--output", str(tmp_path / "r.html" / "r.html")], 1, "r.html"),
    ):
        assert report.main(words) == status
        written = capsys.readouterr().err
        assert written.startswith("error: ")
        assert part in written
