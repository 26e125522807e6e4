"""The sampler, which generates images, and guidance."""

from keras_patchdpm.samplers.guidance import Guidance
from keras_patchdpm.samplers.patch_sampler import PatchSampler

__all__ = ["Guidance", "PatchSampler"]
