"""Training by the clock: resumable after a kill at any moment, its curve on record."""

from keras_patchdpm.training.averaging import ema_momentum, images_per_step
from keras_patchdpm.training.settings import TrainingSettings
from keras_patchdpm.training.train_model import StopAfter, train

__all__ = [
    "StopAfter",
    "TrainingSettings",
    "ema_momentum",
    "images_per_step",
    "train",
]
