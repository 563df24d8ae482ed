"""The base of every oracle here: Keras Tuner's, without files of its own."""

import sys
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import keras_tuner as kt

from src.config.schema import Config


class SearchOracle(kt.Oracle):
    """An oracle whose state goes into the run's one snapshot.

    Subclass it, implement `populate_space` as Keras Tuner documents it, and enter the class in
    `src.search.TUNERS`. To build on one of Keras Tuner's oracles, inherit from both.

    Attributes:
        exhausted: why the search ends when the oracle has nothing more to propose.
        continues_trials: whether a trial may continue an earlier one, so that training states are
            kept until the search ends.
        learns: whether proposals depend on the results of earlier trials; if not, a few are asked
            for in advance, so that the executor can choose which trial to run where.
    """

    exhausted: ClassVar[str] = "no point was found that has not been tried"
    continues_trials: ClassVar[bool] = False
    learns: ClassVar[bool] = True

    @classmethod
    def from_config(cls, config: Config, **common: Any) -> Self:
        """Makes the oracle.

        Args:
            config: the whole configuration.
            common: `objective`, `hyperparameters` and `seed` for the constructor.
        """
        return cls(**common)

    def total(self, cap: int | None) -> int | None:
        """How many trials the search will have, or None if that cannot be known.

        Args:
            cap: the most that the user wants; None for no limit.
        """
        return cap

    def plan(self, cap: int | None) -> Sequence[str]:
        """What the search will do, in a few words each, for the dry run."""
        total = self.total(cap)
        return [f"{total:,} trials" if total else "trials until the space is exhausted"]

    def __init__(self, **arguments: Any) -> None:
        # The loop counts failures; Keras Tuner's own count raises while the oracle's lock is held.
        super().__init__(**arguments, max_consecutive_failed_trials=sys.maxsize)
        self.verbose = 0

    def save(self) -> None:
        """Writes nothing: the loop keeps `get_state()` in its snapshot."""

    # Private, because Keras Tuner has no public switch for its file per trial.
    def _save_trial(self, trial: Any) -> None:
        """Writes nothing: the loop keeps every trial's state in its snapshot."""
