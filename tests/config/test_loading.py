"""Precedence, merging, numbers and where the names of the space come from."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from hypermodels import HYPERMODELS
from src.config import Config, load_config
from src.config.dump import dump_config
from src.errors import UserError
from src.registry import EXECUTORS


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_preset_over_default_and_overrides_over_both() -> None:
    assert load_config() == load_config("default")
    quick = load_config("quick")
    assert (quick.tuner.max_trials, quick.training.epochs, quick.seed) == (4, 8, 42)
    changed = load_config("quick", ["training.epochs=3", "seed=1", "seed=2"])
    assert (changed.training.epochs, changed.seed) == (3, 2)
    assert load_config("full").space == {}


def test_file_over_default(tmp_path: Path) -> None:
    path = written(tmp_path, "tuner: {name: grid}\ndata:\n  test_fraction: 0.5\nrecorded: {a: 1}\n")
    for source in (path, str(path), tmp_path):
        config = load_config(source)
        assert (config.tuner.name, config.tuner.factor) == ("grid", 3)
        assert (config.data.test_fraction, config.data.validation_fraction) == (0.5, 0.2)
        assert config.space["layers"] == {"min": 1, "max": 3}
    path = written(tmp_path, "tuner:\n  # name: grid\nspace:\ndata: ~\n")
    assert load_config(path) == load_config()  # sections of comments alone
    path.write_bytes("\ufeffdata: {path: größe.csv}\n".encode())
    assert load_config(path).data.path == "größe.csv"


def test_section_as_an_override_merges() -> None:
    config = load_config(None, ["tuner={name: grid, folds: 3}", "space={units: 7}"])
    assert (config.tuner.name, config.tuner.folds, config.tuner.factor) == ("grid", 3, 3)
    assert (config.space["units"], config.space["layers"]) == (7, {"min": 1, "max": 3})
    assert load_config(None, ["data.path=a=b.csv"]).data.path == "a=b.csv"


@pytest.mark.parametrize("text", ["1e-3", "1e5", "-2E+4", "1.5e3", ".5", "1."])
def test_floats_as_people_write_them(tmp_path: Path, text: str) -> None:
    number = float(text)
    path = written(tmp_path, f"space:\n  x: {text}\n  y: [{text}]\n  z: {{min: {text}}}\n")
    for config in (
        load_config(path),
        load_config(None, [f"space.x={text}", f"space.y=[{text}]", f"space.z.min={text}"]),
    ):
        assert [config.space[name] for name in "xyz"] == [number, [number], {"min": number}]
        assert isinstance(config.space["x"], float)


@pytest.mark.parametrize("text", ["1e", "e5", "2024-01-01", "1:30", "0x1F", "010", "1.2.3", "'1'"])
def test_what_is_no_number_stays_text(text: str) -> None:
    assert load_config(None, [f"space.x={text}"]).space["x"] == text.strip("'")


def test_values_get_the_types_of_the_schema() -> None:
    fraction = load_config(None, ["data.test_fraction=0"]).data.test_fraction
    assert (fraction, type(fraction)) == (0.0, float)
    assert load_config(None, ["data.drop=[id, name]"]).data.drop == ("id", "name")
    config = load_config(None, ["space={a: true, b: 3, c: text, d: [false, true], e: {step: 2}}"])
    values = [config.space[name] for name in "abcde"]
    assert repr(values) == "[True, 3, 'text', [False, True], {'step': 2}]"
    assert repr(load_config(None, ["space.x=[1, 0.5]"]).space["x"]) == "[1.0, 0.5]"
    assert load_config(None, ["space.batch_size=[16, full]"]).space["batch_size"] == [16, 0]
    assert load_config(None, ["space.activation=full"]).space["activation"] == "full"


@pytest.mark.parametrize(
    ("overrides", "units"),
    [
        (["space.units.max=512"], {"min": 32, "max": 512}),
        (["space.units=7", "space.units.max=9"], {"max": 9}),
        (["space.units=[7, 8]", "space.units.max=9"], {"max": 9}),
        (["space.units=open", "space.units.max=9"], {"max": 9}),
        (["space.units={min: 4}"], {"min": 4}),
        (["space.units.max=9", "space.units=[7, 8]"], [7, 8]),
    ],
)
def test_an_override_below_a_range_changes_one_key(overrides: list[str], units: object) -> None:
    assert load_config(None, overrides).space["units"] == units


def test_open_removes_what_was_inherited(tmp_path: Path) -> None:
    for config in (
        load_config(None, ["space.units=open"]),
        load_config(written(tmp_path, "space: {units: open}\n")),
    ):
        assert "units" not in config.space
        assert "layers" in config.space
        assert config.user_space == {"units"}
    path = written(tmp_path, "space: open\n")
    assert load_config(path, ["space.units=5"]).space == {"units": 5}
    assert load_config("quick", ["space.units=5", "space=open"]).space == {}


def test_names_that_a_user_wrote_are_not_inherited(tmp_path: Path) -> None:
    path = written(tmp_path, "space: {units: 5, mine: 1, taper: {min: 0.6}}\n")
    config = load_config(path, ["space.dropout.max=0.2", "space={ema: true}", "space.layers=2"])
    own = {"units", "mine", "taper", "dropout", "ema", "layers"}
    assert config.user_space == own
    assert config.space["taper"] == {"min": 0.6}
    quick = Path("src/config/presets/quick.yaml").resolve()
    assert load_config(quick).model_dump() == load_config("quick").model_dump()


def test_config_is_validated_once_and_frozen() -> None:
    config = load_config()
    with pytest.raises(ValidationError):
        config.tuner.name = "grid"
    load_config(None, ["space.units.max=999"])
    assert load_config() == config
    assert Config(space={"batch_size": "full"}).space == {"batch_size": 0}
    with pytest.raises(ValidationError, match="an empty list leaves nothing"):
        Config(space={"units": []})


def test_columns_may_have_any_name(tmp_path: Path) -> None:
    overrides = ["data.columns.zip=categorical", "data.columns.price.in.euro=numeric"]
    config = load_config(None, [*overrides, 'data.columns={"a=b [%]": drop, "1": date}'])
    columns = {"zip": "categorical", "price.in.euro": "numeric", "a=b [%]": "drop", "1": "date"}
    assert config.data.columns == columns
    path = tmp_path / "config.yaml"
    path.write_text(dump_config(config, {}), encoding="utf-8")
    assert load_config(path, ["data.columns.zip=drop"]).data.columns == {**columns, "zip": "drop"}


def test_points_are_a_list_a_mapping_or_a_file(tmp_path: Path) -> None:
    config = load_config(None, ["tuner.points_to_evaluate=[{units: 64, batch_size: full}, {}]"])
    assert config.tuner.points_to_evaluate == ({"units": 64, "batch_size": 0}, {})
    config = load_config(None, ["tuner.points_to_evaluate.units=64"])
    assert config.tuner.points_to_evaluate == ({"units": 64},)
    path = tmp_path / "best" / "hyperparameters.yaml"
    path.parent.mkdir()
    path.write_text("layers: 2\nlearning_rate: 1.0e-05\nema: false\nbatch_size: full\n")
    expected = ({"layers": 2, "learning_rate": 1e-5, "ema": False, "batch_size": 0},)
    for given in (path, tmp_path):  # the run's own file then holds what the file holds
        config = load_config(None, [f"tuner.points_to_evaluate={given}"])
        assert config.tuner.points_to_evaluate == expected
        assert "batch_size: full" in dump_config(config, {})


def test_auto_takes_an_executor_by_its_place_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    def settled(*overrides: str) -> tuple[str, bool]:
        config = load_config(None, overrides)
        return config.executor, config.worker_count > 1

    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert settled() == settled("run.workers=2") == ("process", True)
    assert settled("run.workers=1") == settled("run.engine=serial") == ("serial", False)
    assert settled("run.engine=process", "run.workers=1") == ("process", False)
    monkeypatch.setitem(HYPERMODELS, "mine", "__main__:Mine")
    assert settled("hypermodel.name=mine") == ("serial", False)
    with pytest.raises(UserError, match=r"workers cannot import '__main__:Mine' .*engine=serial"):
        settled("hypermodel.name=mine", "run.workers=2")
    monkeypatch.setitem(EXECUTORS, "mine", "mine:Mine")
    assert settled() == ("process", True)
    assert settled("run.engine=mine") == ("mine", True)
    monkeypatch.delitem(EXECUTORS, "process")
    assert settled() == ("mine", True)
    monkeypatch.delitem(EXECUTORS, "mine")
    assert settled() == ("serial", False)
    with pytest.raises(UserError, match=r"^run.workers: 2 .*'serial'.* time; leave run.workers"):
        settled("run.workers=2")
    with pytest.raises(UserError, match=r"^run.engine: 'process' is not known. Known: auto, seri"):
        settled("run.engine=process")
