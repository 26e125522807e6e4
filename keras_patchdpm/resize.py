"""Images of another size, by two matrices: the same numbers on every backend."""

import numpy as np
from keras import ops


def shrink(images, size):
    """The mean over the area that each new pixel covers.

    Where the sizes divide, it is average pooling.

    Args:
        images: Float tensor or array of shape `(B, H, W, C)`.
        size: `(height, width)`, no larger than the images'.

    Returns:
        Tensor of shape `(B, height, width, C)`.
    """
    return _resize(images, size, _area)


def enlarge(images, size, part=(slice(None), slice(None))):
    """A cubic B-spline over the pixels: a blur, without a trace of their grid.

    Interpolation goes through the old pixels, and so shows where they were: of faces
    enlarged twofold, bilinear, every second step between pixels is 24 % larger.

    Args:
        images: Float tensor or array of shape `(B, H, W, C)`.
        size: `(height, width)`, no smaller than the images'.
        part: Two slices of new rows and columns that are wanted, all unless given.

    Returns:
        Tensor of shape `(B, height, width, C)`, or of the part.
    """
    return _resize(images, size, _spline, part)


def _resize(images, size, matrix, part=(slice(None), slice(None))):
    down, across = (
        ops.cast(matrix(*sizes)[wanted], images.dtype)
        for *sizes, wanted in zip(images.shape[1:3], size, part, strict=True)
    )
    return ops.einsum("hH,wW,bHWc->bhwc", down, across, images)


def _area(source, target):
    """Rows: new pixels; columns: the share of each old one in it."""
    edges = np.linspace(0, source, target + 1)[:, None]
    covered = np.clip(edges - np.arange(source), 0, 1)  # Of each old pixel, so far.
    return np.diff(covered, axis=0) * target / source


def _spline(source, target):
    """Rows: new pixels; columns: the weight of each old one in it."""
    centres = (np.arange(target) + 0.5) * source / target - 0.5
    # Two more old pixels at either side, which repeat the one at the edge.
    apart = np.abs(centres[:, None] - np.arange(-2, source + 2))
    weights = (np.maximum(2 - apart, 0) ** 3 - 4 * np.maximum(1 - apart, 0) ** 3) / 6
    weights[:, 2] += weights[:, :2].sum(axis=1)
    weights[:, -3] += weights[:, -2:].sum(axis=1)
    return weights[:, 2:-2]
