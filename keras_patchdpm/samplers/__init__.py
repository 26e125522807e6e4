"""The sampler, guidance, measurements, and the interpolation of noise."""

from keras_patchdpm.samplers.guidance import Guidance
from keras_patchdpm.samplers.measurement import Measurement
from keras_patchdpm.samplers.noise import slerp
from keras_patchdpm.samplers.patch_sampler import PatchSampler
from keras_patchdpm.samplers.tiled_denoiser import TiledDenoiser

__all__ = ["Guidance", "Measurement", "PatchSampler", "TiledDenoiser", "slerp"]
