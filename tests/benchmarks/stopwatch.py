"""Shares the time of a process among phases, and times functions without changing their code."""

import functools
import time
from collections import Counter, defaultdict
from typing import Any

REST = "rest"


class Stopwatch:
    """Every moment belongs to the innermost phase that is open, or to `REST`: the sum is all time.

    For one thread.

    Attributes:
        seconds: by phase.
        calls: how often each phase has begun.
    """

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()
        self._open = [REST]
        self._since = time.perf_counter()

    def begin(self, phase: str) -> None:
        """Opens a phase inside those that are open."""
        self.charge()
        self._open.append(phase)
        self.calls[phase] += 1

    def end(self) -> None:
        """Closes the innermost phase."""
        self.charge()
        self._open.pop()

    def charge(self) -> None:
        """Brings `seconds` up to date."""
        now = time.perf_counter()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def time(self, owner: Any, name: str, phase: str) -> None:
        """Replaces the function or method `owner.name` by one that is a phase, for good."""
        original = getattr(owner, name)

        @functools.wraps(original)
        def timed(*arguments: Any, **named: Any) -> Any:
            self.begin(phase)
            try:
                return original(*arguments, **named)
            finally:
                self.end()

        setattr(owner, name, timed)
