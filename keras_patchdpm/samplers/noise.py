"""Noise that depends on the seed, the image and the step alone."""

import numpy as np


def image_rngs(seed, images, step, *, stage=0):
    """Random generators for a step, the same for image k whatever the batch it is in.

    They are NumPy's, so that one seed gives one image on every backend.

    Args:
        seed: Non-negative int.
        images: Numbers of the images, a sequence of B non-negative ints.
        step: Non-negative int: 0 for the start, then one more at each step.
        stage: Non-negative int, the stage of a cascade; 0 is the thumbnail's.

    Returns:
        List of B `numpy.random.Generator`s.
    """
    return [np.random.default_rng((seed, image, step, stage)) for image in images]


def starting_noise(seed, images, shape, *, stage=0):
    """Standard normal noise that the images are made of.

    Args:
        seed, images, stage: As in `image_rngs`.
        shape: `(H, W, C)`.

    Returns:
        Float32 array of shape `(B, H, W, C)`.
    """
    noise = np.empty((len(images), *shape), "float32")
    for image, rng in zip(noise, image_rngs(seed, images, 0, stage=stage), strict=True):
        rng.standard_normal(dtype="float32", out=image)
    return noise


def previous_rngs(seed, images, *, stage, source):
    """Random generators of the noise that is added to an earlier stage's images.

    Args:
        seed, images, stage: As in `image_rngs`.
        source: Non-negative int, the earlier stage.

    Returns:
        List of B `numpy.random.Generator`s.
    """
    return [np.random.default_rng((seed, k, 0, stage, source + 1)) for k in images]


def level_rng(seed, level):
    """A random generator that depends on the seed and the noise level alone.

    Args:
        seed: Non-negative int.
        level: `NoiseLevel`.

    Returns:
        `numpy.random.Generator`.
    """
    key = int(np.float64(level.sigma).view("uint64"))
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key,)))
