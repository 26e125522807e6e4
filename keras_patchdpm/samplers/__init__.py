"""The sampler, which generates images, guidance and measurements."""

from keras_patchdpm.samplers.guidance import Guidance
from keras_patchdpm.samplers.measurement import Measurement
from keras_patchdpm.samplers.patch_sampler import PatchSampler

__all__ = ["Guidance", "Measurement", "PatchSampler"]
