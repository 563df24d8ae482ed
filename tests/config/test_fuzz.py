"""Whatever is thrown at the loader, nothing but a `UserError` comes out."""

import contextlib
import os
import string
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from src.config import Config, flat, load_config
from src.errors import UserError

CASES = int(os.environ.get("FUZZ_CASES", "100"))  # of each test; more of them take longer
SETTINGS = settings(max_examples=CASES, deadline=None)

numbers = st.integers() | st.floats() | st.just(10**400)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=8) | st.dates()
keys = (
    st.sampled_from(
        [*Config.model_fields, "recorded", "name", "folds", "units", "min", "max", "step", "open"]
    )
    | st.text(max_size=5)
    | st.integers()
)
trees = st.recursive(
    scalars | st.sampled_from(["open", "full", "auto", "random"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=15,
)
sections = st.dictionaries(st.sampled_from(sorted(Config.model_fields)) | keys, trees, max_size=6)
paths = st.lists(keys.map(str), min_size=1, max_size=4).map(".".join)
yaml_noise = st.text(string.ascii_lowercase[:4] + "0:-?[]{},&*!|>'\"%@`#\\ \t\n~=<.eExuU\0\ud800")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "config.yaml"


def load(source: Path | str | None, *overrides: str) -> None:
    with contextlib.suppress(UserError):
        config = load_config(source, overrides)
        assert isinstance(config, Config)


@SETTINGS
@given(sections)
def test_random_mappings(file: Path, tree: dict[Any, Any]) -> None:
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    load(file)


@SETTINGS
@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbf")
@example(b"\xff\xfes\x00")
@example(b"%YAML 9.9\n---\na: 1")
@example(b"%TAG ! !\n---\n!x a: 1")
@example(b"[" * 10_000)
@example(b"- " * 10_000)
@example(b"? " * 10_000)
@example(b"a: !<x> &y |9\n")
def test_random_bytes(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    load(file)


@SETTINGS
@given(yaml_noise)
def test_noise_that_looks_like_yaml(file: Path, text: str) -> None:
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    load(file)
    load(None, "seed=" + text)


@SETTINGS
@given(st.lists(st.tuples(paths, trees), max_size=4))
def test_random_overrides(pairs: list[tuple[str, Any]]) -> None:
    load(
        None,
        *(
            f"{path}={yaml.safe_dump(tree, default_flow_style=True, width=10**6)}"
            for path, tree in pairs
        ),
    )


@SETTINGS
@given(st.text(max_size=30) | st.text("./\\\0a", max_size=300))
def test_random_sources_and_arguments(text: str) -> None:
    load(text)
    load(None, text)


KEYS = [key for key in flat(load_config()) if not key.startswith("space.")]
VALID = ["seed=3", "training.epochs=7", "tuner.max_trials=9", "data.source=wine", "run.keep_top=2"]
broken_values = st.sampled_from(
    [
        "",
        "{}",
        "{a: 1}",
        "[1, 2]",
        "-1",
        "0",
        "1.5",
        "1e999",
        ".nan",
        "true",
        "nonsense",
        "2031-01-01",
    ]
) | st.text(string.printable, max_size=12)


@SETTINGS
@given(
    st.sampled_from(KEYS), broken_values, st.lists(st.sampled_from(VALID), max_size=3, unique=True)
)
def test_a_message_names_the_key_that_is_broken(key: str, value: str, others: list[str]) -> None:
    overrides = [*(other for other in others if not other.startswith(key)), f"{key}={value}"]
    try:
        load_config(None, overrides)
    except UserError as error:
        message = str(error)
        assert key in message or key.rpartition(".")[0] in message, message
        assert len(message) < 3000
