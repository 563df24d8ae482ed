"""The search: oracles propose trials, an executor runs them, one snapshot keeps the state.

    from src.search import run

runs a search from a notebook or a script.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from src.search.workflow import run as run

__all__ = ["EXECUTORS", "OPTIONAL_PACKAGES", "PRUNERS", "TUNERS", "run"]

TUNERS: dict[str, str] = {
    "random": "src.search.oracles:RandomOracle",
    "bayesian": "src.search.oracles:BayesianOracle",
    "hyperband": "src.search.oracles:HyperbandOracle",
    "gp": "src.search.gp.oracle:GaussianProcessOracle",
    "bohb": "src.search.bohb.oracle:BOHBOracle",
    "tpe": "src.search.tpe:TPEOracle",
    "grid": "src.search.grid:GridOracle",
}

OPTIONAL_PACKAGES: dict[str, str] = {"tpe": "optuna"}
"""What has to be installed for some tuners, beside requirements.txt."""

PRUNERS: dict[str, str] = {
    "none": "src.search.pruning:NoRule",
    "median": "src.search.pruning:MedianRule",
    "halving": "src.search.pruning:HalvingRule",
}

EXECUTORS: dict[str, str] = {
    "serial": "src.search.executors:SerialExecutor",
    "process": "src.search.process_executor:ProcessExecutor",
}


def __getattr__(name: str) -> Any:
    # `run` needs TensorFlow; the registries above are read by `--help`, which must not import it.
    if name == "run":
        from src.startup import import_tensorflow

        import_tensorflow()  # without its noise
        from src.search.workflow import run

        return run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
