"""Class labels in training: looked at, and sometimes withheld."""

import keras
import numpy as np
from keras import ops


def given_or_zeros(images, labels, sample_weight):
    """The labels given, or some: without any, Keras leaves out the sample weights."""
    if labels is None and sample_weight is not None:
        return np.zeros(len(images), "int32")
    return labels


def check(labels, num_classes, count=None):
    """Looks at labels, if there are any that can be looked at.

    Args:
        labels: Array of ints of shape `(B,)`, or `None`.
        num_classes: Int, or `None` for a network that takes no labels.
        count: Int or `None`. How many there must be.

    Raises:
        TypeError: If they are no ints.
        ValueError: If there are not as many as images, or one is out of range.
    """
    if num_classes is None or labels is None:
        return
    labels = ops.convert_to_numpy(labels)
    if labels.ndim != 1 or (count is not None and len(labels) != count):
        raise ValueError(
            "`labels` must hold one int for each image, of the shape "
            f"({'count' if count is None else count},). "
            f"Received: a shape of {labels.shape}."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"`labels` must be ints. Received: {labels.dtype}.")
    low, high = labels.min(), labels.max()
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"Labels must lie in [0, {num_classes - 1}], as the network has "
            f"num_classes={num_classes}. Received: labels from {low} to {high}."
        )


def require(labels, num_classes):
    """Refuses to train a network that takes labels without any."""
    if num_classes is not None and labels is None:
        raise ValueError(
            f"The network takes labels (num_classes={num_classes}), and there are "
            "none. Train with `fit(images, labels)` or with batches `(images, "
            "labels)`, or build the network without `num_classes`."
        )


def withhold(labels, num_classes, rate, seed):
    """Replaces labels by "no label" at random, for the network to learn both.

    Source: Ho & Salimans 2022 (arXiv:2207.12598), algorithm 1.
    """
    labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
    if not rate:
        return labels
    draws = keras.random.uniform(ops.shape(labels), dtype="float32", seed=seed)
    return ops.where(draws < rate, num_classes, labels)
