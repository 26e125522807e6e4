"""The class of an image, as a learned vector."""

import keras
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm._registration import serializable
from keras_patchdpm.layers._initializer import valid_initializer


@serializable
class LabelEmbedding(keras.layers.Layer):
    """Embeds the class of an image; one more vector is that of "no label".

    Args:
        num_classes: Positive int.
        units: Positive int. Length of the embedding.
        initializer: Keras initializer of the vectors. Default `"glorot_uniform"`. With
            `"zeros"`, labels have no influence until the layer is trained.
        **kwargs: Passed to `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments:
        label: Int tensor of shape `(B,)`, from 0 to `num_classes - 1`, or
            `num_classes` for "no label".

    Returns:
        Float tensor of shape `(B, units)`.

    Raises:
        TypeError: If `num_classes` or `units` is not an int.
        ValueError: If `num_classes` or `units` is below 1, or `initializer` is no Keras
            initializer.

    Example:

    >>> LabelEmbedding(num_classes=10, units=64)(np.array([0, 9, 10])).shape
    (3, 64)

    Source: Ho & Salimans 2022 (arXiv:2207.12598), section 3.2.
    """

    def __init__(self, num_classes, units, initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.num_classes = _checks.positive_int("num_classes", num_classes)
        self.units = _checks.positive_int("units", units)
        self.initializer = valid_initializer(initializer)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(self.num_classes + 1, self.units),
            initializer=self.initializer,
            name="kernel",
        )

    def call(self, label):
        return ops.take(self.kernel, ops.cast(label, "int32"), axis=0)

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.units)

    def get_config(self):
        own = {
            "num_classes": self.num_classes,
            "units": self.units,
            "initializer": keras.initializers.serialize(self.initializer),
        }
        return {**super().get_config(), **own}


def classes_of(network):
    """The number of classes of a network, or `None` if it has no input `label`.

    Raises:
        ValueError: If the network has such an input, but no `LabelEmbedding`.
    """
    inputs = getattr(network, "input", None)
    if not isinstance(inputs, dict) or "label" not in inputs:
        return None
    found = _find(network)
    if found is None:
        raise ValueError(
            "A network with an input `label` must embed it with `layers.LabelEmbedding"
            "`, which defines the number of classes and the embedding of images "
            f"without a label. Received: network={network.name!r}, without a "
            "`LabelEmbedding`."
        )
    return found.num_classes


def _find(network):
    """The first `LabelEmbedding` in a network or in the networks in it, or `None`."""
    for layer in network.layers:
        if isinstance(layer, LabelEmbedding):
            return layer
        if isinstance(layer, keras.Model) and (found := _find(layer)):
            return found
    return None
