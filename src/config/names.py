"""Checks the names that registries hold: data sources, HyperModels, tuners."""

from importlib.util import find_spec

from src.config.schema import Config
from src.errors import UserError
from src.registry import check_name


def check_names(config: Config) -> None:
    """Raises `UserError`, a line a key, if the configuration names what no registry holds.

    So it does for a tuner whose package is not installed.
    """
    # Imported here so that the schema can be used without the packages that it configures.
    from hypermodels import HYPERMODELS
    from src.registry import OPTIONAL_PACKAGES, SOURCES, TUNERS

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
    package = OPTIONAL_PACKAGES.get(config.tuner.name)
    if package is not None and find_spec(package) is None:
        problems.append(
            f"tuner.name: '{config.tuner.name}' needs the package {package}, which is not "
            f"installed: pip install {package}; or choose another tuner, such as gp"
        )
    if problems:
        raise UserError("\n".join(problems))
