"""Measures how visible the borders between patches are."""

import numpy as np

from keras_patchdpm import _checks
from keras_patchdpm.grid import PatchGrid


def seam_ratio(images, divisions):
    """Mean step across the inner borders of a grid, over the mean step elsewhere.

    A step is the absolute difference of two neighbouring pixels. The mean step, over
    images and channels, is computed across the borders of patches and across all other
    lines. The ratio of the two is averaged over the directions that are divided.
    Without seams it is the ratio of real images: about 1, unless their composition
    follows the grid.

    Args:
        images: Array of shape `(B, H, W, C)`, of any range.
        divisions: Positive int N (a grid of N x N) or a pair `(rows, cols)`, at least
            one of them above 1.

    Returns:
        Float, 0 or above.

    Raises:
        TypeError: If `images` holds no numbers, or `divisions` is neither an int nor
            two ints.
        ValueError: If `images` is empty or holds NaN or infinity, the grid has no inner
            border, the images do not divide into it, or the mean step elsewhere is 0.

    Example:

    >>> seam_ratio(samples, divisions=2) / seam_ratio(real_images, divisions=2)
    """
    images = _checks.array("images", images)
    height, width, _ = _checks.images("images", images)
    if not len(images) or not np.isfinite(images).all():
        raise ValueError(
            "`images` must contain at least one image, and no NaN or infinity. "
            f"Received: {_checks.received('images', images)}."
        )
    grid = PatchGrid(divisions)
    patch = grid.patch_size((height, width))
    if grid.num_patches == 1:
        raise ValueError(
            "A grid of one patch has no inner border. Choose `divisions` above 1. "
            f"Received: divisions={divisions}."
        )
    ratios = [
        _ratio(images, axis, size)
        for axis, size in zip((1, 2), patch, strict=True)
        if size < images.shape[axis]
    ]
    return float(np.mean(ratios))


def _ratio(images, axis, size):
    """The ratio along one axis, with a border after every `size` pixels."""
    steps = np.abs(np.diff(images.astype("float32"), axis=axis))
    others = tuple(other for other in range(4) if other != axis)
    lines = steps.mean(axis=others, dtype="float64")
    border = np.arange(1, len(lines) + 1) % size == 0
    elsewhere = lines[~border].mean() if not border.all() else 0.0
    if elsewhere == 0:
        raise ValueError(
            "The steps across borders have nothing to be compared with: along an axis, "
            "the patches have one pixel, or each patch has one colour. Choose other "
            f"`images` or `divisions`. Received: images of shape {images.shape}, "
            f"patches of {size} pixels along axis {axis}."
        )
    return lines[border].mean() / elsewhere
