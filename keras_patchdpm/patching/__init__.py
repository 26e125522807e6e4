"""What the network sees of an image, and what it is told of the rest."""

from keras_patchdpm.patching.cascade_patching import CascadePatching
from keras_patchdpm.patching.grid_patching import GridPatching
from keras_patchdpm.patching.random_patching import RandomPatching
from keras_patchdpm.patching.whole_image import WholeImage

__all__ = ["CascadePatching", "GridPatching", "RandomPatching", "WholeImage"]
