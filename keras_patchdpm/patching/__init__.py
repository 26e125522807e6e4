"""Patchings: what the network sees of an image, and what it is conditioned on."""

from keras_patchdpm.patching._detail_scales import detail_scales
from keras_patchdpm.patching.base import InputSpec, Patching
from keras_patchdpm.patching.cascade_patching import CascadePatching
from keras_patchdpm.patching.grid_patching import GridPatching
from keras_patchdpm.patching.random_patching import RandomPatching
from keras_patchdpm.patching.stage import Stage
from keras_patchdpm.patching.tiled_model import TiledModel
from keras_patchdpm.patching.tiling import Tiling
from keras_patchdpm.patching.whole_image import WholeImage

__all__ = [
    "CascadePatching",
    "GridPatching",
    "InputSpec",
    "Patching",
    "RandomPatching",
    "Stage",
    "TiledModel",
    "Tiling",
    "WholeImage",
    "detail_scales",
]
