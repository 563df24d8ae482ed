"""Keras callbacks that control a training from inside, and TensorBoard: see README.md."""

from callbacks.base import Monitor as Monitor
from callbacks.batch_size_scheduler import BatchSizeScheduler as BatchSizeScheduler
from callbacks.best_epoch import BestEpoch as BestEpoch
from callbacks.early_stopping import EarlyStopping as EarlyStopping
from callbacks.learning_rate_scheduler import LearningRateScheduler as LearningRateScheduler
from callbacks.pruning_callback import PruningCallback as PruningCallback
from callbacks.reduce_lr_on_plateau import ReduceLROnPlateau as ReduceLROnPlateau
from callbacks.registry import CALLBACKS as CALLBACKS
from callbacks.registry import TrainingPlan as TrainingPlan
from callbacks.registry import build_callbacks as build_callbacks
from callbacks.registry import declare_all as declare_all
from callbacks.regularization_scheduler import RegularizationScheduler as RegularizationScheduler
from callbacks.schedule_logger import SCHEDULED as SCHEDULED
from callbacks.schedule_logger import ScheduleLogger as ScheduleLogger
from callbacks.schedules import SCHEDULES as SCHEDULES
from callbacks.schedules import WarmUp as WarmUp
from callbacks.schedules import get_schedule as get_schedule
from callbacks.stop_on_divergence import StopOnDivergence as StopOnDivergence
from callbacks.tensorboard import TensorBoard as TensorBoard
from callbacks.time_budget import TimeBudget as TimeBudget
