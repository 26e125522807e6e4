"""Noise that depends on the seed, the image and the step alone."""

import numpy as np


def image_noise(seed, images, step, shape):
    """Standard normal noise, the same for image k whatever the batch it is in.

    Drawn by NumPy, so that one seed gives one image on every backend.

    Args:
        seed: Non-negative int.
        images: Numbers of the images, a sequence of B non-negative ints.
        step: Non-negative int: 0 for the start, then one more at each step.
        shape: `(H, W, C)`.

    Returns:
        Float32 array of shape `(B, H, W, C)`.
    """
    draws = [
        np.random.default_rng((seed, image, step)).standard_normal(shape, "float32")
        for image in images
    ]
    return np.stack(draws)
