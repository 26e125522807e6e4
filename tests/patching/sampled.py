"""What a sampler does with a stage, in the host's memory."""

import numpy as np

from keras_patchdpm.samplers.inputs import HostInputs


def sampled(patching, noisy, rng=None):
    """`(inputs_of, tiles)` of one step of the last stage, which draws from `rng`."""
    return of_stage(patching.stages(noisy.shape[1:])[-1], noisy, rng)


def of_stage(stage, noisy, rng=None, previous=()):
    """`(inputs_of, tiles)` of one step of a stage, which draws from `rng`."""
    rng = np.random.default_rng(0) if rng is None else rng
    tiles = stage.tiling.tiles(rng)
    return HostInputs(stage, noisy, previous=previous, tiles=tiles), tiles


def blended(tiles, windows, indices, images):
    """Adds windows `(B * K, h, w, C)`, the first image's first, to `images`."""
    windows = windows.reshape(len(images), len(indices), *windows.shape[1:])
    for slot, index in enumerate(indices):
        rows, cols = tiles.window(index)
        images[:, rows, cols] += tiles.blend(index) * windows[:, slot]
