"""Noise that depends on the seed, the image and the step alone."""

import numpy as np


def image_noise(seed, images, step, shape, stage=0):
    """Standard normal noise, the same for image k whatever the batch it is in.

    Drawn by NumPy, so that one seed gives one image on every backend.

    Args:
        seed: Non-negative int.
        images: Numbers of the images, a sequence of B non-negative ints.
        step: Non-negative int: 0 for the start, then one more at each step.
        shape: `(H, W, C)`.
        stage: Non-negative int, how many stages of a cascade are still to come.

    Returns:
        Float32 array of shape `(B, H, W, C)`.
    """
    draws = [
        np.random.default_rng((seed, image, step, stage)).standard_normal(
            shape, "float32"
        )
        for image in images
    ]
    return np.stack(draws)


def level_draws(seed, level):
    """Draws that depend on the seed and the noise level alone, for all images.

    Args:
        seed: Non-negative int.
        level: `Level`.

    Returns:
        `numpy.random.Generator`.
    """
    key = int(np.float64(level.sigma).view("uint64"))
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key,)))
