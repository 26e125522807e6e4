"""The diffusion model: `PatchDPM`, a `keras.Model`."""

from keras_patchdpm.models.patch_dpm import PatchDPM

__all__ = ["PatchDPM"]
