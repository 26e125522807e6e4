"""Resizes images by two matrices, with the same numbers on every backend."""

import functools

import numpy as np
from keras import ops

from keras_patchdpm import _checks


def shrink(images, size):
    """Resizes images to a smaller size: the mean over the area of each new pixel.

    If the old size is a multiple of the new one, it is average pooling.

    Args:
        images: Float tensor or array of shape `(B, H, W, C)`.
        size: `(height, width)`, no larger than that of the images.

    Returns:
        Tensor of shape `(B, height, width, C)`.

    Raises:
        TypeError: If `images` is no array or tensor, or `size` not two ints.
        ValueError: If `size` is larger than that of the images.
    """
    old, size = _sizes(images, size)
    if size[0] > old[0] or size[1] > old[1]:
        raise ValueError(
            f"`size` must be no larger than the images of {old[0]}x{old[1]} pixels. "
            f"Use `enlarge`, or choose a smaller `size`. Received: size={size}."
        )
    return _resize(images, size, _area)


def enlarge(images, size):
    """Resizes images to a larger size with a cubic B-spline, which blurs them slightly.

    Interpolation would keep the values of the old pixels, so that their grid is
    visible: after bilinear interpolation of faces to twice the size, every second
    difference between neighbouring pixels is 24 % larger. The B-spline has no such
    pattern.

    Args:
        images: Float tensor or array of shape `(B, H, W, C)`.
        size: `(height, width)`, no smaller than that of the images.

    Returns:
        Tensor of shape `(B, height, width, C)`.

    Raises:
        TypeError: If `images` is no array or tensor, or `size` not two ints.
        ValueError: If `size` is smaller than that of the images.
    """
    size = _enlarged(images, size)
    return _resize(images, size, _spline)


def enlarge_part(images, size, part):
    """A part of the images of `enlarge`, in NumPy; the sampler needs it per patch.

    Args:
        images: Float array of shape `(B, H, W, C)`.
        size: `(height, width)` of the enlarged images.
        part: Two slices of the rows and columns of the enlarged images.

    Returns:
        Array of shape `(B, h, w, C)`, of the size of the part.
    """
    size = _enlarged(images, size)
    (down, rows), (across, cols) = (
        _used(_spline(*sizes)[wanted])
        for *sizes, wanted in zip(images.shape[1:3], size, part, strict=True)
    )
    used = images[:, rows, cols]
    # One axis after the other: both at once is many times slower in NumPy.
    used = np.einsum("hH,bHWc->bhWc", down.astype(images.dtype), used, optimize=True)
    return np.einsum("wW,bhWc->bhwc", across.astype(images.dtype), used, optimize=True)


class Enlarged:
    """Images that are enlarged when they are needed, as a whole or in parts.

    Args:
        images: Float array or tensor of shape `(B, H, W, C)`.
        size: `(height, width)` of the enlarged images.
    """

    def __init__(self, images, size):
        self.images, self.size = images, size

    def whole(self):
        """The whole enlarged images, a tensor."""
        return enlarge(self.images, self.size)

    def part(self, window):
        """A part of the enlarged images, an array; `window` is two slices."""
        return enlarge_part(self.images, self.size, window)


def _sizes(images, size):
    """Validates and returns the old and the new `(height, width)`."""
    old = _checks.images("images", images)[:2]
    return old, _checks.sequence("size", size, _checks.positive_int, count=2)


def _enlarged(images, size):
    """Validates and returns the new `(height, width)`, no smaller than the old one."""
    old, size = _sizes(images, size)
    if size[0] < old[0] or size[1] < old[1]:
        raise ValueError(
            f"`size` must be no smaller than the images of {old[0]}x{old[1]} pixels. "
            f"Use `shrink`, or choose a larger `size`. Received: size={size}."
        )
    return size


def _resize(images, size, matrix):
    down, across = (
        ops.cast(matrix(*sizes), images.dtype)
        for sizes in zip(images.shape[1:3], size, strict=True)
    )
    return ops.einsum("hH,wW,bHWc->bhwc", down, across, images)


def _used(matrix):
    """The matrix from its first to its last non-zero column, and their slice."""
    columns = np.flatnonzero(matrix.any(axis=0))
    columns = slice(columns[0], columns[-1] + 1)
    return matrix[:, columns], columns


def _area(source, target):
    """Matrix of the share of each old pixel (column) in each new pixel (row)."""
    edges = np.linspace(0, source, target + 1)[:, None]
    covered = np.clip(edges - np.arange(source), 0, 1)  # Of each old pixel, cumulated.
    return np.diff(covered, axis=0) * target / source


@functools.lru_cache(maxsize=64)  # The sampler needs it for every patch.
def _spline(source, target):
    """Matrix of the weight of each old pixel (column) in each new pixel (row)."""
    centres = (np.arange(target) + 0.5) * source / target - 0.5
    # Two more old pixels on each side repeat the pixel at the edge.
    apart = np.abs(centres[:, None] - np.arange(-2, source + 2))
    weights = (np.maximum(2 - apart, 0) ** 3 - 4 * np.maximum(1 - apart, 0) ** 3) / 6
    weights[:, 2] += weights[:, :2].sum(axis=1)
    weights[:, -3] += weights[:, -2:].sum(axis=1)
    return weights[:, 2:-2]
