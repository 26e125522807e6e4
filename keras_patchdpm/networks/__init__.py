"""Networks: functions that return functional Keras models."""

from keras_patchdpm.networks._arakawa_unet import arakawa_unet
from keras_patchdpm.networks._unet import unet
from keras_patchdpm.networks.authors_weights import load_authors_weights

__all__ = ["arakawa_unet", "load_authors_weights", "unet"]
