"""What goes into training: images, looked at before they are used."""

import warnings

import keras
import numpy as np
from keras import ops

from keras_patchdpm.models._crops import has_crops

_CHUNK = 256  # Images looked at together.


def to_range(images, image_shape):
    """Images as floats in [-1, 1]; ints are taken as [0, 255].

    `image_shape` is `None` for crops, whose size is any.
    """
    if isinstance(images, dict | list | tuple):
        raise ValueError(
            "The model trains on one batch of images, from which it makes the inputs "
            f"of the network itself. Received: a {type(images).__name__} of "
            f"{len(images)}."
        )
    images = ops.convert_to_tensor(images)
    if image_shape is not None:
        check_shape(images.shape, image_shape)
    whole = "int" in keras.backend.standardize_dtype(images.dtype)
    images = ops.cast(images, "float32")
    return images / 127.5 - 1.0 if whole else images


def and_places(data, patching):
    """Images, and a dict of where crops of them lie: empty but for a `RandomPatching`.

    Its crops are cut while batches are made, so a batch holds both.
    """
    if not has_crops(patching):
        return data, {}
    if not isinstance(data, dict):
        raise ValueError(
            "A RandomPatching cuts its crops while batches are made. Train with "
            "`model.fit(images)`, or with what `patching.batches(images, batch_size, "
            f"seed)` gives. Received: a {type(data).__name__}."
        )
    where = dict(data)
    return where.pop("images"), where


def check_shape(shape, image_shape):
    """Refuses batches of images of another rank, size or channels than the model's."""
    if len(shape) != 4 or tuple(shape[1:]) != tuple(image_shape):
        raise ValueError(
            f"The model takes images of the shape (batch, {str(tuple(image_shape))[1:]}"
            ". Resize or crop them, or build a model of their size. "
            f"Received: images of the shape {tuple(shape)}."
        )


def per_image(sample_weight):
    """Sample weights as floats of shape `(B,)`."""
    shape = tuple(sample_weight.shape)
    if len(shape) != 1 and shape[1:] != (1,):
        raise ValueError(
            "`sample_weight` must hold one number per image. "
            f"Received: a shape of {shape}."
        )
    return ops.reshape(ops.cast(sample_weight, "float32"), (-1,))


def check(images, image_shape, latents=False):
    """Looks at images given to `fit`, if they can be: shape, range, NaN."""
    if images is None:
        return
    check_shape(images.shape, image_shape)
    if not len(images):
        raise ValueError(f"There are no images. Received: a shape of {images.shape}.")
    if latents and not np.issubdtype(images.dtype, np.floating):
        raise TypeError(
            "A model of latents is trained on floats, as `LatentSpace.encode` gives "
            f"them. Received: {images.dtype}."
        )
    if images.dtype == np.uint8:
        return
    low, high = _range(images)
    if np.issubdtype(images.dtype, np.integer):
        if low < 0 or high > 255:
            raise ValueError(
                "Images of ints must lie in [0, 255]. "
                f"Received: {images.dtype} from {low} to {high}."
            )
    elif not latents and (low >= 0 or low < -1.5 or high > 1.5):
        warnings.warn(
            "Float images are taken to lie in [-1, 1], but these lie in "
            f"[{low:.3g}, {high:.3g}]. Pass uint8 images, or scale them: "
            "`images / 127.5 - 1` from [0, 255], `images * 2 - 1` from [0, 1].",
            stacklevel=5,
        )


def first_batch(data):
    """Images and labels that can be looked at beforehand, as NumPy, or `None`.

    All of an array; of a data set its first batch, if it can be had without using it
    up.
    """
    if isinstance(data, keras.utils.PyDataset):
        data = data[0]
    elif hasattr(data, "take") and hasattr(data, "element_spec"):  # tf.data
        data = next(iter(data.take(1)), None)
    elif hasattr(data, "dataset") and hasattr(data, "collate_fn"):  # torch
        try:
            data = data.collate_fn([data.dataset[0]])
        except (NotImplementedError, TypeError):  # Made to be run through only.
            return None, None
    elif not hasattr(data, "shape"):
        return None, None
    labels = None
    while isinstance(data, list | tuple) and data:
        data, labels = data[0], data[1] if len(data) > 1 else labels
    return _as_numpy(data), _as_numpy(labels)


def _as_numpy(data):
    if isinstance(data, np.ndarray):
        return data  # As it is: a copy may not fit into memory.
    return np.asarray(ops.convert_to_numpy(data)) if hasattr(data, "shape") else None


def _range(images):
    """The least and the greatest value, which must be numbers."""
    low, high = np.inf, -np.inf
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        bad = ~np.isfinite(chunk).all(axis=(1, 2, 3))
        if bad.any():
            raise ValueError(
                "`images` holds NaN or infinity, first in image "
                f"{start + int(bad.argmax())}. Remove or mend it."
            )
        low, high = min(low, chunk.min()), max(high, chunk.max())
    return low, high
