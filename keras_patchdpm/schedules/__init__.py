"""Schedules: noise levels, what the network predicts, how the loss is weighted."""

from keras_patchdpm.schedules.base import Schedule
from keras_patchdpm.schedules.ddpm_schedule import DDPMSchedule
from keras_patchdpm.schedules.edm_schedule import EDMSchedule
from keras_patchdpm.schedules.level import CLEAN, NoiseLevel

__all__ = ["CLEAN", "DDPMSchedule", "EDMSchedule", "NoiseLevel", "Schedule"]
