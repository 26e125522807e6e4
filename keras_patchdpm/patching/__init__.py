"""Which part of an image the network sees, and what it is told of the rest."""

from keras_patchdpm.patching.grid_patching import GridPatching
from keras_patchdpm.patching.whole_image import WholeImage

__all__ = ["GridPatching", "WholeImage"]
