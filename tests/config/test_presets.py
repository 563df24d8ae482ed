"""The presets: complete, documented, and what they promise."""

import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import keras_tuner as kt
import pytest

from hypermodels import HYPERMODELS
from hypermodels.mlp import MLP
from hypermodels.problem import Problem
from src.config import Config, load_config
from src.config.presets import preset_names, preset_path, setting_comments
from src.config.yaml_text import read_yaml
from src.registry import SOURCES, TUNERS

WORDS = {"minimum": "at least", "exclusiveMinimum": "above", "exclusiveMaximum": "below"}


def content(name: str) -> str:
    return preset_path(name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", preset_names())
def test_preset_opens_with_its_command_and_names_hyperparameters_of_the_model(name: str) -> None:
    command, purpose = content(name).splitlines()[:2]
    assert command == "# python -m src.tune" + ("" if name == "default" else f" --config {name}")
    assert purpose == f"# {preset_names()[name]}"
    assert max(map(len, content(name).splitlines())) <= 100
    hp = kt.HyperParameters()
    for problem in (Problem("binary", 4, 2, 40), Problem("regression", 4, 0, 40)):
        MLP(problem).declare_hyperparameters(hp)
    config = load_config(name)
    assert config.space.keys() <= {found.name for found in hp.space}
    assert config.user_space == frozenset()


def test_default_states_every_setting_with_the_default_of_the_schema() -> None:
    values, schema = read_yaml(content("default")), Config().model_dump()
    schema["data"] |= {"drop": [], "missing": []}  # YAML has no tuples
    schema["objective"]["secondary"] = schema["tuner"]["points_to_evaluate"] = []
    assert values.pop("space")["batch_size"] == [32, 64, 128]
    assert schema.pop("space") == {}
    assert values == schema
    assert list(values) == list(schema)


def test_the_comment_of_every_setting_says_what_is_valid() -> None:
    text = content("default")
    assert {("space", name) for name in load_config().space} <= setting_comments().keys()
    with warnings.catch_warnings(action="ignore"):  # a default tuple is no JSON
        schema = Config.model_json_schema()
    checked = 0
    for path, valid in settings_of(schema["properties"], schema["$defs"]):
        for member in valid.get("anyOf", [valid]):
            words = [f"{word} {member[key]}" for key, word in WORDS.items() if key in member]
            words += [str(value) for value in member.get("enum", [member.get("const", "")])]
            words += [member["type"]] if member.get("type") in ("integer", "null") else []
            for word in words:
                assert word in setting_comments()[path], (path, word)
                checked += 1
    assert checked > 60
    assert ", ".join(sorted(SOURCES)) + ";" in text.replace("\n  # ", " ")
    assert f"  # {', '.join(sorted(TUNERS))} or your own" in text
    assert f"  # {', '.join(sorted(HYPERMODELS))} or your own" in text


def settings_of(
    properties: dict[str, Any], sections: dict[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every setting's path with its part of the JSON schema."""
    for key, valid in properties.items():
        if "$ref" in valid:
            section = sections[valid["$ref"].rpartition("/")[2]]
            yield from settings_of(section["properties"], sections, (*path, key))
        elif not key.endswith("_space"):
            yield (*path, key), valid


def test_grids_search_these_and_nothing_else() -> None:
    for name, searched in {
        "mnist_grid": {"learning_rate": 3, "batch_size": 3, "optimizer": 2},
        "binary_mlp": {"batch_size": 3, "initializer": 2},
    }.items():
        config = load_config(name)
        lists = {n: len(v) for n, v in config.space.items() if isinstance(v, list | dict)}
        assert (config.tuner.name, lists) == ("grid", searched)


def test_listing_presets_imports_neither_pydantic_nor_yaml() -> None:
    code = (
        "import sys; from src.config import presets; assert 'quick' in presets.preset_names(); "
        "import src.config.objectives; print(sorted({'pydantic', 'yaml'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
