"""Random generators that depend only on the seed, the image and the step."""

import functools
import numbers

import numpy as np

from keras_patchdpm import _checks


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
    key = level_key(level)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key,)))


def level_key(level):
    """An int that tells apart the noise levels of a sampling."""
    return int(np.float64(level.sigma).view("uint64"))


def slerp(one, other, share):
    """Interpolates between two noises on the sphere, for images between two images.

    A weighted mean of two standard normal noises has a smaller norm than noise, and
    leads to pale images. The interpolation on the sphere keeps the norm.

    Args:
        one, other: Arrays of one shape `(B, H, W, C)`, or lists of them for the stages
            of a cascade: two results of `PatchSampler.draw_noise`.
        share: Number in [0, 1], or one for each image: 0 gives `one`, 1 gives `other`.
            With several, noises of one image serve for all.

    Returns:
        Float32 array of shape `(B, H, W, C)`, or a list of them. With several shares B
        is their number.

    Raises:
        TypeError: If a noise is no array, or `share` no number.
        ValueError: If the shapes differ, or `share` is out of range.

    Example:

    >>> one, other = sampler.draw_noise(1, seed=1), sampler.draw_noise(1, seed=2)
    >>> images = sampler(5, noise=kp.slerp(one, other, np.linspace(0, 1, 5)))

    Source: Shoemake 1985, "Animating rotation with quaternion curves", section 3.3; for
    the noise of diffusion models: Song et al. 2021 (arXiv:2010.02502), section D.5.
    """
    several = [isinstance(noise, list | tuple) for noise in (one, other)]
    if all(several):
        if len(one) != len(other):
            raise ValueError(
                "`one` and `other` must be noises of the same stages. Received: lists "
                f"of {len(one)} and {len(other)} arrays."
            )
        return [slerp(*pair, share) for pair in zip(one, other, strict=True)]
    one, other = _checks.array("one", one), _checks.array("other", other)
    if one.shape != other.shape or one.ndim < 2 or not one.size:
        raise ValueError(
            "`one` and `other` must be noises of one shape (B, H, W, C). Received: the "
            f"shapes {one.shape} and {other.shape}."
        )
    number = functools.partial(_checks.real, minimum=0, maximum=1)
    if isinstance(share, numbers.Real):
        share = (number("share", share),)
    else:
        wanted = "a number, or a list of numbers"
        share = _checks.sequence("share", share, number, wanted=wanted)
    if len(one) != len(share) and 1 not in (len(one), len(share)):
        raise ValueError(
            "`share` must be one number, or one for each noise. Received: "
            f"{len(share)} shares for {len(one)} noises."
        )
    flat = [x.reshape(len(x), -1).astype("float64") for x in (one, other)]
    norms = [np.linalg.norm(x, axis=1, keepdims=True) for x in flat]
    cosine = np.sum(flat[0] * flat[1], axis=1, keepdims=True)
    angle = np.arccos(np.clip(cosine / np.maximum(norms[0] * norms[1], 1e-12), -1, 1))
    share = np.array(share)[:, None]
    with np.errstate(invalid="ignore"):
        shares = [np.sin(x * angle) / np.sin(angle) for x in (1 - share, share)]
    straight = np.sin(angle) < 1e-6  # The same noise twice, or opposite ones.
    shares = [
        np.where(straight, x, along)
        for x, along in zip((1 - share, share), shares, strict=True)
    ]
    result = shares[0] * flat[0] + shares[1] * flat[1]
    return result.reshape(-1, *one.shape[1:]).astype("float32")
