"""The name tables of `src`: a name → `"module:attribute"`, imported when used.

An entry `"module:attribute [package]"` needs a package beside requirements.txt.

To add a data source, tuner, pruner, executor or listener, write one file and add one line here.
Models, callbacks and schedules have their own tables, in `hypermodels/` and `callbacks/`.
"""

import pkgutil
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from src.errors import UserError, nearest

SOURCES: dict[str, str] = {
    "breast_cancer": "src.data.sources.builtin:breast_cancer",
    "csv": "src.data.sources.table:table",
    "diabetes": "src.data.sources.builtin:diabetes",
    "digits": "src.data.sources.builtin:digits",
    "fashion_mnist": "src.data.sources.images:fashion_mnist",
    "iris": "src.data.sources.builtin:iris",
    "mnist": "src.data.sources.images:mnist",
    "npz": "src.data.sources.npz_file:npz",
    "parquet": "src.data.sources.table:table",
    "sql": "src.data.sources.sql:sql",
    "synthetic": "src.data.sources.synthetic:synthetic",
    "table": "src.data.sources.table:table",
    "wine": "src.data.sources.builtin:wine",
}

TUNERS: dict[str, str] = {
    "random": "src.tuners.random_search:RandomOracle",
    "bayesian": "src.tuners.bayesian:BayesianOracle",
    "hyperband": "src.tuners.hyperband:HyperbandOracle",
    "gp": "src.tuners.gp.oracle:GaussianProcessOracle",
    "bohb": "src.tuners.bohb.oracle:BOHBOracle",
    "tpe": "src.tuners.tpe:TPEOracle [optuna]",
    "grid": "src.tuners.grid:GridOracle",
}

PRUNERS: dict[str, str] = {
    "none": "src.tuners.pruners:Pruner",
    "median": "src.tuners.pruners:MedianPruner",
    "halving": "src.tuners.pruners:HalvingPruner",
}

# `run.engine=auto` takes the first, which runs one trial at a time in this process, for one worker,
# and the second, where there is one, for several.
EXECUTORS: dict[str, str] = {
    "serial": "src.execution.serial:SerialExecutor",
    "process": "src.execution.process:ProcessExecutor",
}

LISTENERS: dict[str, str] = {
    "tables": "src.reporting.tables:TablesListener",
    "hparams": "src.reporting.hparams:HParamsListener",
    "board": "src.reporting.board:BoardListener",
    "log": "src.console.log:LogListener",
    "console": "src.console.listener:ConsoleListener",
}


def check_name(registry: Mapping[str, str], name: str, key: str) -> None:
    """Raises `UserError` naming `key` if the registry lacks `name`, or its package is missing."""
    if name not in registry:
        known = ", ".join(sorted(registry))
        raise UserError(f"{key}: '{name}' is not known.{nearest(name, registry)} Known: {known}")
    package = registry[name].partition(" [")[2].removesuffix("]")
    if package and find_spec(package) is None:
        raise UserError(
            f"{key}: '{name}' needs the package {package}, which is not installed: "
            f"pip install {package}; or choose another"
        )


def load(registry: Mapping[str, str], name: str, key: str) -> Any:
    """Imports what `registry` holds under `name`, after `check_name`."""
    check_name(registry, name, key)
    return pkgutil.resolve_name(registry[name].partition(" [")[0])
