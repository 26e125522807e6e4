"""The position of a patch, as an embedding of its one-hot code."""

import keras
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm._registration import serializable


@serializable
class PositionOneHotEmbedding(keras.layers.Layer):
    """Embeds the position of a patch in its grid, from a one-hot code.

    Args:
        num_patches: Positive int. Cells in the grid (`rows * cols`).
        units: Positive int. Length of the embedding.
        use_bias: Bool. Whether a bias is added, as Arakawa et al. do. Default: yes.
        **kwargs: Passed to `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments:
        patch_index: Int tensor of shape `(B,)`, from `0` (top left) to
            `num_patches - 1` (bottom right), row by row.

    Returns:
        Float tensor of shape `(B, units)`.

    Raises:
        TypeError: If `num_patches` or `units` is not an int, or `use_bias` not a bool.
        ValueError: If `num_patches` or `units` is below 1.

    Example:

    >>> PositionOneHotEmbedding(num_patches=4, units=64)(np.array([0, 3])).shape
    (2, 64)

    Source: Arakawa et al. 2023 (arXiv:2304.07087), section 3.2.
    """

    def __init__(self, num_patches, units, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.num_patches = _checks.positive_int("num_patches", num_patches)
        self.units = _checks.positive_int("units", units)
        self.use_bias = _checks.boolean("use_bias", use_bias)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(self.num_patches, self.units), name="kernel"
        )
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(self.units,), initializer="zeros", name="bias"
            )

    def call(self, patch_index):
        # A comparison, not `ops.one_hot`: it exports from every backend.
        cells = ops.arange(self.num_patches, dtype="int32")
        code = ops.expand_dims(ops.cast(patch_index, "int32"), -1) == cells
        embedding = ops.matmul(ops.cast(code, self.compute_dtype), self.kernel)
        return embedding + self.bias if self.use_bias else embedding

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.units)

    def get_config(self):
        own = {
            "num_patches": self.num_patches,
            "units": self.units,
            "use_bias": self.use_bias,
        }
        return {**super().get_config(), **own}
