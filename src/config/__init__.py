"""Configuration: presets, YAML files and `key=value` overrides become one validated `Config`.

Nothing is imported until it is used, so that `--help` can list the presets without pydantic.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from src.config.loading import load_config
    from src.config.schema import Config

__all__ = ["Config", "load_config"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.loading"), name)
