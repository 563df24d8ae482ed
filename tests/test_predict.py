"""The command: predictions of files of all kinds, mistakes, what it imports."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from src import predict
from src.data.tables.columns import read_columns
from src.data.tables.model_rows import raw_inputs
from src.store.run_directory import RunDirectory
from tests.evaluation.runs import colour_table

ROOT = Path(__file__).parents[1]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


def predicted(run: RunDirectory, file: Path, *arguments: str) -> pd.DataFrame:
    """What the command writes."""
    output = file.with_name("predicted.csv")
    output.unlink(missing_ok=True)
    assert predict.main([str(run.path), str(file), "--output", str(output), *arguments]) == 0
    return pd.read_csv(output, dtype={"prediction": str})


def refused(run: RunDirectory, file: Path, capsys: Captured, *arguments: str) -> str:
    """The message of a mistake."""
    capsys.readouterr()
    assert predict.main([str(run.path), str(file), *arguments]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    return told


def test_rows_of_the_training_file_get_what_the_search_has_written_for_them(
    colours: RunDirectory, file: Path, capsys: Captured
) -> None:
    source = colours.path.parent / "colours.csv"
    table = predicted(colours, source, "--proba")
    known = pd.read_csv(colours.predictions).query("split == 'test'").set_index("row")
    own, scores = table.loc[known.index], json.loads(colours.metrics.read_text())
    assert list(own["prediction"]) == list(known["prediction"])
    assert list(table.columns) == ["prediction", "probability_no", "probability_yes"]
    np.testing.assert_allclose(own["probability_yes"], known["probability_yes"], atol=1e-6)
    threshold = np.float32(scores["threshold"]["value"])
    labels = np.where(table["probability_yes"] >= threshold, "yes", "no")
    assert list(table["prediction"]) == list(labels)

    capsys.readouterr()
    frame = pd.read_csv(source, sep=";", dtype=str, keep_default_na=False)
    frame.loc[known.index].to_csv(file, index=False)  # another separator
    assert list(predicted(colours, file)) == ["prediction"]
    told = capsys.readouterr().out.split()
    assert told[:6] == ["metrics", "on", "24", "of", "24", "rows"]
    shown = dict(zip(told[6::2], map(float, told[7::2]), strict=True))
    assert shown == pytest.approx(scores["test"], rel=1e-4)


def test_columns_are_found_by_name_and_values_may_be_new_or_missing(
    colours: RunDirectory, file: Path, capsys: Captured
) -> None:
    frame = colour_table(40, seed=5)
    frame.to_csv(file, index=False)
    expected = predicted(colours, file, "--proba")
    shuffled = frame[["colour", "size", "bought"]].assign(more="x", answer="maybe")
    shuffled.loc[0, "colour"] = "violet"
    shuffled.loc[1, ["size", "colour"]] = ["?", "NA"]
    shuffled.loc[2, "answer"] = "yes"
    shuffled.to_csv(file, index=False)
    capsys.readouterr()
    found = predicted(colours, file, "--proba")
    pd.testing.assert_frame_equal(found[2:], expected[2:])
    assert np.isfinite(found["probability_yes"]).all()
    told = "metrics on 1 of 40 rows; 39 without a target that the model knows\n"
    assert capsys.readouterr().out.startswith(told)
    shuffled[["colour", "answer"]].to_csv(file, index=False)
    told = "lacks 2 of the 3 columns that the model takes: size, bought. It has: colour"
    assert told in refused(colours, file, capsys)


def test_pieces_are_predicted_as_the_whole_and_parquet_as_csv(
    colours: RunDirectory, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.concat([colour_table(1500, seed=seed) for seed in (6, 7)])
    frame.to_csv(file, index=False)
    inputs = raw_inputs(frame, read_columns(colours.columns).columns)
    whole = keras.models.load_model(colours.model).predict_on_batch(inputs)[:, 0]
    monkeypatch.setattr("src.data.tables.database.CHUNK_CELLS", 1)  # 2,048 rows
    monkeypatch.setattr("src.evaluation.outputs.BATCH_ROWS", 300)
    found = predicted(colours, file, "--proba")
    np.testing.assert_allclose(found["probability_yes"], whole, atol=1e-6)
    pytest.importorskip("pyarrow", reason="Parquet needs the package pyarrow")
    typed = frame.assign(size=pd.to_numeric(frame["size"]), bought=pd.to_datetime(frame["bought"]))
    typed.to_parquet(file)
    pd.testing.assert_frame_equal(predicted(colours, file, "--proba"), found)


def test_a_file_without_names_is_read_as_that_of_the_run(
    headless: RunDirectory, file: Path, capsys: Captured
) -> None:
    source = headless.path.parent / "headless.csv"
    known = pd.read_csv(headless.predictions).set_index("row")
    found = predicted(headless, source).loc[known.index, "prediction"].astype(float)
    np.testing.assert_allclose(found, known["prediction"], rtol=1e-5)
    assert known["prediction"].mean() > 300  # in the target's units

    frame = pd.read_csv(source, header=None).loc[known.index[:3]]
    frame[[0, 2]].to_csv(file, header=False, index=False)
    without = predicted(headless, file)["prediction"].astype(float)
    np.testing.assert_allclose(without, found[:3], rtol=1e-5)
    frame[[0]].to_csv(file, header=False, index=False)
    told = "has 1 columns. The model was trained on a file without a header and with 3 columns"
    assert told in refused(headless, file, capsys)
    assert "--proba: is for classes" in refused(headless, source, capsys, "--proba")
    file.write_text("a,b\n1,2\n")
    assert predict.main([str(headless.path), str(file)]) == 0
    written = capsys.readouterr()
    assert "though it looks like a header" in written.err
    assert written.out.startswith("prediction\n")
    assert len(written.out.splitlines()) == 3


def test_arrays_are_predicted_with_their_labels(
    images: RunDirectory, file: Path, capsys: Captured
) -> None:
    known = pd.read_csv(images.predictions).set_index("row")
    with np.load(images.path.parent / "images.npz") as arrays:
        x, y = arrays["x_train"][known.index], arrays["y_train"][known.index]
    npz = file.with_name("rows.npz")
    np.savez(npz, x=x, y=y.astype(float))
    table = predicted(images, npz, "--proba")
    assert list(table["prediction"]) == list(known["prediction"].astype(str))
    columns = ["probability_3", "probability_5", "probability_9"]
    np.testing.assert_allclose(table[columns], known[columns], atol=1e-6)
    right = float(np.mean(known["prediction"] == known["target"]))
    assert f"accuracy           {right:.5g}\n" in capsys.readouterr().out

    names = [f"pixel_{row}_{column}" for row in range(2) for column in range(3)]
    frame = pd.DataFrame(x.reshape(-1, 6), columns=names)[names[::-1]]
    frame.to_csv(file, index=False)
    pd.testing.assert_frame_equal(predicted(images, file, "--proba"), table)
    frame = frame.astype(object)
    frame.loc[7, "pixel_1_0"] = "?"
    frame.to_csv(file, index=False)
    assert "row 8 has no finite number in 'pixel_1_0'" in refused(images, file, capsys)


def test_mistakes_are_told_before_tensorflow_is_imported(
    colours: RunDirectory, file: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.evaluation.prediction.import_keras", None)
    source, npz = colours.path.parent / "colours.csv", file.with_name("rows.npz")
    file.write_text("mine")
    np.savez(npz, x=np.zeros((2, 3)))
    assert "is not a run's folder" in refused(RunDirectory(file.parent), source, capsys)
    assert "no.csv: there is no such file" in refused(colours, Path("no.csv"), capsys)
    assert "columns by name: size, bought" in refused(colours, npz, capsys)
    assert "rows.csv' exists" in refused(colours, source, capsys, "--output", str(file))
    assert file.read_text() == "mine"


def test_the_commands_import_what_they_need_and_help_needs_nothing(colours: RunDirectory) -> None:
    script = (
        "import sys; from src import predict, retrain\n"
        "def loaded(*names): return set(names) & {n.partition('.')[0] for n in sys.modules}\n"
        "for command in (predict, retrain):\n"
        "    try: command.main(['--help'])\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "assert not loaded('tensorflow', 'keras', 'numpy', 'pandas', 'pydantic')\n"
        "from src.evaluation import metrics\n"
        "from src.data.sources import rows_to_predict\n"
        "from src.evaluation import prediction\n"
        "print(prediction.find_model(sys.argv[1]).task)\n"
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
