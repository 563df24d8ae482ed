"""What makes training fast: README.md says what each part buys, and how to delete the folder."""

from hypermodels.training.dropout import Dropout
from hypermodels.training.epoch_model import EpochModel as Model
from hypermodels.training.fused_optimizers import optimizer_class
from hypermodels.training.shared_metrics import add_metrics
from hypermodels.training.traced_models import MOST_MODELS, TracedModels

__all__ = [
    "MOST_MODELS",
    "WHOLE_EPOCHS",
    "Dropout",
    "Model",
    "TracedModels",
    "add_metrics",
    "fit",
    "optimizer_class",
]
WHOLE_EPOCHS = True
fit = Model.fit_epochs
