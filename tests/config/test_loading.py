"""Precedence, merging, numbers and where the names of the space come from."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from src.config import Config, dump_config, load_config
from src.errors import UserError


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_without_anything_it_is_the_default_preset() -> None:
    assert load_config() == load_config("default")
    assert load_config().training.epochs == 50


def test_preset_over_default_and_overrides_over_both() -> None:
    assert load_config("quick").tuner.max_trials == 4
    assert load_config("quick").training.epochs == 8
    assert load_config("quick").seed == 42
    assert load_config("quick", ["training.epochs=3"]).training.epochs == 3


def test_file_over_default(tmp_path: Path) -> None:
    path = written(tmp_path, "tuner: {name: grid}\ndata:\n  synthetic: {rows: 50}\n")
    for source in (path, str(path)):
        config = load_config(source)
        assert config.tuner.name == "grid"
        assert config.tuner.factor == 3
        assert config.data.synthetic.rows == 50
        assert config.data.synthetic.features == 10
        assert config.space["layers"] == {"min": 1, "max": 3}


def test_key_given_twice_the_last_wins() -> None:
    assert load_config(None, ["seed=1", "seed=2"]).seed == 2
    config = load_config(None, ["space.units=5", "space.units.max=9", "space.units=[7, 8]"])
    assert config.space["units"] == [7, 8]


def test_value_may_hold_equals_signs() -> None:
    assert load_config(None, ["data.path=a=b.csv"]).data.path == "a=b.csv"


def test_section_as_an_override_merges() -> None:
    config = load_config(None, ["tuner={name: grid, folds: 3}", "space={units: 7}"])
    assert (config.tuner.name, config.tuner.folds, config.tuner.factor) == ("grid", 3, 3)
    assert config.space["units"] == 7
    assert config.space["layers"] == {"min": 1, "max": 3}


def test_a_section_of_comments_changes_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, "tuner:\n  # name: grid\nspace:\ndata: ~\n")
    assert load_config(path) == load_config()


def test_utf_8_with_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes("\ufeffdata: {path: größe.csv}\n".encode())
    assert load_config(path).data.path == "größe.csv"


@pytest.mark.parametrize(
    ("text", "number"),
    [("1e-3", 1e-3), ("1e5", 1e5), ("-2E+4", -2e4), ("1.5e3", 1.5e3), (".5", 0.5), ("1.", 1.0)],
)
def test_floats_as_people_write_them(tmp_path: Path, text: str, number: float) -> None:
    path = written(tmp_path, f"space:\n  x: {text}\n  y: [{text}]\n  z: {{min: {text}}}\n")
    for config in (
        load_config(path),
        load_config(None, [f"space.x={text}", f"space.y=[{text}]", f"space.z.min={text}"]),
    ):
        assert config.space["x"] == number
        assert isinstance(config.space["x"], float)
        assert config.space["y"] == [number]
        assert config.space["z"] == {"min": number}


@pytest.mark.parametrize("text", ["1e", "e5", "1e-", "2024-01-01", "1:30", "0x1F", "010", "1.2.3"])
def test_what_is_no_number_stays_text(text: str) -> None:
    assert load_config(None, [f"space.x={text}"]).space["x"] == text


def test_quoted_number_stays_text() -> None:
    assert load_config(None, ["space.x='1e-3'"]).space["x"] == "1e-3"


def test_integers_are_taken_for_floats_but_not_the_other_way() -> None:
    fraction = load_config(None, ["data.test_fraction=0"]).data.test_fraction
    assert (fraction, type(fraction)) == (0.0, float)


def test_lists_become_tuples() -> None:
    assert load_config(None, ["data.drop=[id, name]"]).data.drop == ("id", "name")


def test_list_of_integers_and_floats_becomes_floats() -> None:
    choices = load_config(None, ["space.x=[1, 0.5]"]).space["x"]
    assert isinstance(choices, list)
    assert [(type(choice), choice) for choice in choices] == [(float, 1.0), (float, 0.5)]


def test_kinds_of_space_values_keep_their_types() -> None:
    config = load_config(None, ["space={a: true, b: 3, c: text, d: [false, true], e: {step: 2}}"])
    names = ("a", "b", "c", "d", "e")
    values = [config.space[name] for name in names]
    assert values == [True, 3, "text", [False, True], {"step": 2}]
    assert config.space["a"] is True


def test_range_override_onto_an_inherited_range_changes_one_key() -> None:
    assert load_config(None, ["space.units.max=512"]).space["units"] == {"min": 32, "max": 512}


@pytest.mark.parametrize("inherited", ["space.units=7", "space.units=[7, 8]", "space.units=open"])
def test_range_override_onto_anything_else_replaces_it(inherited: str) -> None:
    assert load_config(None, [inherited, "space.units.max=9"]).space["units"] == {"max": 9}


def test_whole_range_replaces_the_inherited_one(tmp_path: Path) -> None:
    assert load_config(None, ["space.units={min: 4}"]).space["units"] == {"min": 4}
    path = written(tmp_path, "space: {units: {min: 4}}\n")
    assert load_config(path).space["units"] == {"min": 4}


def test_open_removes_what_was_inherited(tmp_path: Path) -> None:
    for config in (
        load_config(None, ["space.units=open"]),
        load_config(written(tmp_path, "space: {units: open}\n")),
    ):
        assert "units" not in config.space
        assert "layers" in config.space
        assert config.opened_space == {"units"}
    assert load_config(None, ["space.units=open", "space.units=5"]).opened_space == frozenset()


def test_open_clears_the_whole_space(tmp_path: Path) -> None:
    assert load_config(None, ["space=open"]).space == {}
    assert load_config("full").space == {}
    path = written(tmp_path, "space: open\n")
    assert load_config(path, ["space.units=5"]).space == {"units": 5}
    assert load_config("quick", ["space.units=5", "space=open"]).space == {}


def test_full_batch_is_stored_as_0() -> None:
    assert load_config(None, ["space.batch_size=full"]).space["batch_size"] == 0
    assert load_config(None, ["space.batch_size=[16, full]"]).space["batch_size"] == [16, 0]
    assert load_config(None, ["space.activation=full"]).space["activation"] == "full"


def test_names_of_presets_are_inherited() -> None:
    for preset in ("default", "quick", "binary_mlp"):
        config = load_config(preset)
        assert config.inherited_space == config.space.keys()


def test_names_that_a_user_wrote_are_not_inherited(tmp_path: Path) -> None:
    path = written(tmp_path, "space: {units: 5, mine: 1}\n")
    overrides = ["space.dropout.max=0.2", "space={taper: 0.5}", "space.layers=2"]
    config = load_config(path, overrides)
    own = {"units", "mine", "dropout", "taper", "layers"}
    assert config.inherited_space == config.space.keys() - own


def test_a_preset_given_as_a_path_builds_on_default_too() -> None:
    path = Path("src/config/presets/quick.yaml").resolve()
    assert load_config(path).model_dump() == load_config("quick").model_dump()


def test_recorded_is_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path, "recorded: {versions: {keras: 3}, anything: [1, .nan]}\nseed: 7\n")
    assert load_config(path).model_dump() == load_config(None, ["seed=7"]).model_dump()


def test_config_is_frozen() -> None:
    config = load_config()
    with pytest.raises(ValidationError):
        config.seed = 1
    with pytest.raises(ValidationError):
        config.tuner.name = "grid"


def test_loading_twice_shares_nothing() -> None:
    first = load_config()
    load_config(None, ["space.units.max=999"])
    assert load_config() == first


@pytest.mark.parametrize(
    ("overrides", "direction"),
    [
        ([], None),
        (["objective.name=val_accuracy"], "max"),
        (["objective.name=val_loss"], "min"),
        (["objective.name=val_r2"], "max"),
        (["objective.name=val_rmse", "objective.direction=min"], "min"),
        (["objective.name=val_mine", "objective.direction=max"], "max"),
    ],
)
def test_direction(overrides: list[str], direction: str | None) -> None:
    assert load_config(None, overrides).objective.resolved_direction == direction


def test_config_made_in_python_follows_the_same_rules() -> None:
    assert Config(space={"batch_size": "full"}).space == {"batch_size": 0}
    with pytest.raises(ValidationError, match="an empty list leaves nothing"):
        Config(space={"units": []})


def test_columns_may_have_any_name(tmp_path: Path) -> None:
    config = load_config(
        None,
        [
            "data.columns.zip=categorical",
            "data.columns.price.in.euro=numeric",
            'data.columns={"a=b [%]": drop, "1": date}',
        ],
    )
    columns = {"zip": "categorical", "price.in.euro": "numeric", "a=b [%]": "drop", "1": "date"}
    assert config.data.columns == columns
    written = tmp_path / "config.yaml"
    written.write_text(dump_config(config, {}), encoding="utf-8")
    assert load_config(written).data.columns == columns
    again = load_config(written, ["data.columns.zip=drop"])
    assert again.data.columns == {**columns, "zip": "drop"}


def test_a_column_of_no_known_kind_is_named() -> None:
    with pytest.raises(UserError) as raised:
        load_config(None, ["data.columns.zip=number"])
    message = str(raised.value)
    assert message.startswith("data.columns.zip: 'number' is not valid; ")
    assert "numeric, boolean, categorical, date, drop" in message


def test_initial_configurations_are_a_list_a_mapping_or_a_file(tmp_path: Path) -> None:
    config = load_config(None, ["tuner.initial=[{units: 64, batch_size: full}, {}]"])
    assert config.tuner.configurations == ({"units": 64, "batch_size": 0}, {})
    assert load_config(None, ["tuner.initial.units=64"]).tuner.configurations == ({"units": 64},)
    path = tmp_path / "hyperparameters.yaml"
    path.write_text("layers: 2\nlearning_rate: 1.0e-05\nema: false\nbatch_size: full\n")
    config = load_config(None, [f"tuner.initial={path}"])
    expected = {"layers": 2, "learning_rate": 1e-5, "ema": False, "batch_size": 0}
    assert config.tuner.configurations == (expected,)
    text = dump_config(config, {})
    path.unlink()  # the run's own file holds what the file held
    again = tmp_path / "config.yaml"
    again.write_text(text)
    assert "batch_size: full" in text
    assert load_config(again).tuner.configurations == (expected,)


def test_a_file_of_configurations_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    best = tmp_path / "run" / "best"
    best.mkdir(parents=True)
    (best / "hyperparameters.yaml").write_text("units: [1, 2]\n")
    for given, told in (
        (tmp_path / "none.yaml", "cannot be read: No such file"),
        (tmp_path / "run", f"did you mean {best}/hyperparameters.yaml?"),
        (best / "hyperparameters.yaml", "entry 1: units: [1, 2]: one value is needed"),
    ):
        with pytest.raises(UserError, match=r"tuner\.initial") as raised:
            load_config(None, [f"tuner.initial={given}"])
        assert told in str(raised.value)
