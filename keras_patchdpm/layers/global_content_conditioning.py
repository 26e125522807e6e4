"""Global Content Conditioning (GCC): joins a patch with the pooled whole image."""

import keras
from keras import ops

from keras_patchdpm._registration import serializable
from keras_patchdpm.grid import PatchGrid


@serializable
class GlobalContentConditioning(keras.layers.Layer):
    """Joins each patch with the whole image, pooled to the size of the patch.

    The content is the mean of the noisy image over windows of `rows` x `cols` pixels.
    It is concatenated with the channels of the patch. The layer has no weights.

    Call arguments:
        noisy: Float tensor of shape `(B, h, w, C)`: one patch of each image.
        content: Float tensor: the pooled image `(B, h, w, C)`, or the whole image
            `(B, rows * h, cols * w, C)`, which the layer then pools. If the sizes are
            not fixed, it must be the pooled image.

    Returns:
        Float tensor of shape `(B, h, w, 2 * C)`: the patch, then its content.

    Raises:
        ValueError: If `noisy` or `content` has another rank, or if the size of
            `content` is no multiple of that of `noisy`.

    Example:

    >>> GlobalContentConditioning()(patch, content=image).shape
    (8, 32, 32, 6)

    Source: Arakawa et al. 2023 (arXiv:2304.07087), section 3.3.
    """

    def call(self, noisy, content):
        divisions = self._divisions(noisy.shape, content.shape)
        if divisions != (1, 1):
            content = PatchGrid(divisions).content(content)
        return ops.concatenate([noisy, content], axis=-1)

    def compute_output_shape(self, noisy_shape, content_shape):
        self._divisions(noisy_shape, content_shape)
        return (*noisy_shape[:-1], noisy_shape[-1] + content_shape[-1])

    @staticmethod
    def _divisions(noisy_shape, content_shape):
        """`(rows, cols)`: how many patches fit into the height and the width."""
        for name, shape in (("noisy", noisy_shape), ("content", content_shape)):
            if len(shape) != 4:
                raise ValueError(
                    f"`{name}` must have the shape (batch, height, width, channels). "
                    f"Received: {name} of shape={tuple(shape)}."
                )
        (h, w), (height, width) = noisy_shape[1:3], content_shape[1:3]
        if None in (h, w, height, width):  # Patches of any size: `content` is pooled.
            return 1, 1
        if height % h or width % w:
            raise ValueError(
                "`content` must have the size of a patch, or of an image that divides "
                f"into such patches. Received: patches of {h}x{w} pixels, content of "
                f"{height}x{width}."
            )
        return height // h, width // w
