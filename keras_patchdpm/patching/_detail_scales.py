"""Measures how much the detail of images varies, for the stages of a cascade."""

import numpy as np
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm.patching.cascade_patching import CascadePatching
from keras_patchdpm.resize import enlarge, shrink

MOST = 512  # Images that are measured.


def detail_scales(images, divisions):
    """Measures the `detail_scale` of a `CascadePatching` from images.

    The detail of a stage over its scale then has the standard deviation of the images.

    Args:
        images: Array of shape `(count, H, W, C)` in any range. Up to 512 of them,
            evenly spread, are measured.
        divisions: Int N, that of the patching.

    Returns:
        List of floats, one for each stage after the first.

    Raises:
        ValueError: If `images` are no images, do not divide, or a stage has no detail.

    Example:

    >>> scales = kp.patching.detail_scales(images, 4)
    >>> patching = kp.CascadePatching(4, detail_scale=scales)
    """
    images = _checks.array("images", images)
    _checks.images("images", images)
    tilings = CascadePatching(divisions).tilings(images.shape[1:3])
    chosen = np.linspace(0, len(images) - 1, min(len(images), MOST)).astype(int)
    images = images[chosen].astype("float32")
    if not np.isfinite(images).all():
        raise ValueError(
            "`images` must be finite, without NaN. Remove or repair the images that "
            f"are not. Received: images of shape {images.shape}."
        )
    sizes = [tiling.image_size for tiling in tilings]
    stages = [ops.convert_to_numpy(shrink(images, size)) for size in sizes]
    scales = []
    for size, smaller, larger in zip(sizes[1:], stages, stages[1:], strict=False):
        detail = larger - ops.convert_to_numpy(enlarge(smaller, size))
        scales.append(float(detail.std() / larger.std()) if detail.any() else 0.0)
    if 0.0 in scales:
        raise ValueError(
            "The images are the same when they are shrunk and enlarged again, so they "
            "have no detail to generate. Use images with content. "
            f"Received: images of shape {tuple(images.shape)}, divisions={divisions}."
        )
    return scales
