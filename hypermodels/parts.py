"""`training`: the module that builds and trains models, `hypermodels.training` or plain Keras."""

import importlib
from typing import Any

import hypermodels

training: Any = importlib.import_module(
    getattr(hypermodels, "TRAINING", "hypermodels.keras_training")
)
