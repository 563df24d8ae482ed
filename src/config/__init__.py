"""Configuration: presets, YAML files and `key=value` overrides become one validated `Config`.

Nothing is imported until it is used, so that `--help` can list the presets without pydantic or
PyYAML.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from src.config.dump import differing, dump_config, flat
    from src.config.loading import load_config
    from src.config.presets import preset_names
    from src.config.schema import Config

__all__ = ["Config", "differing", "dump_config", "flat", "load_config", "preset_names"]

_MODULES = {
    "Config": "schema",
    "differing": "dump",
    "dump_config": "dump",
    "flat": "dump",
    "load_config": "loading",
    "preset_names": "presets",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
