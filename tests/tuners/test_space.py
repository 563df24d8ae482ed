"""The space: discovered without waste, narrowed as asked, refused clearly, described."""

import json
from typing import Any

import keras
import keras_tuner as kt
import pytest
from keras_tuner.engine.hyperparameters import Boolean, Choice, Fixed, Float, Int

from hypermodels.mlp import MLP
from hypermodels.problem import Problem
from src.errors import UserError
from src.tuners import space as spaces
from src.tuners import space_settings
from tests.tuners.driving import make, run

PROBLEM = Problem("multiclass", 4, 3)
LIMITS = {"units": (1.0, 4096.0), "batch_size": (0.0, 1e7), "rate": (1e-9, 10.0), "l2": (0.0, 1.0)}


class CountingMLP(MLP):
    builds = 0

    def build(self, hp: kt.HyperParameters) -> keras.Model:
        self.builds += 1
        return super().build(hp)


class Plain(kt.HyperModel):
    """Declares everything in `build`, some of it only where it is needed."""

    builds = 0

    def build(self, hp: kt.HyperParameters) -> keras.Model:
        self.builds += 1
        with hp.conditional_scope(*self._kind(hp)):
            if hp.get("kind") == "wide":
                hp.Int("width", 8, 64)
        return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])

    def _kind(self, hp: kt.HyperParameters) -> tuple[str, list[str]]:
        hp.Choice("kind", ["narrow", "wide"])
        return "kind", ["wide"]


def declared() -> kt.HyperParameters:
    hp = kt.HyperParameters()
    hp.Int("layers", 1, 4, default=2)
    hp.Int("units", 16, 512, sampling="log", default=64)
    hp.Float("rate", 1e-4, 1e-1, sampling="log", default=1e-3)
    hp.Float("dropout", 0.0, 0.5)
    hp.Choice("optimizer", ["sgd", "momentum", "nesterov", "adamw"], default="adamw")
    with hp.conditional_scope("optimizer", ["momentum", "nesterov"]):
        hp.Float("momentum", 0.5, 0.99, default=0.9)
    hp.Choice("regularizer", ["none", "l2"])
    with hp.conditional_scope("regularizer", ["l2"]):
        hp.Float("l2", 1e-7, 1e-2, sampling="log", default=1e-4)
    hp.Choice("batch_size", [16, 32, 0], default=32)
    hp.Boolean("plateau")
    with hp.conditional_scope("plateau", [True]):
        hp.Int("patience", 2, 20, default=5)
    hp.Fixed("epochs", 10)
    return hp


def narrow(**settings: Any) -> kt.HyperParameters:
    return space_settings.narrow(declared(), settings, LIMITS)


def named(space: kt.HyperParameters, name: str) -> Any:
    (found,) = [hp for hp in space.space if hp.name == name]
    return found


def samples(space: kt.HyperParameters, count: int = 100) -> list[dict[str, Any]]:
    return run(make("random", space, max_trials=count), count)


def test_the_mlp_is_built_once_and_branches_that_only_build_declares_are_found(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model, plain = CountingMLP(PROBLEM), Plain()
    space, found = spaces.discover(model), spaces.discover(plain)
    assert model.builds == 1
    assert {"layers", "momentum", "l1", "plateau_factor"} <= {hp.name for hp in space.space}
    assert plain.builds > 1
    assert [hp.name for hp in found.space] == ["kind", "width"]
    assert named(found, "width").conditions[0].values == ["wide"]
    assert space.values == found.values == {}
    assert capsys.readouterr().out == ""


def test_a_hypermodel_that_cannot_be_built_is_named_with_the_line_that_raised() -> None:
    class Broken(Plain):
        def _kind(self, hp: kt.HyperParameters) -> tuple[str, list[str]]:
            return "kind", hp.get("kidn")

    with pytest.raises(UserError) as caught:
        spaces.discover(Broken(), "hypermodel.name=mine")
    message = str(caught.value)
    assert message.startswith("hypermodel.name=mine cannot be built with its defaults: KeyError: ")
    assert message.endswith('return "kind", hp.get("kidn")')


def test_a_reader_gives_what_keras_tuner_restores_and_shares_no_growth() -> None:
    reader, other = spaces.SpaceReader(), kt.HyperParameters()
    other.Int("units", 1, 9)
    for hp in (declared(), declared(), other, declared()):
        config = json.loads(json.dumps(hp.get_config() | {"values": {"units": 5}}))
        read = reader.read(config)
        assert read.get_config() == spaces.restored(config).get_config()
        read.Float("found", 0.0, 1.0)
        read.values["units"] = 21
        again = reader.read(config)
        assert "found" not in again
        assert again.get("units") == 5


def test_unknown_names_are_refused_with_the_nearest() -> None:
    spaces.check_names(declared(), ["units", "l2"], "mlp")
    with pytest.raises(UserError) as caught:
        spaces.check_names(declared(), ["zzz", "unit"], "hypermodel.name=mlp on binary data")
    assert str(caught.value) == (
        "space.zzz: hypermodel.name=mlp on binary data has no such hyperparameter.\n"
        "space.unit: hypermodel.name=mlp on binary data has no such hyperparameter. Did you mean "
        "'units'?\nIt has: layers, units, rate, dropout, optimizer, momentum, regularizer, l2, "
        "batch_size, plateau, patience, epochs"
    )


@pytest.mark.parametrize(
    ("name", "given", "stored"),
    [
        ("units", 2048.0, 2048),  # beyond the declared range, within the limits
        ("rate", 1, 1.0),
        ("optimizer", "nesterov", "nesterov"),
        ("plateau", [False], False),
        ("units", {"min": 64, "max": 64}, 64),
    ],
)
def test_a_value_pins(name: str, given: Any, stored: Any) -> None:
    hp = named(narrow(**{name: given}), name)
    assert isinstance(hp, Fixed)
    assert (hp.value, type(hp.value)) == (stored, type(stored))
    assert not spaces.is_searched(hp)


def test_a_list_gives_the_choices_and_keeps_the_default_if_it_can() -> None:
    hp = named(narrow(units=[4096, 64]), "units")
    assert (hp.values, hp.default) == ([4096, 64], 64)
    hp = named(narrow(rate=[1, 0.1]), "rate")
    assert (hp.values, hp.default) == ([1.0, 0.1], 1.0)


def test_trap_a_list_of_true_and_false_stays_a_boolean() -> None:
    assert all(type(value) is int for value in Choice("stock", [True, False]).values)
    assert isinstance(named(narrow(plateau=[True, False]), "plateau"), Boolean)


@pytest.mark.parametrize(
    ("setting", "low", "high", "step", "default"),
    [
        ({"min": 100}, 100, 512, None, 100),
        ({"min": 1, "max": 4096}, 1, 4096, None, 64),
        ({"step": 2, "max": 32}, 16, 32, 2, 32),
    ],
)
def test_a_mapping_narrows_or_widens_the_range(
    setting: dict[str, int], low: int, high: int, step: int | None, default: int
) -> None:
    hp = named(narrow(units=setting), "units")
    assert isinstance(hp, Int)
    assert (hp.min_value, hp.max_value, hp.step, hp.default) == (low, high, step, default)
    assert hp.sampling == "log"


def test_trap_stepped_floats_reach_their_maximum() -> None:
    stock = Float("stock", 0.0, 0.5, step=0.1)
    assert max(stock.values) == max(stock.prob_to_value(n / 1000) for n in range(1000)) == 0.4
    space = narrow(dropout={"step": 0.1}, rate={"step": 10})
    assert named(space, "dropout").values == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert named(space, "rate").values == [1e-4, 1e-3, 1e-2, 1e-1]
    hp = kt.HyperParameters()
    hp.Float("a", 0.0, 0.3, step=0.1, default=0.2)
    hp.Float("b", 1.0, 8.0, step=2, sampling="reverse_log")
    space = space_settings.narrow(hp, {"a": {"min": 0.1}}, {})  # which keeps the step
    assert (named(space, "a").values, named(space, "a").default) == ([0.1, 0.2, 0.3], 0.2)
    assert named(space, "b").values == [1.0, 5.0, 7.0, 8.0]


def test_conditions_are_preserved_and_what_can_never_be_active_is_fixed() -> None:
    before = declared().get_config()
    space = narrow(momentum={"max": 0.8}, regularizer="none", plateau=False, unheard_of=3)
    for hp in declared().space:
        assert named(space, hp.name).conditions == hp.conditions, hp.name
    assert declared().get_config() == before
    for name, default in (("l2", 1e-4), ("patience", 5)):
        assert isinstance(named(space, name), Fixed)
        assert named(space, name).value == default
    searched = {"layers", "units", "rate", "dropout", "optimizer", "momentum", "batch_size"}
    assert spaces.searched_names(space) == searched
    reachable = {hp.name for hp in spaces.reachable(space.space)}
    assert reachable == searched | {"regularizer", "plateau", "epochs"}
    for values in samples(space):
        assert ("momentum" in values) == (values["optimizer"] in ("momentum", "nesterov"))
        assert set(values) <= reachable


def test_what_hangs_on_a_huge_integer_is_judged_at_once() -> None:
    hp = kt.HyperParameters()
    hp.Int("random_state", 0, 2**40)
    with hp.conditional_scope("random_state", [2**40]):
        hp.Int("last", 1, 2)
    with hp.conditional_scope("random_state", [2**40 + 1]):
        hp.Int("never", 1, 2)
    space = space_settings.narrow(hp, {}, {})
    assert spaces.searched_names(space) == {"random_state", "last"}


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("units", 5000, "units: 5000 is not valid. Valid: an integer from 1 to 4096"),
        ("units", "many", "units: 'many' is not valid. Valid: an integer from 1 to 4096"),
        ("units", True, "units: true is not valid. Valid: an integer from 1 to 4096"),
        ("units", [16, 0], "units: 0 is not valid. Valid: an integer from 1 to 4096"),
        # Without limits the declared range is the limit.
        ("layers", 5, "layers: 5 is not valid. Valid: an integer from 1 to 4"),
        ("dropout", {"max": 0.6}, "dropout: 0.6 is not valid. Valid: a number from 0 to 0.5"),
        ("optimizer", "adamv", "optimizer: 'adamv' is not valid. Did you mean 'adamw'? Valid: sgd"),
        ("optimizer", ["sgd", 3], "optimizer: 3 is not valid. Valid: sgd, momentum, nesterov, ada"),
        ("batch_size", {"min": 16}, "batch_size: {min: 16} is not valid: it has no range. Valid: "),
        ("plateau", 1, "plateau: 1 is not valid. Valid: true, false"),
        ("epochs", 20, "epochs: 20 is not valid. Valid: 10"),
        ("units", {"min": 600}, "units: {min: 600} is not valid: For HyperParameters.Int(name='u"),
        ("l2", {"min": 0}, "l2: {min: 0} is not valid: For HyperParameters.Float(name='l2'), "),
        ("rate", {"step": 0.5}, "rate: {step: 0.5} is not valid: For HyperParameters.Float(name="),
        (
            "layers",
            {"step": 1.5},
            "layers: {step: 1.5} is not valid: step must be an int, Received: ",
        ),
        ("dropout", {"step": 1e-12}, "dropout: {step: 1e-12} is not valid: at most 1,000 steps"),
    ],
)
def test_every_mistake_names_key_value_and_what_is_valid(
    name: str, setting: Any, message: str
) -> None:
    with pytest.raises(UserError) as caught:
        narrow(**{name: setting})
    assert str(caught.value).startswith(f"space.{message}")


def test_own_values_are_of_the_hyperparameters_type_and_on_its_steps() -> None:
    hp = kt.HyperParameters()
    hp.Int("steps", 16, 116, step=25)
    hp.Float("rate", 1e-3, 1.0, sampling="log")
    hp.Float("stepped", 0.0, 1.0, step=0.1)
    hp.Choice("size", [32, 64])
    hp.Boolean("on")
    steps, rate, stepped, size, on = hp.space
    own = spaces.own_value
    assert [own(steps, value) for value in (41.0, 42, True, 1e300)] == [41, None, None, None]
    assert type(own(steps, 41.0)) is int
    assert [own(rate, value) for value in (1, 1.0 + 1e-12, 2, float("nan"), "1")] == [
        *(1.0, 1.0, None, None, None)
    ]
    assert own(stepped, 0.30000000000000004) == pytest.approx(0.3)
    assert own(stepped, 0.35) is None
    assert [own(size, value) for value in (64.0, 48, "64")] == [64, None, None]
    assert [own(on, value) for value in (False, 0)] == [False, None]


def test_a_default_between_two_steps_or_outside_is_moved_to_the_nearest_value() -> None:
    hp = kt.HyperParameters()
    hp.Int("units", 16, 116, step=25, default=64)  # 16, 41, 66, 91, 116
    hp.Int("size", 1, 100, sampling="log", step=10, default=4)  # 1, 10, 100
    hp.Float("rate", 0.0, 1.0, step=0.25, default=0.7)
    hp.Float("decay", 0.5, 1.0, default=2.0)
    assert spaces.default_values(hp.space) == {"units": 66, "size": 1, "rate": 0.75, "decay": 1.0}


def test_the_space_in_words() -> None:
    space = narrow(units={"step": 2}, layers=2, dropout={"min": 0.5, "max": 0.5})
    found = {hp.name: (spaces.domain_text(hp), spaces.condition_text(hp)) for hp in space.space}
    assert found == {
        "layers": ("2", ""),
        "units": ("16 … 512 (log, step 2)", ""),
        "rate": ("0.0001 … 0.1 (log)", ""),
        "dropout": ("0.5", ""),
        "optimizer": ("sgd, momentum, nesterov, adamw", ""),
        "momentum": ("0.5 … 0.99", "optimizer is momentum or nesterov"),
        "regularizer": ("none, l2", ""),
        "l2": ("1e-07 … 0.01 (log)", "regularizer is l2"),
        "batch_size": ("16, 32, full", ""),
        "plateau": ("true, false", ""),
        "patience": ("2 … 20", "plateau is true"),
        "epochs": ("10", ""),
    }
    assert spaces.format_value("rate", 0.123456789) == "0.123457"
