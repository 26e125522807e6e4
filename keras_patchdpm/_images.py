"""Validates training images and scales them to [-1, 1]."""

import keras
import numpy as np
from keras import ops

from keras_patchdpm import _checks

_CHUNK = 256  # Images that are validated together.
_LIMIT = 1.5  # Resizing overshoots a little; values beyond this are of another range.


def to_range(images, image_shape):
    """Converts images to float32 in [-1, 1]; ints are assumed to be in [0, 255].

    `image_shape` is `None` for crops, which may have any size.
    """
    refuse_structures(images)
    images = ops.convert_to_tensor(images)
    if image_shape is not None:
        check_shape(images.shape, image_shape)
    whole = "int" in keras.backend.standardize_dtype(images.dtype)
    images = ops.cast(images, "float32")
    return images / 127.5 - 1.0 if whole else images


def refuse_structures(images):
    """Refuses a dict, list or tuple in place of one batch of images."""
    if isinstance(images, dict | list | tuple):
        raise ValueError(
            "The model trains on batches of images, and computes the inputs of its "
            "network from them. Pass batches of images, or `(images, labels)`. "
            f"Received: a {type(images).__name__} of {len(images)} entries."
        )


def and_places(data, patching):
    """Splits a batch into images and a dict of the pixels of their crops.

    If the patching cuts patches while batches are built, a batch is a dict of both.
    Otherwise a batch is images alone, and the returned dict is empty.
    """
    if not patching.cuts_batches:
        return data, {}
    if not isinstance(data, dict):
        raise ValueError(
            f"A {type(patching).__name__} cuts patches when batches are built. "
            "Train with `model.fit(images)`, or with batches of `patching.batches("
            f"images, batch_size, seed)`. Received: a {type(data).__name__}."
        )
    where = dict(data)
    return where.pop("images"), where


def check_shape(shape, image_shape):
    """Refuses images of another rank, size or number of channels than the model's."""
    rank = getattr(shape, "rank", len(shape) if shape is not None else None)
    if rank is None or (rank == 4 and None in tuple(shape[1:])):
        raise ValueError(
            "The data set does not state the size of its images. State it with "
            f"`dataset.map(lambda image: tf.ensure_shape(image, {tuple(image_shape)}))`"
            f" before the images are batched. Received: images of the shape {shape}."
        )
    if rank != 4 or tuple(shape[1:]) != tuple(image_shape):
        raise ValueError(
            f"The model needs images of the shape (batch, {str(tuple(image_shape))[1:]}"
            ". Resize or crop the images, or build a model for their size. "
            f"Received: images of the shape {tuple(shape)}."
        )


def check(images, image_shape, *, latents=False, warn=True):
    """Validates a batch, or a whole array of images: shape, type, range, NaN.

    Args:
        images: NumPy array.
        image_shape: `(height, width, channels)` of the model's images.
        latents: Bool. Whether the images are latents: floats of any range.
        warn: Bool. Whether to warn of floats in [0, 1], which may be a mistake.

    Raises:
        TypeError: If the images are neither uint8, other ints nor floats.
        ValueError: If the shape or the values are wrong.
    """
    kind = _kind(images, latents)
    check_shape(images.shape, image_shape)
    if not len(images):
        raise ValueError(
            f"There are no images. Received: images of the shape {images.shape}."
        )
    if images.dtype == np.uint8:
        return
    low, high = _range(images)
    if kind == "int":
        if low < 0 or high > 255:
            raise ValueError(
                "Int images must be in [0, 255]. "
                f"Received: {images.dtype} from {low} to {high}."
            )
    elif not latents:
        _check_floats(low, high, warn)


def _kind(images, latents):
    """The kind of the numbers, `"int"` or `"float"`; refuses other types."""
    name = str(images.dtype)
    kind = "float" if "float" in name else "int" if "int" in name else name
    if latents and kind != "float":
        raise TypeError(
            "A model of latents is trained on floats, as `LatentSpace.encode` returns "
            f"them. Received: images of the type {name}."
        )
    if kind not in ("int", "float") or name == "int8":
        raise TypeError(
            "Images must be uint8 in [0, 255] or floats in [-1, 1]. Convert them, such "
            f"as by `images.astype('uint8')`. Received: images of the type {name}."
        )
    return kind


def _check_floats(low, high, warn):
    """Refuses floats outside of [-1, 1]; warns of floats in [0, 1]."""
    scales = (
        "`images / 127.5 - 1` from [0, 255], `images * 2 - 1` from [0, 1], or, for "
        "other data such as reflectances, `2 * (images - low) / (high - low) - 1` with "
        "the least and the greatest value of each channel"
    )
    if low < -_LIMIT or high > _LIMIT:
        raise ValueError(
            "Float images must be in [-1, 1]. Pass uint8 images in [0, 255], or "
            f"scale them: {scales}. Received: values from {low:.5g} to {high:.5g}."
        )
    if warn and low >= 0:
        _checks.warn(
            "Float images are assumed to be in [-1, 1], but these are in "
            f"[{low:.3g}, {high:.3g}]. Pass uint8 images, or scale them: {scales}."
        )


def _range(images):
    """The smallest and the largest value; refuses NaN and infinity."""
    low, high = np.inf, -np.inf
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        if chunk.dtype.kind not in "fiu":  # bfloat16, which NumPy cannot compute in.
            chunk = chunk.astype("float32")
        least, greatest = chunk.min(), chunk.max()
        if not (np.isfinite(least) and np.isfinite(greatest)):
            bad = ~np.isfinite(chunk).all(axis=(1, 2, 3))
            raise ValueError(
                "The images contain NaN or infinity, first in image "
                f"{start + int(bad.argmax())}. Remove or repair that image. Received: "
                "values that are not finite."
            )
        low, high = min(low, least), max(high, greatest)
    return low, high
