"""Weights of images and of classes in the loss."""

import numpy as np
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm.models import _labels


def of_array(sample_weight, count):
    """The weights of `count` images as float32 `(count,)`, or `None`.

    Raises:
        TypeError: If they are no numbers.
        ValueError: If one is negative, NaN or infinite, or there is not one per image.
    """
    if sample_weight is None:
        return None
    weights = _labels.as_numpy("sample_weight", sample_weight)
    check(weights, count)
    return np.reshape(weights, (-1,)).astype("float32")


def check(weights, count):
    """Checks the weights of `count` images, a NumPy array."""
    if weights.shape not in ((count,), (count, 1)):
        raise ValueError(
            "`sample_weight` must hold one number per image, of the shape "
            f"({count},). Received: a shape of {weights.shape}."
        )
    name = str(weights.dtype)
    if not any(kind in name for kind in ("float", "int", "bool")):
        raise TypeError(
            f"`sample_weight` must hold numbers. Received: weights of the type {name}."
        )
    values = weights.astype("float64")
    if not (np.isfinite(values).all() and (values >= 0).all()):
        bad = int(np.argmin(np.isfinite(values) & (values >= 0)))
        raise ValueError(
            "`sample_weight` must be finite, and at least 0. Received: "
            f"{values.reshape(-1)[bad]:g} for image {bad}."
        )


def per_image(sample_weight):
    """Weights in a step, as float32 of shape `(B,)`."""
    shape = tuple(sample_weight.shape)
    if len(shape) != 1 and shape[1:] != (1,):
        raise ValueError(
            "`sample_weight` must hold one number per image. "
            f"Received: a shape of {shape}."
        )
    return ops.reshape(ops.cast(sample_weight, "float32"), (-1,))


def of_classes(class_weight, num_classes):
    """A table of the weight of each class, from the dict given to `fit`.

    Args:
        class_weight: Dict of labels to numbers, or `None`.
        num_classes: Int or `None`, of the network.

    Returns:
        Dict with all classes, those not named at 1, or `None`.

    Raises:
        TypeError, ValueError: If it is no such dict.
    """
    if class_weight is None:
        return None
    if num_classes is None:
        raise ValueError(
            "`class_weight` needs a network with labels. Build it with `num_classes`, "
            "or pass `sample_weight`, one number per image. Received: class_weight="
            f"{class_weight!r}."
        )
    if not isinstance(class_weight, dict):
        raise TypeError(
            "`class_weight` must be a dict of labels to numbers, such as "
            f"`{{0: 1.0, 1: 2.5}}`. Received: class_weight={class_weight!r}."
        )
    table = dict.fromkeys(range(num_classes), 1.0)
    for label, weight in class_weight.items():
        label = _checks.integer(
            "class_weight", label, minimum=0, maximum=num_classes - 1
        )
        table[label] = _checks.real("class_weight", weight, minimum=0)
    return table


def of_labels(labels, table):
    """The weight of each image, by its label."""
    labels = np.reshape(_labels.as_numpy("y", labels), (-1,)).astype("int64")
    return values_of(table)[labels]


def values_of(table):
    """The weights of a table, by label, as float32."""
    return np.array([table[label] for label in sorted(table)], "float32")


def combined(labels, sample_weight, table):
    """`sample_weight`, or the weights that a table of classes gives."""
    if table is None:
        return sample_weight
    if sample_weight is not None:
        raise ValueError(
            "Pass `class_weight` or `sample_weight`, not both: multiply them, "
            "`sample_weight * weight_of_class[labels]`."
        )
    return of_labels(labels, table)
