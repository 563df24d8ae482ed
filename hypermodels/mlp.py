"""The multilayer perceptron: how many layers, how wide, how they narrow."""

from typing import Any

import keras_tuner as kt

from hypermodels import dense_block
from hypermodels.base import TemplateHyperModel


class MLP(TemplateHyperModel):
    """Dense blocks in a row, each `taper` times as wide as the block before."""

    LIMITS = {"layers": (1, 64), "units": (1, 65_536), "taper": (0.05, 4.0), **dense_block.LIMITS}
    TUNABLES = dense_block.TUNABLES

    def declare_network(self, hp: kt.HyperParameters) -> None:
        """Declares `layers`, `units` (log scale), `taper` and those of a dense block."""
        hp.Int("layers", 1, 4, default=2)
        hp.Int("units", 16, 512, sampling="log", default=64)
        hp.Float("taper", 0.5, 1.0, default=1.0)
        dense_block.declare_dense_block(hp)

    def network(self, hp: kt.HyperParameters, x: Any) -> Any:
        """Stacks the blocks."""
        for layer in range(hp.get("layers")):
            units = max(1, round(hp.get("units") * hp.get("taper") ** layer))
            x = dense_block.dense_block(hp, x, units)
        return x
