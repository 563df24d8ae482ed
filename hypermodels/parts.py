"""`training`: the module that builds and trains models, `hypermodels.training` or plain Keras."""

import importlib
from typing import Any

import hypermodels

_NAME = getattr(hypermodels, "TRAINING", "hypermodels.keras_training")
training: Any = importlib.import_module(_NAME)
