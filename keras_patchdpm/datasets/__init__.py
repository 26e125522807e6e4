"""Images to train on."""

from keras_patchdpm.datasets.crop_and_resize import (
    random_crop_and_resize,
    random_crop_and_resize_layer,
)
from keras_patchdpm.datasets.image_batches import ImageBatches
from keras_patchdpm.datasets.load_images import load_images
from keras_patchdpm.datasets.picture import save_images, tile
from keras_patchdpm.datasets.synthetic_scenes import synthetic_scenes

__all__ = [
    "ImageBatches",
    "load_images",
    "random_crop_and_resize",
    "random_crop_and_resize_layer",
    "save_images",
    "synthetic_scenes",
    "tile",
]
