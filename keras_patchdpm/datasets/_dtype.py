"""Converts images back to their type after a computation in floats."""

import numpy as np


def in_dtype(images, dtype):
    """Converts floats to `dtype`; for ints, rounds and clips to [0, 255]."""
    if np.issubdtype(dtype, np.integer):
        images = np.rint(images).clip(0, 255)
    return images.astype(dtype)
