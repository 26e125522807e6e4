"""Noise levels: what they are, what is predicted of them, how they are weighed."""

from keras_patchdpm.schedules.ddpm_schedule import DDPMSchedule
from keras_patchdpm.schedules.edm_schedule import EDMSchedule
from keras_patchdpm.schedules.level import Level

__all__ = ["DDPMSchedule", "EDMSchedule", "Level"]
