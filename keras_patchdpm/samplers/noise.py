"""Random generators that depend only on the seed, the image and the step."""

import numpy as np


def image_rngs(seed, images, step, *, stage=0, repeat=0, use=0):
    """Random generators of a step, one for each image, whatever its batch.

    They are NumPy's, so that one seed gives the same noise on every backend.

    Args:
        seed: Non-negative int.
        images: Numbers of the images, a sequence of B non-negative ints.
        step: Non-negative int: 0 for the start, then the number of the step.
        stage: Non-negative int, the stage of a cascade. Default 0, the thumbnail's.
        repeat, use: Non-negative ints that tell apart the noises of a step that needs
            several. Default 0.

    Returns:
        List of B `numpy.random.Generator`s.
    """
    further = (repeat, use) if repeat or use else ()
    return [
        np.random.default_rng((seed, image, step, stage, *further)) for image in images
    ]


def starting_noise(seed, images, shape, *, stage=0):
    """Standard normal noise from which the sampling of the images starts.

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
    """Random generators for noise that is added to the images of an earlier stage.

    Args:
        seed, images, stage: As in `image_rngs`.
        source: Non-negative int, the earlier stage.

    Returns:
        List of B `numpy.random.Generator`s.
    """
    return [np.random.default_rng((seed, k, 0, stage, source + 1)) for k in images]


def level_rng(seed, level):
    """A random generator that depends only on the seed and the noise level.

    It draws the offset of a shifted grid, which is the same for all images.

    Args:
        seed: Non-negative int.
        level: `NoiseLevel`.

    Returns:
        `numpy.random.Generator`.
    """
    key = int(np.float64(level.sigma).view("uint64"))
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key,)))
