"""Class labels in training: validated, and some replaced by "no label"."""

import keras
import numpy as np
from keras import ops

from keras_patchdpm import _checks


def of_array(labels, num_classes, count):
    """The labels of an array of images, as int32 `(count,)`, or `None`.

    Args:
        labels: Array, tensor or list of ints, of shape `(count,)` or `(count, 1)`, or
            `None`.
        num_classes: Int, or `None` for a network that has no input for labels.
        count: Int. Number of images.

    Raises:
        TypeError, ValueError: If `labels` are no such labels.
    """
    require(labels, num_classes)
    if labels is None:
        return None
    labels = as_numpy("y", labels)
    if not labels.ndim:
        raise _checks.wrong_type("y", "an array of one label per image", labels)
    if num_classes is not None:
        check(labels, num_classes, count)
        return np.reshape(labels, (-1,)).astype("int32")
    refuse_images(labels)
    if len(labels) != count:
        raise ValueError(
            f"`y` must contain one label for each of the {count} images. "
            f"Received: y of the shape {labels.shape}."
        )
    _checks.warn(
        "The network has no classes, so the labels `y` are not used. To use them, "
        "build it with `num_classes`, as in `networks.unet(..., num_classes=10)`."
    )
    return labels


def as_numpy(name, values):
    """Converts `values` to a NumPy array; refuses lists of unequal lengths."""
    if isinstance(values, list | tuple | range):
        try:
            return np.array(values)
        except ValueError as error:
            raise ValueError(
                f"`{name}` must contain one number per image. Received: a list of "
                f"{len(values)} entries of different shapes."
            ) from error
    elif not hasattr(values, "shape"):
        raise TypeError(
            f"`{name}` must be an array or a list with one number per image. "
            f"Received: {name}={values!r} (of type {type(values).__name__})."
        )
    if isinstance(values, np.ndarray):
        return values  # As it is: a copy may not fit into memory.
    return np.asarray(ops.convert_to_numpy(values))


def check(labels, num_classes, count):
    """Validates the labels of `count` images, a NumPy array.

    Raises:
        TypeError: If the labels are no ints.
        ValueError: If there is not exactly one label per image, or a label is out of
            range.
    """
    if labels.shape not in ((count,), (count, 1)):
        hint = ""
        if labels.shape == (count, num_classes):
            hint = " Convert one-hot labels with `np.argmax(labels, axis=-1)`."
        raise ValueError(
            "`labels` must contain one int for each image, with the shape ("
            f"{count},) or ({count}, 1).{hint} Received: labels of the shape "
            f"{labels.shape}."
        )
    if labels.dtype.kind not in "iu":
        whole = labels.dtype.kind == "f" and (np.rint(labels) == labels).all()
        if not whole:
            raise TypeError(
                "`labels` must be ints. Received: labels of the type "
                f"{labels.dtype}, such as {labels.reshape(-1)[:3].tolist()}."
            )
    low, high = labels.min(initial=0), labels.max(initial=0)
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"Labels must be in [0, {num_classes - 1}], because the network has "
            f"num_classes={num_classes}. Received: labels from {labels.min():g} to "
            f"{labels.max():g}."
        )


def refuse_images(labels):
    """Refuses images in place of labels, for a network without labels."""
    if labels.ndim > 2:
        raise ValueError(
            "`y` is for labels, one per image: a diffusion model learns from the "
            "images alone, and does not need other images as targets. Train with "
            f"`fit(images)`. Received: y of the shape {labels.shape}."
        )


def require(labels, num_classes):
    """Refuses missing labels, for a network that needs labels."""
    if num_classes is not None and labels is None:
        raise ValueError(
            f"The network needs labels (num_classes={num_classes}), but there are "
            "none. Train with `fit(images, labels)` or with batches `(images, "
            "labels)`, or build the network without `num_classes`. Received: y=None."
        )


def withhold(labels, num_classes, *, rate, seed_generator):
    """Replaces a share `rate` of the labels by "no label", for guidance by labels.

    Source: Ho & Salimans 2022 (arXiv:2207.12598), algorithm 1.
    """
    labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
    if not rate:
        return labels
    numbers = keras.random.uniform(
        ops.shape(labels), dtype="float32", seed=seed_generator
    )
    return ops.where(numbers < rate, num_classes, labels)
