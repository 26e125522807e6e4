"""Resizes images for the network of an extractor."""

import numpy as np
from keras import ops
from PIL import Image


def bicubic(images, size):
    """Resizes as clean-fid does: Pillow's bicubic filter, each channel in float32.

    The filter is antialiased: it is as wide as the area of a new pixel. Results are
    clipped to [0, 255] and are not rounded.

    Args:
        images: Uint8 array of shape `(B, H, W, 3)`.
        size: `(height, width)`.

    Returns:
        Float32 array of shape `(B, height, width, 3)`.

    Source: Parmar, Zhang & Zhu 2022 (arXiv:2104.11222).
    """
    resized = np.empty((len(images), *size, 3), "float32")
    for image, new in zip(images, resized, strict=True):
        for channel in range(3):
            plane = Image.fromarray(image[..., channel].astype("float32"))
            plane = plane.resize(size[::-1], Image.Resampling.BICUBIC)
            new[..., channel] = plane
    return resized.clip(0, 255)


def bilinear(images, size):
    """Resizes bilinearly, between the four nearest pixels: without antialiasing.

    Args:
        images: Uint8 array of shape `(B, H, W, 3)`.
        size: `(height, width)`.

    Returns:
        Float32 array of shape `(B, height, width, 3)`.
    """
    resized = ops.image.resize(
        images.astype("float32"),
        size,
        interpolation="bilinear",
        antialias=False,
        data_format="channels_last",
    )
    return ops.convert_to_numpy(resized)


# The name of each function, and what results say of it.
RESIZINGS = {
    "bicubic": (bicubic, "antialiased bicubic (Pillow)"),
    "bilinear": (bilinear, "bilinear without antialiasing"),
}
