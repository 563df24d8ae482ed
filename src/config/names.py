"""Checks the names that registries hold: data sources, HyperModels, tuners."""

from src.config.schema import Config
from src.errors import UserError
from src.registry import check_name


def check_names(config: Config) -> None:
    """Raises `UserError`, a line a key, if the configuration names what no registry holds."""
    # Imported here so that the schema can be used without the packages that it configures.
    from hypermodels import HYPERMODELS
    from src.data import SOURCES
    from src.search import TUNERS

    problems = []
    for key, name, registry in (
        ("data.source", config.data.source, SOURCES),
        ("hypermodel.name", config.hypermodel.name, HYPERMODELS),
        ("tuner.name", config.tuner.name, TUNERS),
    ):
        try:
            check_name(registry, name, key)
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("\n".join(problems))
