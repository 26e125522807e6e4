"""Schedules: noise levels, what the network predicts, how the loss is weighted."""

from keras_patchdpm.schedules.base import CLEAN, NoiseLevel, Schedule
from keras_patchdpm.schedules.ddpm_schedule import DDPMSchedule
from keras_patchdpm.schedules.edm_schedule import EDMSchedule

__all__ = ["CLEAN", "DDPMSchedule", "EDMSchedule", "NoiseLevel", "Schedule"]
