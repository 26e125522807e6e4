"""Detects generated images that are copies of training images."""

import numpy as np

from keras_patchdpm import _checks

NEAR = 1 / 3  # Share of the distance to the second nearest image.
ROWS = 512  # Training images that are compared at a time.


def copies(samples, training_images):
    """Share of samples that are copies of a training image.

    A sample is a copy if the distance to its nearest training image, mirrored or not,
    is below a third of the distance to the second nearest. Distances are Euclidean,
    over all pixels: copies of whole images are found, copies of parts are not. If an
    image is twice in the training images, copies of it are not found.

    Args:
        samples: Array of shape `(B, H, W, C)`, of any range.
        training_images: Array of shape `(K, H, W, C)` of the same range, with K of at
            least 2. Shrink larger images to 32 x 32 pixels first, which is faster.

    Returns:
        Float in [0, 1].

    Raises:
        TypeError: If an argument holds no numbers.
        ValueError: If an argument holds no image, or too few, or NaN or infinity, or
            the images differ in size.

    Example:

    >>> copies(model.sampler(model.tiled(1))(500), training_images)
    0.0

    Source: arXiv:2505.16959.
    """
    samples = _images("samples", samples, 1)
    training = _images("training_images", training_images, 2)
    if samples.shape[1:] != training.shape[1:]:
        raise ValueError(
            "`samples` and `training_images` must be images of the same size. "
            f"Received: {samples.shape[1:]} and {training.shape[1:]}."
        )
    flat = samples.reshape(len(samples), -1)
    own = np.einsum("bd,bd->b", flat, flat)[:, None]
    two = np.full((len(flat), 2), np.inf)  # The two smallest squared distances so far.
    for start in range(0, len(training), ROWS):
        part = training[start : start + ROWS]
        mirrored = part[:, :, ::-1]
        found = np.minimum(_squared(flat, own, part), _squared(flat, own, mirrored))
        two = np.sort(np.concatenate([two, found], axis=1), axis=1)[:, :2]
    nearest, second = np.sqrt(two).T
    return float(np.mean(nearest < NEAR * second))


def _squared(flat, own, images):
    """Squared distances of each sample to each image."""
    others = images.reshape(len(images), -1)
    squares = np.einsum("kd,kd->k", others, others)
    return np.maximum(own + squares - 2 * flat @ others.T, 0)


def _images(name, images, least):
    """Validates images and converts them to floats."""
    images = _checks.array(name, images)
    _checks.images(name, images)
    if len(images) < least or not np.isfinite(images).all():
        raise ValueError(
            f"`{name}` must contain at least {least} images, and no NaN or infinity. "
            f"Received: {_checks.received(name, images)}."
        )
    return images.astype("float64")
