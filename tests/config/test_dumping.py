"""A configuration that was written loads again as it was."""

import shlex
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.config import Config, differing, dump_config, load_config, preset_names
from src.config.yaml_text import read_yaml, write_yaml


def again(folder: Path, config: Config) -> Config:
    path = folder / "config.yaml"
    path.write_text(dump_config(config, {"versions": {"keras": "3.11"}}, path), encoding="utf-8")
    return load_config(path)


@pytest.mark.parametrize("name", preset_names())
def test_presets_come_back(tmp_path: Path, name: str) -> None:
    assert again(tmp_path, load_config(name)) == load_config(name)


@pytest.mark.parametrize(
    "overrides",
    [
        ["space.units=open", "space.layers.max=9", "space.mine=[1e-3, 1e-05]"],
        ["space=open", "space.batch_size=[16, full]"],
        ["space=open", "space.units.max=512"],
        ["space.batch_size=full", "space.learning_rate=1e-20"],
        ["space.text='1e-3'", "space.date='2024-01-01'", "space.yes=['yes', 'no', '', '~', '010']"],
        ["data.drop=[a, 'on', 'größe', \"line\\nbreak\"]", "data.path='~'", "data.test_fraction=0"],
        ["data.validation_fraction=0.30000000000000004", "seed=123456789012345678901234567890"],
        ["objective.name=val_mine", "objective.direction=max", "run.name=a.b"],
        ["space.nothing=open"],
    ],
)
def test_overrides_come_back_with_what_was_inherited(tmp_path: Path, overrides: list[str]) -> None:
    config = load_config(None, overrides)
    loaded = again(tmp_path, config)
    assert loaded.model_dump() == config.model_dump()
    assert loaded.inherited_space == config.inherited_space
    assert loaded.opened_space == config.opened_space


def test_first_line_is_the_command_that_repeats_the_run() -> None:
    first = dump_config(load_config(), {}, "logs/a run/config.yaml").splitlines()[0]
    assert shlex.split(first, comments=False)[1:] == (
        ["python", "-m", "src.tune", "--config", "logs/a run/config.yaml"]
    )


def test_command_of_a_named_run_takes_another_name() -> None:
    text = dump_config(load_config(None, ["run.name=mine"]), {}, "logs/mine/config.yaml")
    assert text.startswith("# python -m src.tune --config logs/mine/config.yaml run.name=auto\n")


def test_a_path_cannot_break_the_comment() -> None:
    text = dump_config(load_config(), {}, "a\nseed: 5")
    assert read_yaml(text)[0]["seed"] == 42


def test_keys_are_in_the_order_of_the_schema() -> None:
    values, _ = read_yaml(dump_config(load_config(), {"python": "3.11"}))
    schema = [name for name in Config.model_fields if not name.endswith("_space")]
    assert list(values) == [*schema, "recorded"]
    assert list(values["tuner"]) == list(type(Config().tuner).model_fields)
    assert values["recorded"]["python"] == "3.11"


def test_full_batch_is_written_as_full() -> None:
    config = load_config(None, ["space.batch_size=[16, full]"])
    assert "  batch_size: [16, full]\n" in dump_config(config, {})


def test_differing() -> None:
    assert differing(load_config()) == {}
    assert differing(load_config("quick")) == {
        **{"tuner.max_trials": 4, "training.epochs": 8, "space.early_stopping_patience": 4}
    }
    overrides = [
        "space.units.max=512",
        "space.layers=open",
        "space.mine=1",
        "tuner.folds=9",
    ]
    assert differing(load_config(None, [*overrides, "space.batch_size=full"])) == {
        "tuner.folds": 9,
        "space.layers": "open",
        "space.units": {"min": 32, "max": 512},
        "space.batch_size": "full",
        "space.mine": 1,
    }


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        texts, st.recursive(plain | texts, lambda inner: st.lists(inner, max_size=4), max_leaves=6)
    )
)
def test_whatever_is_written_reads_back_the_same(values: dict[str, object]) -> None:
    read, _ = read_yaml(write_yaml(values))
    assert repr(read) == repr(values)
