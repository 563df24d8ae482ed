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

from src.config import Config, load_config
from src.errors import UserError

CASES = int(os.environ.get("FUZZ_CASES", "25"))  # of each test; more of them take longer
SETTINGS = settings(max_examples=CASES, deadline=None)

VALUES = [None, True, -1, 0, 10**400, 1.5, float("nan"), "", "open", "full", "\ud800", "a\nb"]
OTHERS = ["recorded", "name", "folds", "columns", "units", "min", "step", "a.b", 3]
keys = st.sampled_from([*Config.model_fields, *OTHERS])
trees = st.recursive(
    st.sampled_from(VALUES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
noise = st.text(string.ascii_lowercase[:4] + "0:-?[]{},&*!|>'\"%@`#\\ \t\n~=<.eExuU\0\ud800")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "config.yaml"


def load(source: Path | str | None, *overrides: str) -> None:
    with contextlib.suppress(UserError):
        assert isinstance(load_config(source, overrides), Config)


@SETTINGS
@given(st.dictionaries(keys, trees, max_size=4), st.lists(keys, min_size=1, max_size=4), trees)
def test_random_files_and_overrides(file: Path, tree: Any, path: list[Any], value: Any) -> None:
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    written = yaml.safe_dump(value, default_flow_style=True, width=10**6)
    load(file, f"{'.'.join(map(str, path))}={written}")


@SETTINGS
@given(noise)
@example("\ufeff")
@example("%YAML 9.9\n---\na: 1")
@example("%TAG ! !\n---\n!x a: 1")
@example("a: !<x> &y |9\n")
@example("a: !!python/object:os.system 1")
def test_noise_that_looks_like_yaml(file: Path, text: str) -> None:
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    load(file)
    load(None, "seed=" + text)
    load(None, text)
    load(text)
