"""Networks: functions that return functional Keras models."""

from keras_patchdpm.networks._arakawa_unet import arakawa_unet
from keras_patchdpm.networks._guided_diffusion_arguments import (
    guided_diffusion_arguments,
)
from keras_patchdpm.networks._start_from import start_from
from keras_patchdpm.networks._unet import unet
from keras_patchdpm.networks._unet2d import unet2d
from keras_patchdpm.networks.authors_weights import load_authors_weights
from keras_patchdpm.networks.diffusers_weights import load_diffusers_weights
from keras_patchdpm.networks.guided_diffusion_weights import (
    load_guided_diffusion_weights,
)

__all__ = [
    "arakawa_unet",
    "guided_diffusion_arguments",
    "load_authors_weights",
    "load_diffusers_weights",
    "load_guided_diffusion_weights",
    "start_from",
    "unet",
    "unet2d",
]
