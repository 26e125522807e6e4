"""Weights of images and of classes in the loss: validated and converted."""

import numpy as np
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm.models import _labels


def of_array(sample_weight, count):
    """The weights of `count` images as float32 `(count,)`, or `None`.

    Raises:
        TypeError: If the weights are no numbers.
        ValueError: If a weight is negative, NaN or infinite, or there is not exactly
            one per image.
    """
    if sample_weight is None:
        return None
    weights = _labels.as_numpy("sample_weight", sample_weight)
    check(weights, count)
    return np.reshape(weights, (-1,)).astype("float32")


def check(weights, count):
    """Validates the weights of `count` images, a NumPy array."""
    if weights.shape not in ((count,), (count, 1)):
        raise ValueError(
            "`sample_weight` must contain one number per image, with the shape "
            f"({count},). Received: weights of the shape {weights.shape}."
        )
    name = str(weights.dtype)
    if not any(kind in name for kind in ("float", "int", "bool")):
        raise TypeError(
            "`sample_weight` must contain numbers. Received: weights of the type "
            f"{name}."
        )
    values = weights.astype("float64")
    if not (np.isfinite(values).all() and (values >= 0).all()):
        bad = int(np.argmin(np.isfinite(values) & (values >= 0)))
        raise ValueError(
            "`sample_weight` must be finite, and at least 0. Received: "
            f"{values.reshape(-1)[bad]:g} for image {bad}."
        )


def per_image(sample_weight):
    """The weights of the images of a step, as a float32 tensor of shape `(B,)`."""
    shape = tuple(sample_weight.shape)
    if len(shape) != 1 and shape[1:] != (1,):
        raise ValueError(
            "`sample_weight` must contain one number per image. "
            f"Received: weights of the shape {shape}."
        )
    return ops.reshape(ops.cast(sample_weight, "float32"), (-1,))


def of_classes(class_weight, num_classes):
    """The weight of each class, from the argument `class_weight` of `fit`.

    Args:
        class_weight: Dict of labels to numbers, or `None`.
        num_classes: Int, or `None` for a network without labels.

    Returns:
        Dict of all labels to weights, 1 for labels that are not in `class_weight`; or
        `None` if `class_weight` is `None`.

    Raises:
        TypeError, ValueError: If `class_weight` is no such dict.
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
    """The weight of each image, from its label."""
    labels = np.reshape(_labels.as_numpy("y", labels), (-1,)).astype("int64")
    return values_of(table)[labels]


def values_of(table):
    """The weights of a table as a float32 array; the label is the index."""
    return np.array([table[label] for label in sorted(table)], "float32")


def combined(labels, sample_weight, table):
    """`sample_weight`, or the weights of the images from a table of classes."""
    if table is None:
        return sample_weight
    if sample_weight is not None:
        raise ValueError(
            "Pass `class_weight` or `sample_weight`, not both. To use both, pass their "
            "product as `sample_weight`: `sample_weight * weight_of_class[labels]`."
        )
    return of_labels(labels, table)
