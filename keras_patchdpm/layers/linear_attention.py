"""Attention whose memory grows with the number of pixels, not with its square."""

from keras import ops

from keras_patchdpm._registration import serializable
from keras_patchdpm.layers.self_attention_2d import SelfAttention2D


@serializable
class LinearAttention(SelfAttention2D):
    """Multi-head linear attention over the pixels of a feature map.

    Keys are a softmax over the pixels. Queries are a softmax over the channels of
    their head, divided by `sqrt(head_size)`. Each head summarises the image in one
    matrix of `head_size` x `head_size`, which is multiplied with the query of every
    pixel. The weights have the shapes of those of `SelfAttention2D`.

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

    >>> LinearAttention(num_heads=4, head_size=32)(features).shape
    (8, 64, 64, 128)

    Source: Shen et al. 2021 (arXiv:1812.01243), with the scale of Arakawa et al.
    """

    def call(self, x):
        _, height, width, _ = ops.shape(x)
        heads, size = self.num_heads, self.head_size
        qkv = ops.reshape(self.to_qkv(x), (-1, height * width, 3, heads, size))
        query, key, value = ops.unstack(ops.transpose(qkv, (2, 0, 3, 1, 4)), 3)
        query = self._softmax(query, axis=-1) * size**-0.5
        key = self._softmax(key, axis=-2)
        summary = ops.matmul(ops.transpose(key, (0, 1, 3, 2)), value)
        out = ops.transpose(ops.matmul(query, summary), (0, 2, 1, 3))
        return self.to_out(ops.reshape(out, (-1, height, width, heads * size)))

    def _softmax(self, x, axis):
        """A softmax in float32, so that the weights of thousands of pixels sum to 1."""
        weights = ops.softmax(ops.cast(x, "float32"), axis=axis)
        return ops.cast(weights, self.compute_dtype)
