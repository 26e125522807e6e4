"""Images that were computed on, in the type that they had."""

import numpy as np


def in_dtype(images, dtype):
    """Floats as `dtype`; ints are rounded, and kept in [0, 255]."""
    if np.issubdtype(dtype, np.integer):
        images = np.rint(images).clip(0, 255)
    return images.astype(dtype)
