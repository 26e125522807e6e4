"""Inputs and options of `unet2d`, for its tests."""

import numpy as np

THEIRS = {  # The defaults of `diffusers`, and all options at other values.
    "attention_head_dim": 4,
    "norm_eps": 1e-5,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "downsample_padding": 1,
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
    for name, value in (("timestep", (3, 900)), ("patch_index", (1, 4)), ("stage", 0)):
        if name in values:
            values[name] = np.broadcast_to(np.array(value, "int32"), (batch,))
    return values
