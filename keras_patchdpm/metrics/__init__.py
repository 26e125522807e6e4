"""Metrics of generated images."""

from keras_patchdpm.metrics._copies import copies
from keras_patchdpm.metrics.seam import seam_ratio

__all__ = ["copies", "seam_ratio"]
