"""Keras models that train by diffusion."""

from keras_patchdpm.models.patch_dpm import PatchDPM

__all__ = ["PatchDPM"]
