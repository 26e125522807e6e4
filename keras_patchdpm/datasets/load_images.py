"""Images from a folder, an array file or TensorFlow Datasets, as one uint8 array."""

import pathlib

import numpy as np

from keras_patchdpm import _checks

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def load_images(source, image_size, split="train", limit=None):
    """Reads images, crops them to their middle and resizes them.

    Args:
        source: Path of a folder of images (searched through), path of a `.npy` array
            `(count, H, W, 3)` of uint8, or `"tfds:NAME"`, such as `"tfds:celeb_a"`.
        image_size: Positive int or pair `(height, width)`.
        split: Split of a TensorFlow data set.
        limit: Positive int or `None`. Images to read at most.

    Returns:
        Uint8 array of shape `(count, height, width, 3)`.

    Raises:
        ImportError: If `tensorflow-datasets` is needed and missing.
        ValueError: If there is no such source, or no image in it.

    Example:

    >>> images = load_images("photos/", image_size=64)
    """
    size = _checks.pair("image_size", image_size)
    if str(source).startswith("tfds:"):
        found = _from_tfds(str(source).removeprefix("tfds:"), split)
    elif pathlib.Path(source).suffix == ".npy":
        found = _from_array(source, size, limit)
        if isinstance(found, np.ndarray):
            return found
    else:
        found = _from_folder(pathlib.Path(source))
    images = []
    for image in found:
        images.append(_fit(image, size))
        if limit is not None and len(images) >= limit:
            break
    if not images:
        raise ValueError(f"There is no image in {source}. Received: source={source!r}.")
    return np.stack(images)


def _from_array(path, size, limit):
    """The array itself where it has the right size: a memory map, not a copy."""
    images = np.load(path, mmap_mode="r", allow_pickle=False)
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        raise ValueError(
            "An array of images must be uint8 of shape (count, height, width, 3). "
            f"Received: {path} of {images.dtype} {images.shape}."
        )
    return images[:limit] if images.shape[1:3] == size else iter(images)


def _from_folder(folder):
    if not folder.is_dir():
        raise ValueError(
            "`source` must be a folder of images, a .npy array or 'tfds:NAME'. "
            f"Received: source={str(folder)!r}, which is no folder."
        )
    from PIL import Image

    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            with Image.open(path) as image:
                yield np.asarray(image.convert("RGB"))


def _from_tfds(name, split):
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            "TensorFlow Datasets is needed to load this data set: "
            f"pip install 'keras-patchdpm[data]'. Received: 'tfds:{name}'."
        ) from error
    for example in tfds.as_numpy(tfds.load(name, split=split, shuffle_files=False)):
        yield example["image"]


def _fit(image, size):
    """Crops the middle to the shape of `size`, then resizes."""
    from PIL import Image, ImageOps

    height, width = size
    if image.shape[-1] == 1:
        image = np.repeat(image, 3, axis=-1)
    if image.shape[:2] == size:
        return np.asarray(image)
    fitted = ImageOps.fit(Image.fromarray(image), (width, height), Image.BICUBIC)
    return np.asarray(fitted)
