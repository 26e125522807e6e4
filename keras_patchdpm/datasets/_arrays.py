"""Arrays of images: whether they fit into memory, and their type."""

import numpy as np
import psutil

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def check_fits(num_bytes, received):
    """Refuses an array that is larger than the machine's memory, before allocation.

    The system may allocate such an array, and end the process when it is written to.

    Args:
        num_bytes: Int. Size of the array.
        received: String. The arguments that lead to this size, such as `"count=3"`.

    Raises:
        ValueError: If the array is larger than the memory.
    """
    total = psutil.virtual_memory().total
    if num_bytes > total:
        raise ValueError(
            f"The images need {_text(num_bytes)} of memory, and this machine has "
            f"{_text(total)}. Choose fewer or smaller images. Received: {received}."
        )


def _text(num_bytes):
    """`num_bytes` as text, in the largest unit in which it is at least 1."""
    power = min((max(num_bytes, 1).bit_length() - 1) // 10, len(_UNITS) - 1)
    return f"{num_bytes / 2 ** (10 * power):.4g} {_UNITS[power]}"


def in_dtype(images, dtype):
    """Converts floats to `dtype`; for ints, rounds and clips to [0, 255]."""
    if np.issubdtype(dtype, np.integer):
        images = np.rint(images).clip(0, 255)
    return images.astype(dtype)
