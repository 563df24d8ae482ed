"""Every mistake gets one message: the key, the value, what is valid, the nearest name."""

import os
from pathlib import Path

import pytest

from src.config import load_config
from src.config.dump import flat
from src.errors import UserError

# An override and what its message must hold.
BAD_OVERRIDES = [
    ("seed=1.5", ["seed: 1.5", "an integer of at least 0"]),
    ("tuner.name=randon", ["tuner.name: 'randon'", "Did you mean 'random'?", "hyperband"]),
    ("pruner.name=medain", ["pruner.name: 'medain'", "Did you mean 'median'?", "halving"]),
    ("tuner.nmae=grid", ["tuner.nmae: unknown key", "Did you mean 'name'?", "Known under tuner"]),
    ("tuner=grid", ["tuner: 'grid'", "a mapping with the keys name, max_trials", "tuner.name"]),
    ("epochs=5", ["unknown key. Did you mean 'training.epochs' or 'limits.epochs'? Known: seed"]),
    ("learning_rate=1", ["learning_rate: unknown key. Did you mean 'space.learning_rate'?"]),
    ("lr=0.1", ["lr: unknown key. If it is a hyperparameter, write space.lr. Known: seed"]),
    ("data.path=3", ["data.path: 3", "a text or null", 'in quotes: "3"']),
    ("data.drop=[id, [3]]", ["data.drop: ", "a list of texts"]),
    ("data.columns.zip=number", ["data.columns.zip: 'number'", "numeric, boolean, categorical"]),
    (
        "tuner.points_to_evaluate=[{}, {units: [1]}]",
        ["tuner.points_to_evaluate.2.units: [1]", "YAML"],
    ),
    ("tuner.points_to_evaluate=a.yaml", ["tuner.points_to_evaluate: 'a.yaml'", "No such file"]),
    ("training.save_every=30s", ["training.save_every: '30s'", "an integer of at least 1"]),
    ("run.name=a/b", ["run.name: 'a/b'", "A-Z a-z 0-9 . _ -"]),
    ("user_space=[units]", ["user_space: unknown key", "Known: seed"]),
    ("space=5", ["space: 5", "hyperparameters by name, or open"]),
    ("space.units=[1, a]", ["space.units: [1, 'a']", "of one type"]),
    ("space.units=[]", ["space.units: []", "an empty list leaves nothing to choose from"]),
    ("space.units=[1, 1.0]", ["space.units: [1, 1.0]", "1.0 is there twice"]),
    ("space.units=", ["space.units: null", "null is not a text, a number"]),
    ("space.units=[1, .nan]", ["space.units: [1, nan]", "finite"]),
    ("space.units.mx=5", ["space.units: {min: 32, max: 256, mx: 5}", "min, max, step, not 'mx'"]),
    ("space.units.max=5", ["space.units: {min: 32, max: 5}", "min must not be above max"]),
    ("space.units.max=1" + "0" * 400, ["space.units: ", "numbers must be finite"]),
    ("objective.name=val_acuracy", ["objective.name: 'val_acuracy'", "'val_accuracy'?", "max"]),
    ("objective.direction=max", ["objective.direction: 'max'", "objective.name: 'auto'"]),
    ("objective={name: val_r2, direction: min}", ["direction: 'min'", "name: 'val_r2'", "'max'"]),
    # Settings of earlier versions.
    ("tuner.initial=[{units: 5}]", ["tuner.initial: is tuner.points_to_evaluate now"]),
    ("tuner.confirm.trials=3", ["tuner.confirm: is tuner.reevaluate now"]),
    ("run.baselines=false", ["run.baselines: has been removed; baselines are always scored"]),
]

BAD_FORMS = [
    *(
        "tuner.name",
        "\ud800=1",
        "=5",
        ".seed=5",
        "tuner..name=grid",
        "seed.=5",
        "",
        "tuner.name=[grid",
    ),
    *("seed=*a", "a: 1=b: c: d", 'seed="\\UFFFFFFFF"', "seed=" + "9" * 5000, "seed=" + "[" * 1000),
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
    keys = ["seed", "space.units", "space.l", "tuner.folds", "run.nam"]
    assert [line.split(":")[0] for line in text.splitlines()] == keys
    text = message(None, "data.source=a", "tuner.name=b", "hypermodel.name=c")
    keys = ["data.source", "hypermodel.name", "tuner.name"]
    assert [line.split(":")[0] for line in text.splitlines()] == keys


def test_every_setting_is_named_in_its_message() -> None:
    keys = [key for key in flat(load_config()) if not key.startswith("space.")]
    assert len(keys) > 50
    for key in keys:
        assert message(None, f"{key}={{a: [1]}}").startswith(key)


@pytest.mark.parametrize("source", ["quik", "quick.yml", "", "a\0.yaml", "a" * 300, "\udcff.yaml"])
def test_a_source_that_is_no_file_gets_the_presets(source: str) -> None:
    text = message(source)
    assert text.startswith("--config: ")
    assert "Presets: bayesian, binary_mlp, default" in text
    assert ("Did you mean 'quick'?" in text) == source.startswith("qui")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"seed: 1\ntuner: [a\n", ["line 3, column 1"]),
        (b"seed: \xff\n", ["is not UTF-8 text"]),
        (b"seed: 1\n\nrun: {name: \x07}\n", ["special characters are not allowed"]),
        (b"seed: 1\ntuner: {}\nseed: 2\n", ["line 3, column 1", "'seed' is there twice"]),
        (b"seed: !!bool x\n", ["a tag that does not fit"]),
        (b"seed: !!timestamp x\n", ["a tag that does not fit"]),
        (b"a: &a [1]\nb: [*a, *a]\n", ["line 2, column 5", "aliases (*) are not used here"]),
        (b"seed: !!python/object:os.system 1\n", ["line 1, column 7", "python/object"]),
        (b'run: {name: "a\\0"}\n', ["line 1, column 13", "a character that no file can"]),
        (b"1: 2\n", ["line 1, column 1", "a key that is not a text"]),
        (b"#" * 1_000_001, ["larger than 1,000,000 bytes"]),
    ],
)
def test_bad_file(tmp_path: Path, content: bytes, parts: list[str]) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    text = message(path)
    assert "\n" not in text
    for part in [f"--config: {path}: ", *parts]:
        assert part in text


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.yaml")
    assert message(tmp_path / "config.yaml").endswith("config.yaml: is not a file")


@pytest.mark.parametrize(
    ("content", "start"),
    [
        ("tuner.name: grid\n", "tuner.name: unknown key. Dotted keys are for the command line"),
        ("tuner:\n  folds: 0\n", "tuner.folds: 0 is not valid. Valid: an integer of at least 1"),
        ("space: {a.b: 1}\n", "space.a.b: 'a.b' is not valid: a hyperparameter's name has no dots"),
        ("<<: {seed: 1}\n", "<<: unknown key"),
        ("objective: {also: [a]}\n", "objective.also: is objective.secondary now"),
    ],
)
def test_bad_key_of_a_file(tmp_path: Path, content: str, start: str) -> None:
    (tmp_path / "config.yaml").write_text(content)
    text = message(tmp_path)
    assert text.startswith(start)
    assert "\n" not in text
