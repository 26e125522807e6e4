"""The sizes of random crops, and how often each is used in training."""

import warnings

import numpy as np

from keras_patchdpm import _checks


def check_fractions(fractions):
    """Validates the sides of the crops, divided by those of the image."""
    return _checks.sequence("fractions", fractions, _fraction)


def sizes(fractions, image_size):
    """The `(h, w)` of the crops of each fraction, a list.

    Raises:
        ValueError: If a size is no whole number of pixels.
    """
    found = []
    for fraction in fractions:
        size = [fraction * side for side in image_size]
        if any(abs(side - round(side)) > 1e-6 or side < 1 for side in size):
            raise ValueError(
                "Each side of a crop must be a whole number of pixels, but "
                f"{fraction} of {image_size} is not. Choose other `fractions`, or "
                f"another `image_size`. Received: fractions={fractions}."
            )
        found.append(tuple(round(side) for side in size))
    return found


def probabilities_of_wang(fractions, full):
    """The probabilities of Wang et al., for any number of sizes, a tuple.

    Args:
        fractions: Floats.
        full: Float in [0, 1]. Probability of the largest size.
    """
    ranks = np.argsort(np.argsort(fractions))
    largest = ranks == len(fractions) - 1
    if len(fractions) == 1:
        return (1.0,)
    shares = np.where(largest, 0, ranks + 2)
    return tuple(np.where(largest, full, (1 - full) * shares / shares.sum()).tolist())


def check_probabilities(probabilities, fractions):
    """Validates the probability of each fraction."""
    found = _checks.sequence("probabilities", probabilities, _probability)
    check_length("probabilities", found, fractions)
    if abs(sum(found) - 1) > 1e-6:
        raise ValueError(
            "`probabilities` must sum to 1. Received: probabilities="
            f"{list(found)}, whose sum is {sum(found):.6g}."
        )
    return found


def check_length(name, values, fractions):
    """Refuses `values` that are not one for each fraction."""
    if len(values) != len(fractions):
        raise ValueError(
            f"`{name}` must contain one number for each of the {len(fractions)} "
            f"`fractions`. Received: {name}={list(values)}."
        )


def check_pooling(sizes, fractions, image_size):
    """Refuses crops to whose size the image cannot be pooled."""
    for (h, w), fraction in zip(sizes, fractions, strict=True):
        if image_size[0] % h or image_size[1] % w:
            raise ValueError(
                "With `content`, the image is pooled to the size of a crop, so each "
                "side of the image must be a multiple of that side of the crop. Choose "
                f"other `fractions`. Received: fractions={list(fractions)}, of which "
                f"{fraction} does not fit."
            )


def _fraction(name, value):
    return _checks.real(name, value, minimum=1e-6, maximum=1)


def _probability(name, value):
    return _checks.real(name, value, minimum=0, maximum=1)


def other_size(image_size, trained, *, coordinates):
    """Validates `image_size` of `tiled`; warns if coordinates do not suit it.

    Args:
        image_size: Positive int or pair `(height, width)`.
        trained: `(height, width)` of the training images.
        coordinates: Bool. Whether the network receives coordinates.

    Returns:
        `(height, width)`.
    """
    size = _checks.pair("image_size", image_size)
    if coordinates and size != trained:
        height, width = trained
        warnings.warn(
            "The network is conditioned on the coordinates of every pixel, and was "
            f"trained on images of {height}x{width} pixels. In images of another "
            "size, the coordinates of neighbouring pixels are closer together or "
            "further apart. Train the network on images of that size, or without "
            f"`coordinates`. Received: image_size={image_size}.",
            stacklevel=5,
        )
    return size
