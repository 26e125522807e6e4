"""Images laid out in one picture."""

import math
import os
import pathlib

import numpy as np

from keras_patchdpm import _checks


def tile(images, columns=None, margin=2):
    """Lays images out in rows, white between them.

    Args:
        images: Uint8 array of shape `(count, H, W, C)`.
        columns: Positive int, or `None` for a picture about as wide as high.
        margin: Int of at least 0. Pixels between the images.

    Returns:
        Uint8 array of shape `(height, width, C)`.
    """
    height, width, channels = _checks.image_shape("images", images.shape)
    columns = columns or math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    size = (rows * (height + margin) - margin, columns * (width + margin) - margin)
    picture = np.full((*size, channels), 255, "uint8")
    for index, image in enumerate(images):
        row, col = divmod(index, columns)
        top, left = row * (height + margin), col * (width + margin)
        picture[top : top + height, left : left + width] = image
    return picture


def save_picture(images, path, columns=None):
    """Writes images into one picture, whole or not at all.

    Args:
        images: Uint8 array of shape `(count, H, W, C)`, C being 1 or 3.
        path: Of the picture; its ending says its format.
        columns: As in `tile`.
    """
    from PIL import Image

    path = pathlib.Path(path)
    picture = tile(images, columns)
    picture = picture[..., 0] if picture.shape[-1] == 1 else picture
    temporary = path.with_name(f"{path.stem}.{os.getpid()}.part{path.suffix}")
    Image.fromarray(picture).save(temporary)
    os.replace(temporary, path)
