"""Samplers: how the noise levels are walked down."""

from keras_patchdpm.samplers.patch_sampler import PatchSampler

__all__ = ["PatchSampler"]
