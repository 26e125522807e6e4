"""Trains a model in a folder: with a time limit, backups and a curve of the loss."""

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
