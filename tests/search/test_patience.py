"""Patience that can never run out is told before the search, with the numbers."""

from typing import Any

import pytest

from hypermodels.mlp import MLP
from src import tune
from src.config import load_config
from src.errors import UserError
from src.search.patience import patience_notices
from src.tuners import space as spaces
from src.tuners.space_settings import check_training, narrow
from tests.hypermodels.helpers import PROBLEMS

_declared: list[Any] = []


def narrowed(config: Any) -> Any:
    if not _declared:
        _declared.append(spaces.discover(MLP(PROBLEMS["binary"])))
    return narrow(_declared[0], config.space, MLP.limits())


def notices(*overrides: str, epochs: int = 20, tuner: str = "random") -> list[str]:
    config = load_config(
        "default", [f"training.epochs={epochs}", f"tuner.name={tuner}", *overrides]
    )
    return patience_notices(narrowed(config), config)


OFF = "space.early_stopping_patience=0"


def test_the_defaults_are_silent() -> None:
    assert notices(epochs=50) == []
    assert notices("space=open", epochs=30) == []


ONE_CUT = ("space.schedule=piecewise_constant", "space.schedule_cuts=1")
TWO_CUTS = ("space.schedule=piecewise_constant", "space.schedule_cuts=2")


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        (("space.schedule=step", "space.schedule_every=20"), "lowers its learning rate"),
        (("space.schedule=step", "space.schedule_every=19"), None),
        (("space.schedule=one_cycle", "space.schedule_rise=20"), "lowers its learning rate"),
        (("space.schedule=one_cycle", "space.schedule_rise=19"), None),
        (("space.schedule=step", "space.schedule_every=0.9"), None),
        (("space.batch_schedule=step", "space.batch_schedule_every=30"), "raises its batch size"),
        (
            (*ONE_CUT, "space.schedule_boundary=25"),
            "lowers its learning rate",
        ),
        (
            (*TWO_CUTS, "space.schedule_boundary=25", "space.schedule_boundary_2=8"),
            None,
        ),
    ],
)
def test_a_length_that_no_trial_reaches_is_told(setting: tuple[str, ...], told: str | None) -> None:
    found = notices(*setting, OFF, epochs=20)
    if told is None:
        assert found == []
        return
    name, value = setting[-1].split("=")
    assert found == [
        f"{name}: with {value} epochs no trial ever {told}: a trial trains 20 epochs "
        "(training.epochs)"
    ]


@pytest.mark.parametrize(("patience", "told"), [(18, False), (19, True)])
def test_a_cut_that_would_come_after_the_training(patience: int, told: bool) -> None:
    found = notices("space.plateau=true", f"space.plateau_patience={patience}", OFF)
    assert len(found) == told
    if told:
        assert found == [
            "space.plateau_patience: with 19 no trial ever lowers its learning rate: an effect "
            "shows in epoch 21 at the earliest, but a trial trains 20 epochs (training.epochs)"
        ]


@pytest.mark.parametrize("tuner", ["hyperband", "bohb"])
def test_where_there_are_rungs_the_longest_counts(tuner: str) -> None:
    pins = ("space.plateau=true", "space.plateau_patience=26", OFF)
    [found] = notices(*pins, epochs=27, tuner=tuner)
    assert "the longest rung trains 27 epochs (training.epochs)" in found
    assert "epoch 28 at the earliest" in found
    assert notices("space.plateau=true", "space.plateau_patience=25", OFF, epochs=27) == []


@pytest.mark.parametrize(("patience", "told"), [(4, False), (5, True), (9, True)])
def test_a_cut_that_early_stopping_always_forestalls(patience: int, told: bool) -> None:
    pins = ("space.plateau=true", f"space.plateau_patience={patience}")
    found = notices(*pins, "space.early_stopping_patience=5")
    assert len(found) == told
    if told:
        assert f"space.plateau_patience: with {patience} no trial ever lowers" in found[0]
        assert "early stopping ends it first, after 5 epochs without improvement" in found[0]
    # What starts later leaves the plateau time.
    assert notices(*pins, "space.early_stopping_patience=5", "space.early_stopping_start=5") == []


def test_of_a_range_it_is_told_where_no_value_can_act() -> None:
    on = "space.plateau=true"
    stopping = "space.early_stopping_patience={min: 3, max: 6}"
    assert notices(on, "space.plateau_patience={min: 5, max: 9}", stopping) == []
    [found] = notices(on, "space.plateau_patience={min: 6, max: 9}", stopping)
    assert "with 6 to 9" in found
    assert "after 6 epochs" in found
    assert notices(on, "space.plateau_patience={min: 6, max: 9}", OFF) == []
    may_be_off = "space.early_stopping_patience={min: 0, max: 6}"
    assert notices(on, "space.plateau_patience={min: 6, max: 9}", may_be_off) == []
    assert len(notices("space.plateau=[true, false]", "space.plateau_patience=40", OFF)) == 1
    assert notices("space.plateau=false") == []


def test_early_stopping_that_can_never_come() -> None:
    assert notices("space.early_stopping_patience=18") == []
    [found] = notices("space.early_stopping_patience=19")
    assert found == (
        "space.early_stopping_patience: 19 can never stop a trial early: that takes 20 epochs, and "
        "more to be spared, but a trial trains 20 epochs (training.epochs)"
    )
    assert len(notices("space.early_stopping_patience=9", "space.early_stopping_start=12")) == 1


def test_batch_sizes_strengths_and_warm_up() -> None:
    growth = ("space.batch_schedule=plateau", "space.batch_schedule_patience=10", OFF)
    assert "no trial ever raises its batch size" in notices(*growth, epochs=11)[0]
    gap = ("space.regularization_schedule=gap", "space.regularization_patience=9", OFF)
    assert (
        "no trial ever raises its strengths: that shows in epoch 11" in notices(*gap, epochs=10)[0]
    )
    warm = ("space.warmup=linear", "space.warmup_epochs={min: 10, max: 12}", OFF)
    [found] = notices(*warm, "space.warmup_unit=epoch", epochs=10)
    assert "with 10 to 12 the learning rate never reaches its base" in found
    assert notices(*growth, epochs=12) == notices(*gap, epochs=11) == []


def test_a_plateau_that_wants_more_than_early_stopping_may_come_first() -> None:
    pins = ("space.plateau=true", "space.plateau_patience=7", "space.early_stopping_patience=3")
    assert len(notices(*pins, epochs=50)) == 1
    assert notices(*pins, "space.plateau_min_delta=0.01", epochs=50) == []


def test_the_command_tells_it_before_the_search(capsys: pytest.CaptureFixture[str]) -> None:
    pins = ["space.plateau=true", "space.plateau_patience=7", "space.early_stopping_patience=3"]
    assert tune.main(["--dry-run", "--config", "quick", "data.source=iris", *pins]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert told.count("notice space.") == 1
    assert "space.plateau_patience: with 7 no trial ever lowers its learning rate" in told


@pytest.mark.parametrize(
    ("setting", "off", "on", "message"),
    [
        (
            "training.schedule_unit=step",
            ("space.schedule=constant",),
            ("space.schedule=constant", "space.warmup=[none, linear]"),
            "training.schedule_unit: 'step' has no effect with space.schedule: 'constant'",
        ),
    ],
)
def test_settings_that_no_trial_can_feel_are_mistakes(
    setting: str, off: tuple[str, ...], on: tuple[str, ...], message: str
) -> None:
    for overrides in (off, on):
        config = load_config("default", [setting, *overrides])
        if overrides is on:
            check_training(narrowed(config), config.training)
        else:
            with pytest.raises(UserError, match=message):
                check_training(narrowed(config), config.training)
