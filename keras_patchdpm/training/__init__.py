"""Trains a model in a folder: with a time limit, backups and a curve of the loss."""

from keras_patchdpm.training._run import StopAfter
from keras_patchdpm.training.averaging import (
    AveragingAdam,
    ema_momentum,
    images_per_step,
)
from keras_patchdpm.training.settings import TrainingSettings
from keras_patchdpm.training.train_model import train

__all__ = [
    "AveragingAdam",
    "StopAfter",
    "TrainingSettings",
    "ema_momentum",
    "images_per_step",
    "train",
]
