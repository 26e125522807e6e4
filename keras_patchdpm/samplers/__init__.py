"""Samplers: how the noise levels are walked down."""

from keras_patchdpm.samplers.guidance import Guidance
from keras_patchdpm.samplers.patch_sampler import PatchSampler

__all__ = ["Guidance", "PatchSampler"]
