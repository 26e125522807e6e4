"""Checks of what a sampler is given."""

import numpy as np

from keras_patchdpm import memory


def check_order(order, num_patches):
    """The order of the patches, an int array."""
    if order is None:
        return np.arange(num_patches)
    found = np.asarray(order)
    if not np.array_equal(np.sort(found, axis=None), np.arange(num_patches)):
        raise ValueError(
            f"`order` must name each patch from 0 to {num_patches - 1} once. "
            f"Received: order={order}."
        )
    return found.astype(int)


def check_budget(budget, patches_per_call, model):
    """The budget in bytes, or `None`."""
    if budget is None:
        return None
    if getattr(model, "whole", None) is not None:
        raise ValueError(
            "A `memory_budget` plans for patches, and `whole_above` asks for the whole "
            f"image. Leave one of the two out. Received: memory_budget={budget!r}, "
            f"whole_above={model.whole_above}."
        )
    if patches_per_call != 1:
        raise ValueError(
            "The patches of a call follow from `memory_budget`. Leave one of the two "
            f"out. Received: patches_per_call={patches_per_call}, "
            f"memory_budget={budget!r}."
        )
    return memory.parse_bytes("memory_budget", budget)


def check_decode(decode, latents):
    """What decodes latents, or `None`."""
    if decode is not None and not latents:
        raise ValueError(
            "`decode` is for models of latents, `PatchDPM(..., latents=True)`. Leave "
            f"it out. Received: decode={decode!r}."
        )
    if decode is not None and not callable(decode):
        raise TypeError(f"`decode` must be a function. Received: {decode!r}.")
    return decode


def check_noise(noise, shape):
    """Refuses noise that is not of the shape of the images."""
    if noise is not None and np.shape(noise) != shape:
        raise ValueError(
            f"`noise` must have the shape {shape}. Received: {np.shape(noise)}."
        )


def check_floats(dtype, latents, decode):
    """Refuses latents as ints."""
    if latents and decode is None and dtype != "float32":
        raise ValueError(
            'Latents are floats: pass `dtype="float32"` for them, or give the sampler '
            f"`decode` for images. Received: dtype={dtype!r} of a model of latents."
        )
