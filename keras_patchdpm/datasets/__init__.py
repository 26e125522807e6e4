"""Training images: loads, crops, batches and saves them."""

from keras_patchdpm.datasets._crop_and_resize import (
    random_crop_and_resize,
    random_crop_and_resize_layer,
)
from keras_patchdpm.datasets._image_folder import ImageFolder
from keras_patchdpm.datasets._load_images import load_images
from keras_patchdpm.datasets._papers import celeb_a, lsun_bedroom
from keras_patchdpm.datasets._synthetic_scenes import synthetic_scenes
from keras_patchdpm.datasets.image_batches import ImageBatches
from keras_patchdpm.datasets.picture import save_images, tile

__all__ = [
    "ImageBatches",
    "ImageFolder",
    "celeb_a",
    "load_images",
    "lsun_bedroom",
    "random_crop_and_resize",
    "random_crop_and_resize_layer",
    "save_images",
    "synthetic_scenes",
    "tile",
]
