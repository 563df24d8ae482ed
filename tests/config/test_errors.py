"""Every mistake gets one message: the key, the value, what is valid, the nearest name."""

from pathlib import Path

import pytest

from src.config import load_config
from src.errors import UserError

# An override and what its message must hold.
BAD_OVERRIDES = [
    ("seed=-1", ["seed: -1", "an integer of at least 0"]),
    ("seed=1.5", ["seed: 1.5", "an integer of at least 0"]),
    ("seed=true", ["seed: true", "an integer of at least 0"]),
    ("seed=010", ["seed: '010'", "an integer of at least 0"]),
    ("seed=.nan", ["seed: nan", "an integer"]),
    ("seed=", ["seed: null", "an integer"]),
    ("seed.x=1", ["seed: {x: 1}", "an integer of at least 0", "override 'seed.x=1'"]),
    ("tuner.max_trials=0", ["tuner.max_trials: 0", "an integer of at least 1, or auto"]),
    ("tuner.max_trials=many", ["tuner.max_trials: 'many'", "an integer of at least 1, or auto"]),
    ("tuner.factor=1", ["tuner.factor: 1", "an integer of at least 2"]),
    ("tuner.name=randon", ["tuner.name: 'randon'", "Did you mean 'random'?", "hyperband"]),
    ("tuner.nmae=grid", ["tuner.nmae: unknown key", "Did you mean 'name'?", "Known under tuner"]),
    ("tuner=grid", ["tuner: 'grid'", "a mapping with the keys name, max_trials", "tuner.name"]),
    ("tuner=", ["tuner: null", "a mapping with the keys"]),
    (
        "epochs=5",
        ["epochs: unknown key. Did you mean 'training.epochs' or 'limits.epochs'? Known: seed"],
    ),
    ("name=x", ["Did you mean 'hypermodel.name' or 'tuner.name' or 'pruner.name' or"]),
    ("lr=0.1", ["lr: unknown key. If it is a hyperparameter, write space.lr. Known: seed"]),
    ("trainig.epochs=5", ["trainig: unknown key", "'training'", "override 'trainig.epochs=5'"]),
    ("training.epochs=ten", ["training.epochs: 'ten'", "an integer of at least 1"]),
    ("training.epochs=1e2", ["training.epochs: 100.0", "an integer of at least 1"]),
    ("hypermodel.name=mpl", ["hypermodel.name: 'mpl'", "Did you mean 'mlp'?"]),
    ("data.source=digit", ["data.source: 'digit'", "Did you mean 'digits'?", "iris"]),
    ("data.task=binry", ["data.task: 'binry'", "one of auto, binary, multiclass, regression"]),
    ("data.path=3", ["data.path: 3", "a text that is not empty, or null", 'in quotes: "3"']),
    ("data.path=''", ["data.path: ''", "a text that is not empty"]),
    ("data.drop=id", ["data.drop: 'id'", "a list, each of it a text"]),
    ("data.drop=[id, 3]", ["data.drop: ['id', 3]", "a list, each of it a text"]),
    ("data.validation_fraction=0", ["data.validation_fraction: 0", "above 0 and below 1"]),
    ("data.validation_fraction=.inf", ["data.validation_fraction: inf", "above 0 and below 1"]),
    ("data.validation_fraction=.nan", ["data.validation_fraction: nan", "above 0 and below 1"]),
    ("data.test_fraction=1", ["data.test_fraction: 1", "of at least 0 and below 1"]),
    ("data.test_fraction=true", ["data.test_fraction: true", "a number"]),
    ("data.test_fraction=0.8", ["data.validation_fraction: 0.2", "data.test_fraction: 0.8"]),
    ("data.synthetic.rows=3", ["data.synthetic.rows: 3", "at least 20"]),
    ("tuner.export=average", ["tuner.export: 'average'", "tuner.folds: 1", "tuner.folds=5"]),
    ("data.synthetic.row=30", ["data.synthetic.row: unknown key", "Did you mean 'rows'?"]),
    ("run.engine=serail", ["run.engine: 'serail'", "serial"]),
    ("run.name=a/b", ["run.name: 'a/b'", "A-Z a-z 0-9 . _ -"]),
    ("run.name=..", ["run.name: '..'", "begin with a letter or digit"]),
    ("run.name=a..b", ["run.name: 'a..b'", "no two dots in a row"]),
    ("run.name=2024", ["run.name: 2024", 'in quotes: "2024"']),
    ("run.name=" + "a" * 101, ["run.name: 'aaaa", "at most 100"]),
    ("inherited_space=[units]", ["inherited_space: unknown key", "Known: seed"]),
    ("recorded.x=1", ["recorded: unknown key", "Known: seed"]),
    ("space=5", ["space: 5", "a mapping from the names of hyperparameters", "open"]),
    ("space.units=[]", ["space.units: []", "an empty list leaves nothing to choose from"]),
    ("space.units=[1, a]", ["space.units: [1, 'a']", "of one type"]),
    ("space.units=[1, true]", ["space.units: [1, true]", "of one type"]),
    ("space.units=[1, 1.0]", ["space.units: [1, 1.0]", "1.0 is there twice"]),
    ("space.units=[[1]]", ["space.units: [[1]]", "[1] cannot be a choice"]),
    ("space.units=", ["space.units: null", "a value pins"]),
    ("space.units=.inf", ["space.units: inf", "finite"]),
    ("space.units=[1, .nan]", ["space.units: [1, nan]", "finite"]),
    ("space.units={}", ["space.units: {}", "min, max, step"]),
    ("space.units.mx=5", ["space.units: {min: 32, max: 256, mx: 5}", "'mx'", "'max'?"]),
    ("space.units.max=5", ["space.units: {min: 32, max: 5}", "min must not be above max"]),
    ("space.units.max=big", ["space.units: {min: 32, max: 'big'}", "max: 'big' is not a number"]),
    ("space.units.max=true", ["space.units: ", "max: true is not a number"]),
    ("space.units.step=0", ["space.units: ", "step must be above 0"]),
    ("space.units.max=1" + "0" * 400, ["space.units: ", "max: numbers must be finite"]),
    ("objective.name=val_acuracy", ["objective.name: 'val_acuracy'", "'val_accuracy'?", "max"]),
    ("objective.direction=max", ["objective.direction: 'max'", "objective.name"]),
    ("objective.direction=up", ["objective.direction: 'up'", "one of auto, min, max"]),
]

BAD_FORMS = [
    "tuner.name",
    "=5",
    ".seed=5",
    "tuner..name=grid",
    "seed.=5",
    "",
    "tuner.name=[grid",
    "seed=&a 1",
    "seed=*a",
    "seed=!!int 1",
    "a: 1=b: c: d",
    'seed="\\UFFFFFFFF"',
    "seed=" + "9" * 5000,
    "seed=" + "[" * 100,
    ".".join("a" * 20) + "=1",
]


def message(source: str | Path | None = None, *overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        load_config(source, overrides)
    text = str(caught.value)
    for jargon in ("pydantic", "http", "Input should", "validation error", "Traceback", "literal["):
        assert jargon not in text
    return text


@pytest.mark.parametrize(("override", "parts"), BAD_OVERRIDES, ids=[o for o, _ in BAD_OVERRIDES])
def test_bad_value(override: str, parts: list[str]) -> None:
    text = message(None, override)
    assert "\n" not in text
    for part in parts:
        assert part in text


@pytest.mark.parametrize("override", BAD_FORMS)
def test_bad_override_shows_the_right_form(override: str) -> None:
    text = message(None, override)
    assert text.startswith(f"override {override!r}"[:30])
    assert "tuner.max_trials=5" in text


def test_several_mistakes_get_a_line_each() -> None:
    text = message(None, "seed=x", "tuner.folds=0", "space.units=[]", "run.nam=a", "space.l.mn=1")
    assert [line.split(":")[0] for line in text.splitlines()] == [
        "seed",
        "space.units",
        "space.l",
        "tuner.folds",
        "run.nam",
    ]


def test_several_unknown_names_get_a_line_each() -> None:
    text = message(None, "data.source=a", "tuner.name=b", "hypermodel.name=c")
    assert [line.split(":")[0] for line in text.splitlines()] == [
        "data.source",
        "hypermodel.name",
        "tuner.name",
    ]


def test_wrong_direction_of_a_known_metric_names_both_keys() -> None:
    text = message(None, "objective.name=val_accuracy", "objective.direction=min")
    assert "objective.direction: 'min'" in text
    assert "objective.name: 'val_accuracy'" in text
    assert "'max' is better" in text


def test_unknown_preset() -> None:
    text = message("quik")
    assert "'quik' is not a preset. Did you mean 'quick'?" in text
    assert "bayesian, binary_mlp, default" in text


def test_preset_written_as_a_file() -> None:
    text = message("quick.yml")
    assert "there is no file 'quick.yml'. Did you mean 'quick'?" in text


@pytest.mark.parametrize("source", ["", "a\0.yaml", "a" * 300, "a" * 300 + ".yaml", "\udcff.yaml"])
def test_impossible_source(source: str) -> None:
    assert "--config" in message(source) or "cannot be read" in message(source)


def test_file_with_the_form_of_a_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").write_text("seed: 1\n")
    monkeypatch.chdir(tmp_path)
    assert "for the file write ./mine" in message("mine")


def test_folder(tmp_path: Path) -> None:
    assert f"{tmp_path}: is a folder" in message(tmp_path)
    (tmp_path / "config.yaml").write_text("seed: 1\n")
    assert f"did you mean {tmp_path / 'config.yaml'}?" in message(tmp_path)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["nothing is not a configuration", "a mapping"]),
        (b"# only a comment\n", ["nothing is not a configuration"]),
        (b"- 1\n- 2\n", ["[1, 2] is not a configuration"]),
        (b"just text", ["'just text' is not a configuration"]),
        (b"seed: 1\ntuner: [a\n", ["line 3, column 1"]),
        (b"seed: 1\n\tdata: 2\n", ["line 2, column 1"]),
        (b"seed: 1\n---\nseed: 2\n", ["line 2, column 1"]),
        (b"seed: \xff\n", ["line 1", "UTF-8"]),
        (b"seed: 1\n\nrun: {name: \x07}\n", ["line 3, column 13"]),
        (b"seed: 1\ntuner: {}\nseed: 2\n", ["line 3", "the key 'seed' is there twice", "line 1"]),
        (b"tuner:\n  name: grid\n  name: random\n", ["line 3", "'name' is there twice"]),
        (b"a: &a [1]\nb: [*a, *a]\n", ["line 1, column 4", "anchors (&) and aliases (*)"]),
        (b"seed: !!python/object:os.system 1\n", ["line 1, column 7", "the tag !!python/object"]),
        (b"1: 2\n", ["line 1, column 1", "the key '1' is not a name"]),
        (b"[a]: 2\n", ["line 1", "a list or mapping"]),
        (b"<<: {seed: 1}\n", ["<<: unknown key"]),
        (b"tuner.name: grid\n", ["tuner.name: unknown key", "nest the keys", "line 1"]),
        (b"seed: x\n", ["seed: 'x' is not valid", "config.yaml, line 1"]),
        (b"\n\ntuner:\n  folds: 0\n", ["tuner.folds: 0 is not valid", "config.yaml, line 4"]),
        (b"space: {a.b: 1}\n", ["space.a.b: 1", "no dots"]),
        (b"recorded: 5\n", ["recorded: 5 is not valid"]),
        (b'"a\\nb": 1\n', ["unknown key"]),
        (b"opened_space: []\n", ["opened_space: unknown key"]),
        (b"run:\n  name: 2024-01-01 10:00\n", ["run.name: '2024-01-01 10:00'"]),
        (b"#" * 1_000_001, ["larger than 1000000 bytes"]),
    ],
)
def test_bad_file(tmp_path: Path, content: bytes, parts: list[str]) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    text = message(path)
    assert str(path) in text
    assert "\n" not in text
    for part in parts:
        assert part in text


def test_alias_bomb_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bomb.yaml"
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    path.write_text("\n".join(lines))
    assert "line 1, column 5: anchors (&) and aliases (*) are not used here" in message(path)


def test_the_last_place_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("training:\n  epochs: 0\n")
    assert "(from override 'training.epochs=-1')" in message(path, "training.epochs=-1")


def test_a_flood_of_mistakes_is_cut_short() -> None:
    lines = message(None, *(f"space.x{number}=" for number in range(60))).splitlines()
    assert len(lines) == 51
    assert lines[-1] == "and 10 mistakes more"
