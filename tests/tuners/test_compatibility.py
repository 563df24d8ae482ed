"""Settings of tuner and pruner that have no effect or do not go together are refused."""

import pytest

from src.config import load_config
from src.errors import UserError
from src.registry import PRUNERS, TUNERS, load
from src.tuners.compatibility import COMMON, check_compatibility


def check(*overrides: str) -> None:
    config = load_config(None, overrides)
    tuner = load(TUNERS, config.tuner.name, "tuner.name")
    check_compatibility(config, tuner, load(PRUNERS, config.pruner.name, "pruner.name"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("tuner.factor=4",), "tuner.factor: 4 has no effect with tuner.name=random"),
        (("tuner.name=gp", "tuner.grid_points=9"), "tuner.grid_points: 9 has no effect with tuner"),
        (
            ("tuner.name=bohb", "tuner.folds=5"),
            "tuner.folds: 5 does not go with tuner.name=bohb, w",
        ),
        (("pruner.first_epoch=3",), "pruner.first_epoch: 3 has no effect with pruner.name=none"),
        (("pruner.name=median", "pruner.factor=4"), "pruner.factor: 4 has no effect with pruner.n"),
        (
            ("tuner.name=hyperband", "pruner.name=median"),
            "pruner.name: 'median' does not go with tuner.name=hyperband, which stops trials at ",
        ),
        (
            ("tuner.name=grid", "tuner.points_to_evaluate=[{units: 64}]"),
            "tuner.points_to_evaluate: has no effect with tuner.name=grid",
        ),
        (("tuner.warm_start=old",), "tuner.warm_start: old: tuner.name=random cannot learn from"),
    ],
)
def test_what_has_no_effect_is_refused(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError) as raised:
        check(*overrides)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("name", ["random", "bayesian", "hyperband", "gp", "bohb", "grid"])
def test_each_setting_goes_with_the_tuners_that_have_it(name: str) -> None:
    tuner = load(TUNERS, name, "tuner.name")
    check(f"tuner.name={name}", *(f"tuner.{key}=7" for key in tuner.settings))
    assert not COMMON & set(tuner.settings)


def test_a_pruner_goes_with_tuners_without_rungs() -> None:
    settings = ("pruner.name=halving", "pruner.first_epoch=3", "pruner.factor=4")
    check("tuner.name=grid", *settings)
    with pytest.raises(UserError, match="does not go with tuner"):
        check("tuner.name=hyperband", *settings)
