"""Measures of generated images."""

from keras_patchdpm.metrics.seam import seam_ratio

__all__ = ["seam_ratio"]
