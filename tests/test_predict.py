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
from tests.evaluation.runs import colour_table

ROOT = Path(__file__).parents[1]
Captured = pytest.CaptureFixture[str]


def predicted(run: RunDirectory, file: Path, *arguments: str) -> pd.DataFrame:
    """What the command writes."""
    output = file.with_name("predicted.csv")
    output.unlink(missing_ok=True)
    assert predict.main([str(run.path), str(file), "--output", str(output), *arguments]) == 0
    return pd.read_csv(output, dtype={"prediction": str})


def test_rows_of_the_training_file_get_what_the_search_has_written_for_them(
    colours: RunDirectory, tmp_path: Path, capsys: Captured
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
    threshold = json.loads(colours.metrics.read_text())["threshold"]["value"]
    labels = np.where(table["probability_yes"] >= np.float32(threshold), "yes", "no")
    assert list(table["prediction"]) == list(labels)

    capsys.readouterr()
    frame = pd.read_csv(source, sep=";", dtype=str, keep_default_na=False)
    frame.loc[known.index].to_csv(tmp_path / "test.csv", index=False)  # another separator
    assert list(predicted(colours, tmp_path / "test.csv")) == ["prediction"]
    told = capsys.readouterr().out.split()
    assert told[:6] == ["metrics", "on", "24", "of", "24", "rows"]
    metrics = json.loads(colours.metrics.read_text())["test"]
    shown = dict(zip(told[6::2], map(float, told[7::2]), strict=True))
    assert shown == pytest.approx(metrics, rel=1e-4)


def test_columns_are_found_by_name_and_values_may_be_new_or_missing(
    colours: RunDirectory, tmp_path: Path, capsys: Captured
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
    told = "metrics on 1 of 40 rows; 39 without a target that the model knows\n"
    assert capsys.readouterr().out.startswith(told)
    shuffled.drop(columns=["size", "bought"]).to_csv(tmp_path / "rows.csv", index=False)
    assert predict.main([str(colours.path), str(tmp_path / "rows.csv")]) == 2
    told = capsys.readouterr().err
    assert "lacks 2 of the 3 columns that the model takes: size, bought. It has: colour" in told


def test_pieces_are_predicted_as_the_whole_and_parquet_as_csv(
    colours: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.concat([colour_table(1500, seed=seed) for seed in (6, 7)])
    frame.to_csv(tmp_path / "rows.csv", index=False)
    columns = read_columns(colours.columns).columns
    model = keras.models.load_model(colours.model)
    whole = model.predict_on_batch(raw_inputs(frame, columns))[:, 0]
    monkeypatch.setattr("src.data.tables.text_files.CHUNK_CELLS", 1)  # at least 1,000 rows
    monkeypatch.setattr("src.evaluation.outputs.BATCH_ROWS", 300)
    found = predicted(colours, tmp_path / "rows.csv", "--proba")
    np.testing.assert_allclose(found["probability_yes"], whole, atol=1e-6)
    pytest.importorskip("pyarrow", reason="Parquet needs the package pyarrow")
    typed = frame.assign(size=pd.to_numeric(frame["size"]), bought=pd.to_datetime(frame["bought"]))
    typed.to_parquet(tmp_path / "rows.parquet")
    again = predicted(colours, tmp_path / "rows.parquet", "--proba")
    pd.testing.assert_frame_equal(again, found)


def test_a_file_without_names_is_read_as_that_of_the_run(
    headless: RunDirectory, tmp_path: Path, capsys: Captured
) -> None:
    source, rows = headless.path.parent / "headless.csv", tmp_path / "rows.csv"
    table = predicted(headless, source)
    known = pd.read_csv(headless.predictions).set_index("row")
    found = table.loc[known.index, "prediction"].astype(float)
    np.testing.assert_allclose(found, known["prediction"], rtol=1e-5)
    assert known["prediction"].mean() > 300  # in the target's units

    frame = pd.read_csv(source, header=None)
    frame[[0, 2]].head(1).to_csv(rows, header=False, index=False)
    alone = predicted(headless, rows)
    assert float(alone["prediction"][0]) == pytest.approx(float(table["prediction"][0]), rel=1e-5)
    frame[[0]].to_csv(rows, header=False, index=False)
    capsys.readouterr()
    for arguments, told in (
        ([str(rows)], "has 1 columns. The model was trained on a file"),
        ([str(source), "--proba"], "--proba: is for classes"),
    ):
        assert predict.main([str(headless.path), *arguments]) == 2
        assert told in capsys.readouterr().err
    rows.write_text("a,b\n1,2\n")
    assert predict.main([str(headless.path), str(rows)]) == 0
    written = capsys.readouterr()
    assert "though it looks like a header" in written.err
    assert written.out.splitlines()[0] == "prediction"
    assert len(written.out.splitlines()) == 3


def test_arrays_are_predicted_with_their_labels(
    images: RunDirectory, tmp_path: Path, capsys: Captured
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
    pd.testing.assert_frame_equal(predicted(images, tmp_path / "rows.csv", "--proba"), table)
    frame = frame.astype(object)
    frame.loc[7, "pixel_1_0"] = "?"
    frame.to_csv(tmp_path / "rows.csv", index=False)
    assert predict.main([str(images.path), str(tmp_path / "rows.csv")]) == 2
    assert "row 8 has no finite number in 'pixel_1_0'" in capsys.readouterr().err


def test_mistakes_are_told_before_tensorflow_is_imported(
    colours: RunDirectory, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> Any:
        raise AssertionError("TensorFlow is not needed for this")

    monkeypatch.setattr("src.evaluation.prediction.model.import_keras", refuse)
    source = str(colours.path.parent / "colours.csv")
    (tmp_path / "taken.csv").write_text("mine")
    np.savez(tmp_path / "rows.npz", x=np.zeros((2, 3)))
    for arguments, words in (
        ([str(tmp_path), source], ["is not a run's folder"]),
        ([str(colours.path), str(tmp_path / "no.csv")], ["FILE:", "no.csv", "No such file"]),
        ([str(colours.path), source, "--output", str(tmp_path / "taken.csv")], ["--output"]),
        ([str(colours.path), str(tmp_path / "rows.npz")], ["columns by name: size, bought"]),
    ):
        assert predict.main(arguments) == 2
        told = capsys.readouterr().err
        assert told.startswith("error: ")
        for word in words:
            assert word in told
    assert (tmp_path / "taken.csv").read_text() == "mine"


def test_the_commands_import_what_they_need_and_help_needs_nothing(colours: RunDirectory) -> None:
    script = (
        "import sys; from src import predict, retrain\n"
        "def loaded(*names): return set(names) & {n.partition('.')[0] for n in sys.modules}\n"
        "for command in (predict, retrain):\n"
        "    try: command.main(['--help'])\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "assert not loaded('tensorflow', 'keras', 'numpy', 'pandas', 'pydantic')\n"
        "from src.evaluation import outputs, metrics\n"
        "from src.evaluation.prediction import model, output, rows\n"
        "print(rows.open_rows.__name__, model.find_model(sys.argv[1]).task)\n"
        "assert not loaded('tensorflow', 'keras', 'keras_tuner', 'pydantic', 'sklearn')\n"
        "assert retrain.main([sys.argv[2]]) == retrain.main(['--ensemble']) == 2\n"
        "assert not loaded('tensorflow', 'keras')\n"
    )
    command = [sys.executable, "-c", script, str(colours.path), str(ROOT / "src")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for word in ("RUN", "--output", "--proba", "Parquet", "--trial", "--seeds", "130", "binary"):
        assert word in done.stdout
    assert f"'{ROOT / 'src'}' is not a run's folder" in done.stderr
    assert "--seeds: 1 is too few; valid: at least 2 with --ensemble" in done.stderr
