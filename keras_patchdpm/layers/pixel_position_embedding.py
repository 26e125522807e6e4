"""The position of a pixel in its feature map, as a learned vector."""

import keras

from keras_patchdpm import _checks
from keras_patchdpm._registration import serializable
from keras_patchdpm.layers._initializer import valid_initializer


@serializable
class PixelPositionEmbedding(keras.layers.Layer):
    """Adds a learned vector to every pixel of a feature map, the same in all images.

    With it, attention can find the pixels of the pooled image that belong to a patch.

    Args:
        initializer: Keras initializer of the vectors. Default `"random_normal"`.
        **kwargs: Passed to `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments:
        x: Float tensor of shape `(B, h, w, C)`, of fixed height and width.

    Returns:
        Float tensor of shape `(B, h, w, C)`.

    Raises:
        ValueError: If `initializer` is no Keras initializer, or if the feature map has
            another rank, or no fixed size.

    Example:

    >>> PixelPositionEmbedding()(features).shape
    (8, 16, 16, 128)

    Source: Dosovitskiy et al. 2021 (arXiv:2010.11929), section 3.1.
    """

    def __init__(self, initializer="random_normal", **kwargs):
        super().__init__(**kwargs)
        self.initializer = valid_initializer(initializer)

    def build(self, input_shape):
        shape = _checks.image_shape("x", input_shape)
        self.table = self.add_weight(
            shape=shape, initializer=self.initializer, name="table"
        )

    def call(self, x):
        return x + self.table

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        own = {"initializer": keras.initializers.serialize(self.initializer)}
        return {**super().get_config(), **own}
