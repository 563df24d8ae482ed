"""A configuration that was written loads again as it was."""

import shlex
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.config import Config, load_config
from src.config.dump import differing, dump_config
from src.config.yaml_text import read_yaml, write_yaml


@pytest.mark.parametrize(
    ("source", "overrides"),
    [
        ("full", []),
        ("binary_mlp", []),
        ("default", ["space.units=open", "space.layers.max=9", "space.mine=[1e-3, 1e-05]"]),
        ("default", ["space=open", "space.units.max=512", "space.batch_size=[16, full]"]),
        ("default", ["space.batch_size=full", "space.nothing=open", "space.rate=1e-20"]),
        ("default", ["space.text='1e-3'", "space.date='2024-01-01'", "space.yes=['yes', '', '~']"]),
        ("default", ["data.drop=[a, 'on', 'größe', \"line\\nbreak\"]", "data.path='~'"]),
        ("default", ["data.validation_fraction=0.30000000000000004", f"seed={10**30}"]),
        ("default", ["objective.name=val_mine", "objective.direction=max", "run.name=a.b"]),
        ("default", ["data.missing=[-999, -1.5, unknown]", "data.separator=^"]),
        ("default", ["tuner.points_to_evaluate=[{units: 64, batch_size: full}, {}]"]),
    ],
)
def test_a_run_keeps_its_configuration(tmp_path: Path, source: str, overrides: list[str]) -> None:
    config, path = load_config(source, overrides), tmp_path / "config.yaml"
    path.write_text(dump_config(config, {"versions": {"keras": "3.11"}}, path), encoding="utf-8")
    loaded = load_config(path)
    assert loaded == config
    assert loaded.user_space == config.user_space


def test_first_line_is_the_command_that_repeats_the_run() -> None:
    first = dump_config(load_config(), {}, "logs/a run/config.yaml").splitlines()[0]
    assert shlex.split(first)[1:] == shlex.split(
        "python -m src.tune --config 'logs/a run/config.yaml'"
    )
    named = dump_config(load_config(None, ["run.name=mine"]), {}, "logs/mine/config.yaml")
    assert named.startswith("# python -m src.tune --config logs/mine/config.yaml run.name=auto\n")
    assert read_yaml(dump_config(load_config(), {}, "a\nseed: 5"))["seed"] == 42


def test_keys_are_in_the_order_of_the_schema() -> None:
    text = dump_config(load_config(None, ["space.batch_size=[16, full]"]), {"python": "3.11"})
    assert "  batch_size: [16, full]\n" in text
    values = read_yaml(text)
    schema = [name for name in Config.model_fields if not name.endswith("_space")]
    assert list(values) == [*schema, "recorded"]
    assert list(values["tuner"]) == list(type(Config().tuner).model_fields)
    assert values["recorded"]["python"] == "3.11"


def test_differing() -> None:
    assert differing(load_config()) == {}
    assert differing(load_config("quick")) == {
        **{"tuner.max_trials": 4, "training.epochs": 8, "space.early_stopping_patience": 4}
    }
    overrides = ["space.units.max=512", "space.layers=open", "space.mine=1", "tuner.folds=9"]
    assert differing(load_config(None, [*overrides, "space.batch_size=full"])) == {
        "tuner.folds": 9,
        "space.layers": "open",
        "space.units": {"min": 32, "max": 512},
        "space.batch_size": "full",
        "space.mine": 1,
    }


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(texts, plain | texts | st.lists(plain | texts, max_size=3), max_size=4))
def test_whatever_is_written_reads_back_the_same(values: dict[str, object]) -> None:
    assert repr(read_yaml(write_yaml(values))) == repr(values)
