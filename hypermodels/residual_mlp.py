"""An MLP with skip connections (He et al. 2016): an example of a HyperModel of your own."""

from typing import Any

import keras
import keras_tuner as kt

from hypermodels import dense_block
from hypermodels.base import TemplateHyperModel


class ResidualMLP(TemplateHyperModel):
    """A dense layer, then blocks whose output is added to their input."""

    LIMITS = {"blocks": (1, 64), "units": (1, 65_536), **dense_block.LIMITS}
    TUNABLES = dense_block.TUNABLES

    def declare_network(self, hp: kt.HyperParameters) -> None:
        """Declares `blocks`, `units` and those of a dense block."""
        hp.Int("blocks", 1, 6, default=2)
        hp.Int("units", 16, 512, sampling="log", default=64)
        dense_block.declare_dense_block(hp)

    def network(self, hp: kt.HyperParameters, x: Any) -> Any:
        """Brings the input to `units` columns and adds the blocks."""
        x = keras.layers.Dense(hp.get("units"))(x)
        for _ in range(hp.get("blocks")):
            x = keras.layers.Add()([x, dense_block.dense_block(hp, x, hp.get("units"))])
        return x
