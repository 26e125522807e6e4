"""What goes into a model: images, and a network that fits its patching."""

import warnings

import keras
import numpy as np
from keras import ops

from keras_patchdpm import _checks

_CHUNK = 256  # Images looked at together.


def check_seed(name, seed):
    """Refuses seeds that a backend cannot hold."""
    _checks.integer(name, seed, 0, 2**31 - 1)


def patch_shape(network):
    """`(h, w, C)` of the network's input `noisy`."""
    inputs = network.input
    if not isinstance(inputs, dict) or not {"noisy", "level"} <= set(inputs):
        found = sorted(inputs) if isinstance(inputs, dict) else type(inputs).__name__
        raise ValueError(
            "`network` must be a functional model over a dict of inputs that holds "
            f"at least 'noisy' and 'level'. Received: inputs {found}."
        )
    return tuple(inputs["noisy"].shape[1:])


def check_network(network, specs):
    """Refuses a network whose inputs are not what the patching gives."""
    given = {**specs, "level": ((), None)}
    asked = {name: tuple(tensor.shape[1:]) for name, tensor in network.input.items()}
    wanted = {name: tuple(shape) for name, (shape, _) in given.items()}
    if asked != wanted:
        raise ValueError(
            "The network's inputs are not what the patching gives. Build the network "
            f"with the same `patching`. The network takes {asked}, the patching "
            f"gives {wanted}."
        )
    if tuple(network.output_shape[1:]) != wanted["noisy"]:
        raise ValueError(
            "The network must return what it was given in shape. It takes patches of "
            f"{wanted['noisy']} and returns {tuple(network.output_shape[1:])}."
        )


def to_range(images, image_shape):
    """Images as floats in [-1, 1]; ints are taken as [0, 255]."""
    images = ops.convert_to_tensor(images)
    check_shape(images.shape, image_shape)
    whole = "int" in keras.backend.standardize_dtype(images.dtype)
    images = ops.cast(images, "float32")
    return images / 127.5 - 1.0 if whole else images


def check_shape(shape, image_shape):
    """Refuses batches of images of another rank, size or channels than the model's."""
    if len(shape) != 4 or tuple(shape[1:]) != tuple(image_shape):
        raise ValueError(
            f"The model takes images of the shape (batch, *{tuple(image_shape)}). "
            "Resize or crop them, or build a model of their size. "
            f"Received: images of the shape {tuple(shape)}."
        )


def check(data, image_shape):
    """Looks at the images given to `fit`: shape, range, NaN.

    An array is looked at as a whole; of a data set its first batch, if it can be had
    without using it up.
    """
    images = first_images(data)
    if images is None:
        return
    check_shape(images.shape, image_shape)
    if not np.issubdtype(images.dtype, np.floating):
        return
    low, high = np.inf, -np.inf
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        bad = np.isnan(chunk).any(axis=(1, 2, 3))
        if bad.any():
            raise ValueError(
                f"`images` holds NaN, first in image {start + int(bad.argmax())}. "
                "Remove or mend it."
            )
        low, high = min(low, chunk.min()), max(high, chunk.max())
    if low >= 0 or low < -1.5 or high > 1.5:
        warnings.warn(
            "Float images are taken to lie in [-1, 1], but these lie in "
            f"[{low:.3g}, {high:.3g}]. Pass uint8 images, or scale them: "
            "`images / 127.5 - 1` from [0, 255], `images * 2 - 1` from [0, 1].",
            stacklevel=3,
        )


def first_images(data):
    """The images that can be looked at beforehand, as NumPy, or `None`."""
    if isinstance(data, keras.utils.PyDataset):
        data = data[0]
    elif hasattr(data, "take") and hasattr(data, "element_spec"):  # tf.data
        data = next(iter(data.take(1)), None)
    elif hasattr(data, "dataset") and hasattr(data, "collate_fn"):  # torch
        data = data.collate_fn([data.dataset[0]])
    elif not hasattr(data, "shape"):
        return None
    if isinstance(data, list | tuple):
        data = data[0]
    return None if data is None else np.asarray(ops.convert_to_numpy(data))
