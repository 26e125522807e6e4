"""Inputs and options of `unet2d`, for its tests."""

import numpy as np

from keras_patchdpm.networks import unet2d_slots

THEIRS = {  # The defaults of `diffusers`, and all options at other values.
    "attention_head_dim": 4,
    "norm_eps": 1e-5,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "downsample_padding": 1,
}
GUIDED = {  # The smallest flags of guided-diffusion.
    "num_channels": 32,
    "channel_mult": (1,),
    "num_res_blocks": 1,
    "attention_resolutions": (),
    "num_heads": 1,
}


def tensors_of(network, library, value=0.0):
    """Tensors of the names and shapes that a library has for a network."""
    return {
        name: np.full(slot.shape, value, "float32")
        for slot in unet2d_slots.slots(network, {}, library)
        for name in slot.tensors
    }


def wave(shape, shift):
    """Numbers in [-1, 1] that need no generator."""
    angles = 0.7 * np.arange(np.prod(shape, dtype=int)) + shift
    return np.sin(angles).reshape(shape).astype("float32")


def inputs_of(network, batch=2):
    """Inputs of every kind that a network asks for."""
    values = {
        name: wave((batch, *tensor.shape[1:]), 0.1 * number)
        for number, (name, tensor) in enumerate(network.input.items())
    }
    ints = {"timestep": (3, 900), "patch_index": (1, 4), "stage": 0, "label": (0, 1)}
    for name in values.keys() & ints:
        values[name] = np.broadcast_to(np.array(ints[name], "int32"), (batch,))
    return values
