"""Reads images from TensorFlow Datasets."""

import difflib
import functools

import numpy as np
from PIL import Image

from keras_patchdpm.datasets._skipped import Unreadable


def tfds_images(name, split, part=None):
    """`(count, items)` for a data set, as `folder_images` returns them for a folder.

    Args:
        name: String. Name of the data set, such as `"celeb_a"`.
        split: String, such as `"train"`.
        part: Function of the number of images, which returns the first index and that
            after the last one. Default `None`: all images.

    Raises:
        ImportError: If `tensorflow-datasets` is not installed.
        ValueError: If there is no such data set or split.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            "TensorFlow Datasets is needed to load this data set: "
            f"pip install 'keras-patchdpm[data]'. Received: 'tfds:{name}'."
        ) from error
    try:
        dataset = tfds.load(name, split=split, shuffle_files=False)
    except tfds.core.DatasetNotFoundError as error:
        close = difflib.get_close_matches(name, tfds.list_builders(), n=3)
        hint = f" Close names: {', '.join(close)}." if close else ""
        raise ValueError(
            "TensorFlow Datasets has no data set of that name. List the names with "
            f"`tensorflow_datasets.list_builders()`.{hint} Received: 'tfds:{name}'."
        ) from error
    except ValueError as error:  # The name is malformed, or there is no such split.
        raise ValueError(
            f"TensorFlow Datasets cannot load 'tfds:{name}': "
            f"{' '.join(str(error).split())} "
            f"Received: source='tfds:{name}', split={split!r}."
        ) from error
    if part is not None:
        first, last = part(len(dataset))
        dataset = dataset.skip(first).take(last - first)
    items = (
        (f"image {number}", functools.partial(_read, example))
        for number, example in enumerate(tfds.as_numpy(dataset))
    )
    return len(dataset), items


def _read(example):
    """The image of an example; grey becomes RGB."""
    image = example.get("image") if isinstance(example, dict) else None
    if image is None:
        raise Unreadable("without an entry 'image'")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise Unreadable(
            "not uint8 with 1 or 3 channels", f"{image.dtype} {image.shape}"
        )
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
