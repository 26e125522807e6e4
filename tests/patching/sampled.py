"""What a sampler does with a patching, in the host's memory."""

import numpy as np

from keras_patchdpm.samplers.inputs import HostInputs


def sampled(patching, noisy, rng=None, given=()):
    """`(inputs_of, tiles)` of one step, which draws from `rng`."""
    rng = np.random.default_rng(0) if rng is None else rng
    tiles = patching.tiles(noisy.shape[1:3], rng)
    return HostInputs(patching, noisy, given, tiles), tiles


def blended(tiles, windows, indices, images):
    """Adds windows `(B * K, h, w, C)`, the first image's first, to `images`."""
    windows = windows.reshape(len(images), len(indices), *windows.shape[1:])
    for slot, index in enumerate(indices):
        rows, cols = tiles.window(index)
        images[:, rows, cols] += tiles.blend(index) * windows[:, slot]
