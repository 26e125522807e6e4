"""Images of another size, by two matrices: the same numbers on every backend."""

import functools

import numpy as np
from keras import ops

from keras_patchdpm import _checks


def shrink(images, size):
    """The mean over the area that each new pixel covers.

    Where the sizes divide, it is average pooling.

    Args:
        images: Float tensor or array of shape `(B, H, W, C)`.
        size: `(height, width)`, no larger than the images'.

    Returns:
        Tensor of shape `(B, height, width, C)`.

    Raises:
        TypeError: If `images` is no array or tensor, or `size` not two ints.
        ValueError: If `size` is larger.
    """
    old, size = _sizes(images, size)
    if size[0] > old[0] or size[1] > old[1]:
        raise ValueError(
            f"`size` must be no larger than the images of {old[0]}x{old[1]} pixels. "
            f"Use `enlarge`, or choose a smaller one. Received: size={size}."
        )
    return _resize(images, size, _area)


def enlarge(images, size):
    """A cubic B-spline over the pixels: a blur, without a trace of their grid.

    Interpolation goes through the old pixels, and so shows where they were: of faces
    enlarged twofold, bilinear, every second step between pixels is 24 % larger.

    Args:
        images: Float tensor or array of shape `(B, H, W, C)`.
        size: `(height, width)`, no smaller than the images'.

    Returns:
        Tensor of shape `(B, height, width, C)`.

    Raises:
        TypeError: If `images` is no array or tensor, or `size` not two ints.
        ValueError: If `size` is smaller.
    """
    size = _enlarged(images, size)
    return _resize(images, size, _spline)


def enlarge_part(images, size, part):
    """A part of what `enlarge` gives, in NumPy: for the sampler, patch by patch.

    Args:
        images: Float array of shape `(B, H, W, C)`.
        size: `(height, width)` of the whole, no smaller than the images'.
        part: Two slices of its rows and columns.

    Returns:
        Array of shape `(B, h, w, C)`, of the size of the part.
    """
    size = _enlarged(images, size)
    (down, rows), (across, cols) = (
        _used(_spline(*sizes)[wanted])
        for *sizes, wanted in zip(images.shape[1:3], size, part, strict=True)
    )
    used = images[:, rows, cols]
    # By one axis after the other: both at once is many times the work in NumPy.
    used = np.einsum("hH,bHWc->bhWc", down.astype(images.dtype), used, optimize=True)
    return np.einsum("wW,bhWc->bhwc", across.astype(images.dtype), used, optimize=True)


class Enlarged:
    """Images that `enlarge` enlarges, as a whole or in parts, when they are needed.

    Args:
        images: Float array or tensor of shape `(B, H, W, C)`.
        size: `(height, width)` of the enlarged images.
    """

    def __init__(self, images, size):
        self.images, self.size = images, size

    def whole(self):
        """All of the enlarged images, a tensor."""
        return enlarge(self.images, self.size)

    def part(self, window):
        """Two slices of them, an array: see `enlarge_part`."""
        return enlarge_part(self.images, self.size, window)


def _sizes(images, size):
    """Old and new `(height, width)`, both checked."""
    old = _checks.images("images", images)[:2]
    return old, _checks.sequence("size", size, _checks.positive_int, count=2)


def _enlarged(images, size):
    """The new `(height, width)`, which must be no smaller than the old one."""
    old, size = _sizes(images, size)
    if size[0] < old[0] or size[1] < old[1]:
        raise ValueError(
            f"`size` must be no smaller than the images of {old[0]}x{old[1]} pixels. "
            f"Use `shrink`, or choose a larger one. Received: size={size}."
        )
    return size


def _resize(images, size, matrix):
    down, across = (
        ops.cast(matrix(*sizes), images.dtype)
        for sizes in zip(images.shape[1:3], size, strict=True)
    )
    return ops.einsum("hH,wW,bHWc->bhwc", down, across, images)


def _used(matrix):
    """The columns of a matrix that are not all zero, and their slice."""
    columns = np.flatnonzero(matrix.any(axis=0))
    columns = slice(columns[0], columns[-1] + 1)
    return matrix[:, columns], columns


def _area(source, target):
    """Rows: new pixels; columns: the share of each old one in it."""
    edges = np.linspace(0, source, target + 1)[:, None]
    covered = np.clip(edges - np.arange(source), 0, 1)  # Of each old pixel, so far.
    return np.diff(covered, axis=0) * target / source


@functools.lru_cache(maxsize=64)  # The sampler asks for it at every patch.
def _spline(source, target):
    """Rows: new pixels; columns: the weight of each old one in it."""
    centres = (np.arange(target) + 0.5) * source / target - 0.5
    # Two more old pixels at either side, which repeat the one at the edge.
    apart = np.abs(centres[:, None] - np.arange(-2, source + 2))
    weights = (np.maximum(2 - apart, 0) ** 3 - 4 * np.maximum(1 - apart, 0) ** 3) / 6
    weights[:, 2] += weights[:, :2].sum(axis=1)
    weights[:, -3] += weights[:, -2:].sum(axis=1)
    return weights[:, 2:-2]
