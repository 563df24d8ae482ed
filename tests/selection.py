"""Which cases of a test always run."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def slow_but(cases: Iterable[Any], always: Collection[Any]) -> list[Any]:
    """Parameters of a test whose cases are slow ones, but for some that always run.

    Args:
        cases: all of them.
        always: those that are no slow ones.
    """
    cases = list(cases)
    assert all(case in cases for case in always), always
    return [pytest.param(c, marks=() if c in always else pytest.mark.slow) for c in cases]
