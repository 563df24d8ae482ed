"""The command: predictions of files of all kinds, mistakes, what it imports."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from src import predict
from src.data.tables.columns import raw_inputs, read_columns
from src.store.run_directory import RunDirectory
from tests.evaluation.prediction.runs import array_run, binary_run, colour_table, headless_run

ROOT = Path(__file__).parents[1]
BY_HAND = """
import csv, sys
try:
    import src
except ModuleNotFoundError:
    pass
else:
    sys.exit("the project can be imported here")
import keras, numpy as np
model = keras.models.load_model(sys.argv[1], safe_mode=True)
with open(sys.argv[2], newline="") as file:
    rows = list(csv.DictReader(file, delimiter=";"))
days = np.array([row["bought"] for row in rows], "datetime64[D]").astype(float)
inputs = {
    "size": np.array([float(row["size"] or "nan") for row in rows], "float32")[:, None],
    "bought": (days - float(sys.argv[3])).astype("float32")[:, None],
    "colour": np.array([row["colour"] for row in rows], object)[:, None],
}
np.save(sys.argv[4], model.predict_on_batch(inputs))
"""


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return binary_run(tmp_path_factory.mktemp("colours"))


@pytest.fixture(scope="module")
def headless(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return headless_run(tmp_path_factory.mktemp("headless"))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return array_run(tmp_path_factory.mktemp("images"))


def predicted(run: RunDirectory, file: Path, *arguments: str) -> pd.DataFrame:
    """What the command writes."""
    output = file.with_name("predicted.csv")
    output.unlink(missing_ok=True)
    status = predict.main([str(run.path), str(file), "--output", str(output), *arguments])
    assert status == 0
    return pd.read_csv(output, dtype={"prediction": str})


def test_rows_of_the_training_file_get_what_the_search_has_written_for_them(
    colours: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = colours.path.parent / "colours.csv"
    table = predicted(colours, source, "--proba")
    known = pd.read_csv(colours.predictions).query("split == 'test'").set_index("row")
    assert len(known) == 24
    own = table.loc[known.index]
    assert list(own["prediction"]) == list(known["prediction"])
    columns = ["probability_no", "probability_yes"]
    assert list(table.columns) == ["prediction", *columns]
    np.testing.assert_allclose(own[columns], known[columns], atol=1e-6)
    capsys.readouterr()

    frame = pd.read_csv(source, sep=";", dtype=str, keep_default_na=False)
    frame.loc[known.index].to_csv(tmp_path / "test.csv", index=False)  # another separator
    predicted(colours, tmp_path / "test.csv")
    told = capsys.readouterr().out.split()
    assert told[:6] == ["metrics", "on", "24", "of", "24", "rows"]
    metrics = json.loads(colours.metrics.read_text())["test"]
    shown = dict(zip(told[6::2], told[7::2], strict=True))
    assert {name: float(value) for name, value in shown.items()} == pytest.approx(metrics, rel=1e-4)


def test_labels_follow_the_tuned_threshold(colours: RunDirectory) -> None:
    threshold = json.loads(colours.metrics.read_text())["threshold"]["value"]
    table = predicted(colours, colours.path.parent / "colours.csv", "--proba")
    expected = np.where(table["probability_yes"] >= np.float32(threshold), "yes", "no")
    assert list(table["prediction"]) == list(expected)
    assert len(set(expected)) == 2


def test_columns_are_found_by_name_and_values_may_be_new_or_missing(
    colours: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = colour_table(40, seed=5)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    expected = predicted(colours, tmp_path / "rows.csv", "--proba")
    shuffled = frame[["colour", "size", "bought"]].assign(more="x", answer="maybe")
    shuffled.loc[0, "colour"] = "violet"
    shuffled.loc[1, ["size", "colour"]] = ["?", "NA"]
    shuffled.loc[2, "answer"] = "yes"
    shuffled.to_csv(tmp_path / "rows.csv", index=False)
    capsys.readouterr()
    found = predicted(colours, tmp_path / "rows.csv", "--proba")
    pd.testing.assert_frame_equal(found[2:], expected[2:])
    assert np.isfinite(found["probability_yes"]).all()
    assert capsys.readouterr().out.startswith(
        "metrics on 1 of 40 rows; 39 without a target that the model knows\n"
    )
    shuffled.drop(columns=["size", "bought"]).to_csv(tmp_path / "rows.csv", index=False)
    assert predict.main([str(colours.path), str(tmp_path / "rows.csv")]) == 2
    told = capsys.readouterr().err
    assert "lacks 2 of the 3 columns that the model takes: size, bought. It has: colour" in told


def test_pieces_are_predicted_as_the_whole(
    colours: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.concat([colour_table(1500, seed=seed) for seed in (6, 7)])
    frame.to_csv(tmp_path / "rows.csv", index=False)
    columns = read_columns(colours.columns).columns
    model = keras.models.load_model(colours.model)
    whole = model.predict_on_batch(raw_inputs(frame, columns))[:, 0]
    monkeypatch.setattr("src.data.tables.text_files.CHUNK_CELLS", 1)  # at least 1,000 rows
    monkeypatch.setattr("src.predict.ROWS_AT_ONCE", 300)
    found = predicted(colours, tmp_path / "rows.csv", "--proba")["probability_yes"]
    np.testing.assert_allclose(found, whole, atol=1e-6)


def test_a_file_without_names_is_read_as_that_of_the_run(
    headless: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = headless.path.parent / "headless.csv"
    table = predicted(headless, source)
    known = pd.read_csv(headless.predictions).set_index("row")
    found = table.loc[known.index, "prediction"].astype(float)
    np.testing.assert_allclose(found, known["prediction"], rtol=1e-5)
    assert known["prediction"].mean() > 300  # in the target's units

    frame = pd.read_csv(source, header=None)
    frame[[0, 2]].head(1).to_csv(tmp_path / "rows.csv", header=False, index=False)
    alone = predicted(headless, tmp_path / "rows.csv")
    assert float(alone["prediction"][0]) == pytest.approx(float(table["prediction"][0]), rel=1e-5)
    frame[[0]].to_csv(tmp_path / "rows.csv", header=False, index=False)
    capsys.readouterr()
    assert predict.main([str(headless.path), str(tmp_path / "rows.csv")]) == 2
    assert "has 1 columns. The model was trained on a file" in capsys.readouterr().err
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    assert predict.main([str(headless.path), str(tmp_path / "rows.csv")]) == 0
    told = capsys.readouterr()
    assert "though it looks like a header" in told.err
    assert len(told.out.splitlines()) == 3
    assert predict.main([str(headless.path), str(source), "--proba"]) == 2
    assert "--proba: is for classes" in capsys.readouterr().err


def test_arrays_are_predicted_with_their_labels(
    images: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with np.load(images.path.parent / "images.npz") as arrays:
        x, y = arrays["x_train"], arrays["y_train"]
    known = pd.read_csv(images.predictions).set_index("row")
    np.savez(tmp_path / "rows.npz", x=x[known.index], y=y[known.index].astype(float))
    table = predicted(images, tmp_path / "rows.npz", "--proba")
    assert list(table["prediction"]) == list(known["prediction"].astype(str))
    columns = ["probability_3", "probability_5", "probability_9"]
    np.testing.assert_allclose(table[columns], known[columns], atol=1e-6)
    right = float(np.mean(known["prediction"] == known["target"]))
    assert f"accuracy           {right:.5g}\n" in capsys.readouterr().out

    names = [f"pixel_{row}_{column}" for row in range(2) for column in range(3)]
    frame = pd.DataFrame(x[known.index].reshape(-1, 6), columns=names)[names[::-1]]
    frame.to_csv(tmp_path / "rows.csv", index=False)
    again = predicted(images, tmp_path / "rows.csv", "--proba")
    pd.testing.assert_frame_equal(again, table)
    frame = frame.astype(object)
    frame.loc[7, "pixel_1_0"] = "?"
    frame.to_csv(tmp_path / "rows.csv", index=False)
    assert predict.main([str(images.path), str(tmp_path / "rows.csv")]) == 2
    assert "row 8 has no finite number in 'pixel_1_0'" in capsys.readouterr().err


def test_parquet_is_predicted_as_csv(colours: RunDirectory, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs the package pyarrow")
    frame = colour_table(30, seed=8)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    expected = predicted(colours, tmp_path / "rows.csv", "--proba")
    typed = frame.assign(size=pd.to_numeric(frame["size"]), bought=pd.to_datetime(frame["bought"]))
    typed.to_parquet(tmp_path / "rows.parquet")
    pd.testing.assert_frame_equal(
        predicted(colours, tmp_path / "rows.parquet", "--proba"), expected
    )


def test_predictions_are_those_of_the_model_loaded_by_hand_without_this_project(
    colours: RunDirectory, tmp_path: Path
) -> None:
    source = colours.path.parent / "colours.csv"
    origin = {c.name: c.origin for c in read_columns(colours.columns).columns}["bought"]
    arguments = [str(colours.model), str(source), str(origin), str(tmp_path / "by_hand.npy")]
    subprocess.run([sys.executable, "-c", BY_HAND, *arguments], cwd=tmp_path, check=True)
    table = predicted(colours, source, "--proba")
    by_hand = np.load(tmp_path / "by_hand.npy")[:, 0]
    assert by_hand.std() > 0.01
    np.testing.assert_allclose(table["probability_yes"], by_hand, atol=1e-6)


def test_the_command_writes_to_standard_output_and_imports_what_it_needs(
    colours: RunDirectory, tmp_path: Path
) -> None:
    colour_table(20, seed=9).drop(columns="answer").to_csv(tmp_path / "rows.csv", index=False)
    script = (
        "import sys; from src import predict\n"
        "status = predict.main(sys.argv[1:])\n"
        "needless = {'keras_tuner', 'pydantic', 'sklearn.metrics', 'src.store.snapshot'}\n"
        "assert not needless & set(sys.modules), needless & set(sys.modules)\n"
        "sys.exit(status)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(colours.path), str(tmp_path / "rows.csv")],
        *(), cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "prediction"
    assert len(lines) == 21
    assert set(lines[1:]) <= {"yes", "no"}


def test_help_needs_no_tensorflow() -> None:
    script = (
        "import sys, runpy; sys.argv = ['predict', '--help']\n"
        "try: runpy.run_module('src.predict', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'tensorflow', 'keras', 'pandas', 'sklearn', 'numpy', 'pydantic'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for word in ("RUN", "--output", "--proba", "Parquet", "130"):
        assert word in done.stdout


def test_mistakes_are_told_before_tensorflow_is_imported(
    colours: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def refuse() -> Any:
        raise AssertionError("TensorFlow is not needed for this")

    monkeypatch.setattr("src.evaluation.prediction.loading.import_keras", refuse)
    source = str(colours.path.parent / "colours.csv")
    (tmp_path / "taken.csv").write_text("mine")
    np.savez(tmp_path / "rows.npz", x=np.zeros((2, 3)))
    for arguments, words in (
        ([str(tmp_path), source], ["is not a run's folder"]),
        ([str(colours.path), str(tmp_path / "no.csv")], ["FILE:", "no.csv", "no such file"]),
        ([str(colours.path), source, "--output", str(tmp_path / "taken.csv")], ["--output"]),
        ([str(colours.path), str(tmp_path / "rows.npz")], ["columns by name: size, bought"]),
    ):
        assert predict.main(arguments) == 2
        told = capsys.readouterr().err
        assert told.startswith("error: ")
        for word in words:
            assert word in told
    assert (tmp_path / "taken.csv").read_text() == "mine"
