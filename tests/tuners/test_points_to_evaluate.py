"""The user's first configurations are checked against the narrowed space before anything runs."""

from typing import Any

import pytest

from src.errors import UserError
from src.tuners.space_settings import check_points, narrow
from tests.tuners.driving import mixed_space

SPACE = narrow(mixed_space(), {"units": {"max": 200}, "bias": True}, {})
NAMES = [hp.name for hp in SPACE.space]


def check(*entries: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    return check_points(entries, SPACE, NAMES, "hypermodel.name=it")


def test_values_get_their_own_type_and_those_without_effect_are_told() -> None:
    found, notices = check({"units": 128.0, "rate": 0.1, "momentum": 0.6})
    assert found == [{"rate": 0.1, "units": 128, "momentum": 0.6}]
    assert [type(value) for value in found[0].values()] == [float, int, float]
    assert notices == []
    entry = {"optimizer": "adam", "momentum": 0.6, "label_smoothing": 0.1}
    found, notices = check({}, entry, {"units": 64})
    assert found == [{}, {"optimizer": "adam"}, {"units": 64}]
    assert notices == [  # label_smoothing is for classification
        "tuner.points_to_evaluate, entry 2: momentum has no effect",
        "tuner.points_to_evaluate, entry 2: label_smoothing has no effect",
    ]


def test_every_mistake_gets_a_line() -> None:
    with pytest.raises(UserError) as raised:
        check({}, {"rate": 1, "units": 256, "optimizer": "adm", "bias": False, "unit": 3})
    place = "tuner.points_to_evaluate, entry 2: "
    assert str(raised.value).splitlines() == [
        place + "rate: 1 is not valid. Valid: 0.0001 … 0.1 (log)",
        place + "units: 256 is not valid. Valid: 16 … 200 (log)",
        place + "optimizer: 'adm' is not valid. Did you mean 'adam'? Valid: sgd, momentum, adam",
        place + "bias: false is not valid. Valid: true, as space.bias pins it",
        place + "unit: hypermodel.name=it has no such hyperparameter. Did you mean 'units'?",
    ]
