"""The space: discovered without waste, narrowed as asked, counted exactly, refused clearly."""

from typing import Any

import keras
import keras_tuner as kt
import pytest
from keras_tuner.engine.hyperparameters import Boolean, Choice, Fixed, Float, Int

from hypermodels.mlp import MLP
from hypermodels.problem import Problem
from src.errors import UserError
from src.tuners import space as spaces
from src.tuners import space_settings as narrowing
from src.tuners.keras_tuner_oracles import RandomOracle

PROBLEM = Problem("multiclass", 4, 3)
LIMITS = {"units": (1.0, 4096.0), "batch_size": (0.0, 1e7), "rate": (1e-9, 10.0), "l2": (0.0, 1.0)}


class CountingMLP(MLP):
    builds = 0

    def build(self, hp: kt.HyperParameters) -> keras.Model:
        self.builds += 1
        return super().build(hp)


class Plain(kt.HyperModel):
    """Declares everything in `build`, some of it only where it is needed."""

    def __init__(self) -> None:
        super().__init__()
        self.builds = 0

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
    with hp.conditional_scope("optimizer", ["adamw"]):
        hp.Float("decay", 1e-6, 1e-1, sampling="log", default=4e-3)
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
    return narrowing.narrow(declared(), settings, LIMITS)


def named(space: kt.HyperParameters, name: str) -> Any:
    (found,) = [hp for hp in space.space if hp.name == name]
    return found


def samples(space: kt.HyperParameters, count: int = 200) -> list[dict[str, Any]]:
    oracle = RandomOracle(
        objective=kt.Objective("loss", "min"), max_trials=None, hyperparameters=space, seed=7
    )
    return [oracle.propose("")["values"] for _ in range(count)]


# Discovery


def test_the_mlp_is_built_once() -> None:
    model = CountingMLP(PROBLEM)
    space = spaces.discover(model)
    assert model.builds == 1
    assert {"layers", "momentum", "l1", "schedule", "plateau_factor"} <= {
        hp.name for hp in space.space
    }
    assert space.values == {}


def test_branches_that_only_build_declares_are_found(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = Plain()
    space = spaces.discover(model)
    assert [hp.name for hp in space.space] == ["kind", "width"]
    assert named(space, "width").conditions[0].values == ["wide"]
    assert model.builds > 1
    assert space.values == {}
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


def test_the_mlp_builds_with_the_values_of_a_narrowed_space() -> None:
    model = MLP(PROBLEM)
    space = narrowing.narrow(
        spaces.discover(model),
        {
            "layers": 2,
            "units": [4, 8],
            "dropout": {"step": 0.1},
            "optimizer": ["adam", "nesterov"],
            "batch_size": 0,
            "plateau": [True, False],
        },
        MLP.limits(),
    )
    for values in samples(space, 3):
        hp = space.copy()
        hp.values = dict(values)
        built = model.build(hp)
        assert built.layers[1].units == values["units"]
        assert hp.values == values
        assert len(hp.space) == len(space.space)


# Names


def test_unknown_names_are_refused_with_the_nearest() -> None:
    spaces.check_names(declared(), ["units", "l2"], "mlp")
    with pytest.raises(UserError) as caught:
        spaces.check_names(declared(), ["zzz", "unit"], "hypermodel.name=mlp on binary data")
    assert str(caught.value) == (
        "space.zzz: hypermodel.name=mlp on binary data has no such hyperparameter.\n"
        "space.unit: hypermodel.name=mlp on binary data has no such hyperparameter. Did you mean "
        "'units'?\n"
        "It has: layers, units, rate, dropout, optimizer, momentum, decay, regularizer, l2, "
        "batch_size, plateau, patience, epochs"
    )


def test_names_that_the_space_lacks_are_passed_over() -> None:
    names = [hp.name for hp in declared().space]
    assert [hp.name for hp in narrow(unheard_of=3).space] == names


# Narrowing


@pytest.mark.parametrize(
    ("name", "given", "stored"),
    [
        ("units", 32, 32),
        ("units", 2048, 2048),  # beyond the declared range, within the limits
        ("units", 32.0, 32),
        ("rate", 1, 1.0),
        ("optimizer", "nesterov", "nesterov"),
        ("batch_size", 0, 0),
        ("batch_size", 48, 48),
        ("plateau", True, True),
        ("plateau", [False], False),
        ("l2", 0, 0.0),
        ("epochs", 10, 10),
        ("units", {"min": 64, "max": 64}, 64),
    ],
)
def test_a_value_pins(name: str, given: Any, stored: Any) -> None:
    hp = named(narrow(**{name: given}), name)
    assert isinstance(hp, Fixed)
    assert hp.value == stored
    assert type(hp.value) is type(stored)
    assert not spaces.is_searched(hp)


def test_a_list_gives_the_choices_and_keeps_the_default_if_it_can() -> None:
    hp = named(narrow(units=[64, 4096]), "units")
    assert (hp.values, hp.default) == ([64, 4096], 64)
    hp = named(narrow(rate=[1, 0.1]), "rate")
    assert (hp.values, hp.default) == ([1.0, 0.1], 1.0)
    hp = named(narrow(optimizer=["sgd", "nesterov"]), "optimizer")
    assert (hp.values, hp.default) == (["sgd", "nesterov"], "sgd")


def test_trap_a_list_of_true_and_false_stays_a_boolean() -> None:
    assert Choice("stock", [True, False]).values == [1, 0]
    assert all(type(value) is int for value in Choice("stock", [True, False]).values)
    space = narrow(plateau=[True, False])
    assert isinstance(named(space, "plateau"), Boolean)
    assert all(type(values["plateau"]) is bool for values in samples(space, 20))


@pytest.mark.parametrize(
    ("setting", "low", "high", "step", "default"),
    [
        ({"min": 100}, 100, 512, None, 100),
        ({"max": 32}, 16, 32, None, 32),
        ({"min": 1, "max": 4096}, 1, 4096, None, 64),
        ({"step": 2}, 16, 512, 2, 64),
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
    hp = named(narrow(dropout={"step": 0.1}), "dropout")
    assert hp.values == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert {values["dropout"] for values in samples(narrow(dropout={"step": 0.1}))} == {*hp.values}
    assert named(narrow(rate={"step": 10}), "rate").values == [1e-4, 1e-3, 1e-2, 1e-1]
    assert named(narrow(dropout={"max": 0.3, "step": 0.2}), "dropout").values == [0.0, 0.2]


def test_trap_floats_that_a_hypermodel_declares_with_a_step_reach_their_maximum_too() -> None:
    hp = kt.HyperParameters()
    hp.Float("a", 0.0, 0.3, step=0.1, default=0.2)
    hp.Float("b", 1.0, 8.0, step=2, sampling="reverse_log")
    space = narrowing.narrow(hp, {}, {})
    assert (named(space, "a").values, named(space, "a").default) == ([0.0, 0.1, 0.2, 0.3], 0.2)
    assert named(space, "b").values == [1.0, 5.0, 7.0, 8.0]
    # Narrowing the range keeps the step.
    assert named(narrowing.narrow(hp, {"a": {"min": 0.1}}, {}), "a").values == [0.1, 0.2, 0.3]


def test_conditions_are_preserved() -> None:
    space = narrow(momentum={"max": 0.8}, decay=[0.1, 0.01], l2=0.5, patience=3)
    for hp in declared().space:
        assert named(space, hp.name).conditions == hp.conditions, hp.name
    for values in samples(space):
        assert ("momentum" in values) == (values["optimizer"] in ("momentum", "nesterov"))
        assert ("l2" in values) == (values["regularizer"] == "l2")


def test_what_can_never_be_active_is_fixed() -> None:
    space = narrow(optimizer=["sgd", "adamw"], regularizer="none", plateau=False)
    for name, default in (("momentum", 0.9), ("l2", 1e-4), ("patience", 5)):
        assert isinstance(named(space, name), Fixed)
        assert named(space, name).value == default
    assert isinstance(named(space, "decay"), Float)
    expected = {"layers", "units", "rate", "dropout", "optimizer", "decay", "batch_size"}
    assert spaces.searched_names(space) == expected
    reachable = [hp.name for hp in spaces.reachable(space.space)]
    assert [d.name for d in spaces.dimensions(space)] == reachable
    assert set(reachable) == expected | {"regularizer", "plateau", "epochs"}
    for values in samples(space, 30):
        assert set(values) <= set(reachable)


def test_what_hangs_on_a_huge_integer_is_judged_at_once() -> None:
    hp = kt.HyperParameters()
    hp.Int("random_state", 0, 2**40)
    with hp.conditional_scope("random_state", [2**40]):
        hp.Int("last", 1, 2)
    with hp.conditional_scope("random_state", [2**40 + 1]):
        hp.Int("never", 1, 2)
    assert spaces.searched_names(narrowing.narrow(hp, {}, {})) == {"random_state", "last"}


def test_random_search_on_a_narrowed_space_stays_inside() -> None:
    space = narrow(
        layers=3,
        units={"min": 8, "max": 24},
        rate={"min": 1e-3, "max": 1e-2},
        dropout={"max": 0.1},
        optimizer=["momentum", "adamw"],
        momentum={"min": 0.9},
        batch_size=[0, 48],
    )
    found = samples(space)
    for values in found:
        assert values["layers"] == 3
        assert 8 <= values["units"] <= 24
        assert 1e-3 <= values["rate"] <= 1e-2
        assert 0 <= values["dropout"] <= 0.1
        assert 0.9 <= values.get("momentum", 0.9) <= 0.99
        assert values["batch_size"] in (0, 48)
    assert {values["units"] for values in found} == set(range(8, 25))
    assert {values["optimizer"] for values in found} == {"momentum", "adamw"}


def test_narrowing_leaves_the_declared_space_alone() -> None:
    space = declared()
    before = space.get_config()
    narrowing.narrow(space, {"units": 8, "regularizer": "none"}, LIMITS)
    assert space.get_config() == before


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("units", 5000, "space.units: 5000 is not valid; an integer from 1 to 4096"),
        ("units", 0, "space.units: 0 is not valid; an integer from 1 to 4096"),
        ("units", 32.5, "space.units: 32.5 is not valid; an integer from 1 to 4096"),
        ("units", "many", "space.units: 'many' is not valid; an integer from 1 to 4096"),
        ("units", True, "space.units: True is not valid; an integer from 1 to 4096"),
        ("units", [16, 5000], "space.units: 5000 is not valid; an integer from 1 to 4096"),
        ("units", {"max": 5000}, "space.units: 5000 is not valid; an integer from 1 to 4096"),
        # Without limits the declared range is the limit.
        ("layers", 5, "space.layers: 5 is not valid; an integer from 1 to 4"),
        ("dropout", {"max": 0.6}, "space.dropout: 0.6 is not valid; a number from 0 to 0.5"),
        ("rate", -1.0, "space.rate: -1.0 is not valid; a number from 1e-09 to 10"),
        ("optimizer", "adamv", "space.optimizer: 'adamv' is not one of its choices. Did you mean "),
        ("optimizer", ["sgd", 3], "space.optimizer: '3' is not one of its choices. Valid: sgd, "),
        (
            "optimizer",
            {"max": 3},
            "space.optimizer: {max: 3} is not valid; it has choices, not a range: give one of "
            "sgd, momentum, nesterov, adamw, or a list of them",
        ),
        (
            "batch_size",
            {"min": 16},
            "space.batch_size: {min: 16} is not valid; it has choices, not a range: give one of "
            "16, 32, full, or a list of them",
        ),
        ("batch_size", -1, "space.batch_size: -1 is not valid; an integer from 0 to 1e+07"),
        ("plateau", 1, "space.plateau: 1 is not valid; true or false"),
        ("plateau", "yes", "space.plateau: 'yes' is not valid; true or false"),
        ("epochs", 20, "space.epochs: 20 is not valid; an integer among 10"),
        (
            "units",
            {"min": 600},
            "space.units: {min: 600} is not valid; min 600 is above max 512 (declared: 16 to 512); "
            "give both",
        ),
        (
            "l2",
            {"min": 0, "max": 0.1},
            "space.l2.min: 0 is not valid; above 0, as its scale is logarithmic",
        ),
        ("units", {"step": 1}, "space.units.step: 1 is not valid; above 1, as its scale is log"),
        ("rate", {"step": 0.5}, "space.rate.step: 0.5 is not valid; above 1, as its scale is log"),
        ("layers", {"step": 1.5}, "space.layers.step: 1.5 is not valid; an integer"),
        (
            "dropout",
            {"step": 1e-12},
            "space.dropout.step: 1e-12 is not valid; at most 1,000 steps from 0 to 0.5",
        ),
        (
            "rate",
            {"step": 1.0000001},
            "space.rate.step: 1.0000001 is not valid; at most 1,000 steps from 0.0001 to 0.1",
        ),
    ],
)
def test_every_mistake_names_key_value_and_what_is_valid(
    name: str, setting: Any, message: str
) -> None:
    with pytest.raises(UserError) as caught:
        narrow(**{name: setting})
    assert str(caught.value).startswith(message)


# Size and description


def test_size_counts_branches_where_they_are_active() -> None:
    size = spaces.size(declared())
    # layers × units × optimizers × regularizers × batch sizes × (plateau off, or on with patience)
    assert size.points == 4 * 497 * 4 * 2 * 3 * (1 + 19)
    assert size.continuous == ("rate", "dropout", "momentum", "decay", "l2")
    assert str(size) == ("954,240 combinations × 5 continuous (rate, dropout, momentum, decay, l2)")


def test_size_of_a_narrowed_space() -> None:
    pinned = {"rate": 0.1, "dropout": {"step": 0.25}, "optimizer": "sgd", "regularizer": "none"}
    size = spaces.size(narrow(**pinned, units=[8, 16], layers=1, batch_size=[0, 16]))
    assert size == spaces.Size(2 * 3 * 2 * 20, ())
    assert str(size) == "240 combinations"
    everything = {"units": 8, "layers": 1, "batch_size": 0, "plateau": False, "dropout": 0}
    assert str(spaces.size(narrow(**pinned | everything))) == "1 combination"


@pytest.mark.parametrize(
    ("low", "high", "step", "sampling", "expected"),
    [
        (1, 4, None, "linear", [1, 2, 3, 4]),
        (1, 8, 3, "linear", [1, 4, 7]),
        (2, 32, 2, "log", [2, 4, 8, 16, 32]),
        (16, 512, None, "log", list(range(16, 513))),  # of which Keras Tuner lists ten
    ],
)
def test_finite_values_of_integers(
    low: int, high: int, step: int | None, sampling: str, expected: list[int]
) -> None:
    hp = Int("units", low, high, step=step, sampling=sampling)
    assert list(spaces.finite_values(hp)) == expected


def test_dimensions_describe_the_space() -> None:
    space = narrow(units={"step": 2}, layers=2, dropout={"min": 0.5, "max": 0.5})
    found = {d.name: (d.domain, d.condition, d.searched) for d in spaces.dimensions(space)}
    assert found == {
        "layers": ("2", "", False),
        "units": ("16 … 512 (log, step 2)", "", True),
        "rate": ("0.0001 … 0.1 (log)", "", True),
        "dropout": ("0.5", "", False),
        "optimizer": ("sgd, momentum, nesterov, adamw", "", True),
        "momentum": ("0.5 … 0.99", "optimizer: momentum, nesterov", True),
        "decay": ("1e-06 … 0.1 (log)", "optimizer: adamw", True),
        "regularizer": ("none, l2", "", True),
        "l2": ("1e-07 … 0.01 (log)", "regularizer: l2", True),
        "batch_size": ("16, 32, full", "", True),
        "plateau": ("true, false", "", True),
        "patience": ("2 … 20", "plateau: true", True),
        "epochs": ("10", "", False),
    }


@pytest.mark.parametrize(
    ("name", "value", "shown", "exact"),
    [
        ("batch_size", 0, "full", "full"),
        ("batch_size", 16, "16", 16),
        ("layers", 0, "0", 0),
        ("plateau", True, "true", True),
        ("rate", 0.123456789, "0.123457", 0.123456789),
        ("optimizer", "sgd", "sgd", "sgd"),
    ],
)
def test_values_as_tables_and_files_show_them(
    name: str, value: Any, shown: str, exact: Any
) -> None:
    assert spaces.format_value(name, value) == shown
    assert spaces.exact_value(name, value) == exact
