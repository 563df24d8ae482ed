"""What makes training fast: README.md says what each part buys, and how to delete the folder."""

from hypermodels.training.dropout import Dropout as Dropout
from hypermodels.training.epoch_model import EpochModel as Model
from hypermodels.training.epoch_model import add_metrics as add_metrics
from hypermodels.training.fused_optimizers import optimizer_class as optimizer_class
from hypermodels.training.traced_models import MOST_MODELS as MOST_MODELS
from hypermodels.training.traced_models import TracedModels as TracedModels

WHOLE_EPOCHS = True
fit = Model.fit_epochs
