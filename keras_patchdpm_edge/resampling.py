"""Resizes images by two sparse matrices, which the description of a model has."""

import numpy as np


def resample(image, rows, cols):
    """Resizes an image along both axes.

    Args:
        image: Float32 array of shape `(H, W, C)`.
        rows, cols: Matrices for the two axes: for each new pixel a list of the first
            old pixel, and the weights of this and the following ones.

    Returns:
        Float32 array of shape `(len(rows), len(cols), C)`.
    """
    image = np.stack([_weighted(image, *row) for row in rows])
    columns = [_weighted(image.swapaxes(0, 1), *col) for col in cols]
    return np.stack(columns, axis=1)


def _weighted(lines, first, *weights):
    """The weighted sum of some lines of pixels."""
    used = lines[first : first + len(weights)]
    return np.tensordot(np.array(weights, "float32"), used, axes=1)
