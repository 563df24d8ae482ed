"""The presets: complete, documented, and what they promise."""

import subprocess
import sys
from typing import Any

import pytest

from hypermodels import HYPERMODELS
from src.config import Config, load_config, preset_names
from src.config.presets import preset_path
from src.config.yaml_text import read_yaml
from src.registry import SOURCES, TUNERS

HYPERPARAMETERS = {
    "layers", "units", "taper", "activation", "normalization", "dropout", "initializer",
    "regularizer", "l1", "l2", "optimizer", "momentum", "weight_decay", "learning_rate",
    "batch_size", "label_smoothing", "loss_function", "schedule", "schedule_every",
    "schedule_factor", "schedule_rate", "schedule_final", "schedule_boundary", "schedule_value",
    "schedule_cuts", "warmup", "plateau_cooldown", "plateau_min_delta", "early_stopping_start",
    "early_stopping_min_delta", "batch_schedule", "regularization_schedule", "ema",
    "regularizer_scale",
    "plateau", "plateau_factor", "plateau_patience", "plateau_floor", "early_stopping_patience",
}  # fmt: skip


def content(name: str) -> str:
    return preset_path(name).read_text(encoding="utf-8")


def test_there_are_these() -> None:
    assert list(preset_names()) == [
        "bayesian", "binary_mlp", "default", "full", "hyperband", "mnist_grid", "quick",
    ]  # fmt: skip


@pytest.mark.parametrize("name", preset_names())
def test_preset_opens_with_its_command_and_its_purpose(name: str) -> None:
    command, purpose = content(name).splitlines()[:2]
    arguments = "" if name == "default" else f" --config {name}"
    assert command == f"# python -m src.tune{arguments}"
    assert purpose == f"# {preset_names()[name]}"
    assert 20 < len(preset_names()[name]) < 95


@pytest.mark.parametrize("name", preset_names())
def test_preset_loads_and_knows_its_names(name: str) -> None:
    config = load_config(name)
    assert config.space.keys() <= HYPERPARAMETERS
    assert config.data.source in SOURCES
    assert config.hypermodel.name in HYPERMODELS
    assert config.tuner.name in TUNERS


def test_default_states_every_key_with_the_default_of_the_schema() -> None:
    values: dict[str, Any]
    values, _ = read_yaml(content("default"))
    schema = _lists(Config().model_dump())
    values.pop("space")
    schema.pop("space")
    assert values == schema
    assert list(values) == list(schema)


def test_default_comments_on_every_key() -> None:
    commented = 0
    for line in content("default").splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#") or stripped.endswith(":"):
            continue
        assert "  # " in line, line
        commented += 1
    assert commented > 40


def test_default_lists_what_the_registries_hold() -> None:
    text = content("default")
    assert f"  # {', '.join(sorted(SOURCES))}\n" in text
    assert f"  # {', '.join(sorted(TUNERS))} or your own" in text
    assert f"  # {', '.join(sorted(HYPERMODELS))} or your own" in text


def test_lines_fit_the_screen() -> None:
    for name in preset_names():
        assert max(map(len, content(name).splitlines())) <= 100


def test_quick_is_small() -> None:
    config = load_config("quick")
    assert (config.tuner.max_trials, config.training.epochs) == (4, 8)


def test_mnist_grid_searches_18_points_and_nothing_else() -> None:
    config = load_config("mnist_grid")
    searched = {name: value for name, value in config.space.items() if not _pinned(value)}
    assert searched == {
        "learning_rate": [0.001, 0.01, 0.1],
        "batch_size": [32, 64, 128],
        "optimizer": ["sgd", "adam"],
    }
    assert (config.tuner.name, config.tuner.folds, config.training.epochs) == ("grid", 5, 10)
    on_a_file = load_config("mnist_grid", ["data.source=npz", "data.path=FILE"])
    assert on_a_file.data.path == "FILE"


def test_binary_mlp_searches_batch_size_and_initializer_alone() -> None:
    config = load_config("binary_mlp")
    searched = {name: value for name, value in config.space.items() if not _pinned(value)}
    assert searched == {
        "batch_size": [16, 32, 64],
        "initializer": ["glorot_uniform", "he_normal"],
    }
    assert config.space["learning_rate"] == 0.001
    assert config.space["schedule_boundary"] == 0.5
    assert config.space["plateau_floor"] == 0.0001


def test_listing_presets_imports_neither_pydantic_nor_yaml() -> None:
    code = (
        "import sys; from src.config import preset_names; assert 'quick' in preset_names(); "
        "print(sorted({'pydantic', 'yaml'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def _pinned(value: object) -> bool:
    return not isinstance(value, list | dict)


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
