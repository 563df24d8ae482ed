"""Keras callbacks that control a training from inside, and TensorBoard.

`callbacks/` stands on Keras and TensorFlow alone: copy the folder into a project of your own and
use it with plain Keras models. At every step the rate is base × schedule × plateau factor, in
whatever order the callbacks come.

Example:
    ```python
    schedule = get_schedule("cosine", {"final": 0.01})
    model.fit(x, y, validation_data=(x_val, y_val), epochs=30, callbacks=[
        LearningRateScheduler(schedule, epochs=30),
        ReduceLROnPlateau("val_accuracy", "max", factor=0.5, patience=3),
        RecordLearningRate(),
        TensorBoard("logs/run"),
    ])
    ```
"""

from callbacks.batch_size_scheduler import BatchGrowth, BatchGrowthOnPlateau, RandomBatchSize
from callbacks.best_epoch import BestEpoch
from callbacks.early_stopping import EarlyStopping
from callbacks.learning_rate import LearningRate
from callbacks.learning_rate_scheduler import LearningRateScheduler
from callbacks.monitor import Direction, MissingMetricError, Monitor, Plateaus, Stagnation
from callbacks.plan import ScheduleUnit, TrainingPlan
from callbacks.record_controls import CONTROLS, RecordControls
from callbacks.record_learning_rate import RecordLearningRate
from callbacks.reduce_lr_on_plateau import ReduceLROnPlateau
from callbacks.registry import CALLBACKS, build_callbacks, declare_all, limits
from callbacks.regularization_scheduler import RegularizationOnGap, RegularizationScheduler
from callbacks.schedules import SCHEDULES, Range, Schedule, get_schedule, parameters_of
from callbacks.stop_behind import StopBehind
from callbacks.stop_on_divergence import StopOnDivergence
from callbacks.tensorboard import TensorBoard
from callbacks.time_budget import TimeBudget
from callbacks.warm_up import WarmUp

__all__ = [
    "CALLBACKS",
    "CONTROLS",
    "SCHEDULES",
    "BatchGrowth",
    "BatchGrowthOnPlateau",
    "BestEpoch",
    "Direction",
    "EarlyStopping",
    "LearningRate",
    "LearningRateScheduler",
    "MissingMetricError",
    "Monitor",
    "Plateaus",
    "RandomBatchSize",
    "Range",
    "RecordControls",
    "RecordLearningRate",
    "ReduceLROnPlateau",
    "RegularizationOnGap",
    "RegularizationScheduler",
    "Schedule",
    "ScheduleUnit",
    "Stagnation",
    "StopBehind",
    "StopOnDivergence",
    "TensorBoard",
    "TimeBudget",
    "TrainingPlan",
    "WarmUp",
    "build_callbacks",
    "declare_all",
    "get_schedule",
    "limits",
    "parameters_of",
]
