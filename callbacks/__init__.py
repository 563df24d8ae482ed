"""Keras callbacks that control a training from inside, and TensorBoard: see README.md."""

from callbacks.base import Monitor
from callbacks.batch_size_scheduler import BatchSizeScheduler
from callbacks.best_epoch import BestEpoch
from callbacks.early_stopping import EarlyStopping
from callbacks.learning_rate_scheduler import LearningRateScheduler
from callbacks.pruning_callback import PruningCallback
from callbacks.reduce_lr_on_plateau import ReduceLROnPlateau
from callbacks.registry import CALLBACKS, TrainingPlan, build_callbacks, declare_all
from callbacks.regularization_scheduler import RegularizationScheduler
from callbacks.schedule_logger import SCHEDULED, ScheduleLogger
from callbacks.schedules import SCHEDULES, WarmUp, get_schedule
from callbacks.stop_on_divergence import StopOnDivergence
from callbacks.tensorboard import TensorBoard
from callbacks.time_budget import TimeBudget

__all__ = [
    "CALLBACKS",
    "SCHEDULED",
    "SCHEDULES",
    "BatchSizeScheduler",
    "BestEpoch",
    "EarlyStopping",
    "LearningRateScheduler",
    "Monitor",
    "PruningCallback",
    "ReduceLROnPlateau",
    "RegularizationScheduler",
    "ScheduleLogger",
    "StopOnDivergence",
    "TensorBoard",
    "TimeBudget",
    "TrainingPlan",
    "WarmUp",
    "build_callbacks",
    "declare_all",
    "get_schedule",
]
