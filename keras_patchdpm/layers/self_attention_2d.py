"""Attention between all pixels of a feature map."""

import keras
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm._registration import serializable


@serializable
class SelfAttention2D(keras.layers.Layer):
    """Multi-head self-attention over the pixels of a feature map.

    Its time grows with the square of the number of pixels, and on JAX and TensorFlow
    its memory too: use it for small maps.

    Args:
        num_heads: Positive int. Default 4.
        head_size: Positive int. Channels of one head. Default 32.
        use_bias: Bool. Whether queries, keys and values have a bias. Default: no.
        **kwargs: Passed to `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments:
        x: Float tensor of shape `(B, h, w, C)`.

    Returns:
        Float tensor of shape `(B, h, w, C)`.

    Raises:
        TypeError: If `num_heads` or `head_size` is not an int, or `use_bias` not a
            bool.
        ValueError: If `num_heads` or `head_size` is below 1.

    Example:

    >>> SelfAttention2D(num_heads=4, head_size=32)(features).shape
    (8, 16, 16, 128)

    Source: Vaswani et al. 2017 (arXiv:1706.03762), equation 1.
    """

    def __init__(self, num_heads=4, head_size=32, use_bias=False, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = _checks.positive_int("num_heads", num_heads)
        self.head_size = _checks.positive_int("head_size", head_size)
        self.use_bias = _checks.boolean("use_bias", use_bias)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        size = self.num_heads * self.head_size
        make = keras.layers.Dense
        policy = self.dtype_policy
        self.to_qkv = make(
            3 * size, use_bias=self.use_bias, dtype=policy, name="to_qkv"
        )
        self.to_qkv.build(input_shape)
        self.to_out = make(input_shape[-1], dtype=policy, name="to_out")
        self.to_out.build((*input_shape[:-1], size))

    def call(self, x):
        _, height, width, _ = ops.shape(x)
        pixels, size = height * width, self.num_heads * self.head_size
        qkv = ops.reshape(
            self.to_qkv(x), (-1, pixels, 3, self.num_heads, self.head_size)
        )
        # On PyTorch, that of Keras needs no memory for the weights of all pairs, and a
        # third of the time. On JAX and TensorFlow it needs more of both than ours.
        on_torch = keras.backend.backend() == "torch"
        attend = ops.dot_product_attention if on_torch else self._attend
        out = attend(*ops.unstack(qkv, 3, axis=2))
        return self.to_out(ops.reshape(out, (-1, height, width, size)))

    def _attend(self, query, key, value):
        """Attention between tensors of shape `(B, pixels, heads, channels)`."""
        query, key, value = (
            ops.transpose(x, (0, 2, 1, 3)) for x in (query, key, value)
        )
        logits = ops.matmul(
            query * self.head_size**-0.5, ops.transpose(key, (0, 1, 3, 2))
        )
        if logits.shape[-1] == 1:  # Keras warns of a softmax over one value.
            weights = ops.ones_like(logits)
        else:
            weights = ops.softmax(ops.cast(logits, "float32"), axis=-1)
        out = ops.matmul(ops.cast(weights, self.compute_dtype), value)
        return ops.transpose(out, (0, 2, 1, 3))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        own = {
            "num_heads": self.num_heads,
            "head_size": self.head_size,
            "use_bias": self.use_bias,
        }
        return {**super().get_config(), **own}
