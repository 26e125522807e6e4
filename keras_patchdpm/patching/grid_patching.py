"""Patches of a fixed grid, told their place and the whole image's content."""

import keras
import numpy as np
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm._registration import serializable
from keras_patchdpm.grid import PatchGrid


@serializable
class GridPatching:
    """The network sees one patch of a grid, its place and the pooled image.

    Args:
        divisions: Positive int N (a grid of N x N) or a pair `(rows, cols)`.
        position: Bool. Whether the network is told the patch's place (one-hot).
        content: Bool. Whether the network is given the noisy image pooled to the size
            of a patch (GCC).
        patches_per_image: Int from 1 to `rows * cols`. Different patches of each
            image that one training step sees, drawn at random.

    Raises:
        ValueError: If `divisions` or `patches_per_image` is out of range.

    Example:

    >>> patching = GridPatching(2)
    >>> ablation = GridPatching(2, content=False)

    Source: Arakawa et al. 2023 (arXiv:2304.07087), section 3.
    """

    def __init__(self, divisions, position=True, content=True, patches_per_image=1):
        self.grid = PatchGrid(divisions)
        self.position = bool(position)
        self.content = bool(content)
        self.patches_per_image = _checks.integer(
            "patches_per_image", patches_per_image, 1, self.grid.num_patches
        )

    @property
    def num_patches(self):
        """Patches of an image."""
        return self.grid.num_patches

    def input_specs(self, image_shape):
        """What a network is given, beside the noise level.

        Args:
            image_shape: `(height, width, channels)`.

        Returns:
            Dict of input names to `(shape, dtype)`, without the batch axis.

        Raises:
            ValueError: If the image does not divide into the grid.
        """
        *image_size, channels = image_shape
        patch = (*self.grid.patch_size(image_size), channels)
        specs = {"noisy": (patch, "float32")}
        if self.position:
            specs["patch_index"] = ((), "int32")
        if self.content:
            specs["content"] = (patch, "float32")
        return specs

    def image_shape(self, patch_shape):
        """`(height, width, channels)` of the image made of patches of that shape."""
        h, w, channels = patch_shape
        return h * self.grid.rows, w * self.grid.cols, channels

    def cut(self, noisy, target, seed):
        """Cuts random patches for training, everything out of the same noisy images.

        Args:
            noisy, target: Tensors of shape `(B, H, W, C)`.
            seed: `keras.random.SeedGenerator`.

        Returns:
            `(inputs, target)`: the network's inputs and the patches of the target,
            `B * patches_per_image` of each, those of one image side by side.
        """
        count = self.patches_per_image
        index = self._draw(ops.shape(noisy)[0], seed)
        inputs = {"noisy": self._pick(noisy, index)}
        if self.position:
            inputs["patch_index"] = ops.reshape(index, (-1,))
        if self.content:
            inputs["content"] = ops.repeat(self.grid.content(noisy), count, axis=0)
        return inputs, self._pick(target, index)

    def prepare(self, noisy):
        """What all patches of a sampling step share: made once per step.

        Args:
            noisy: Array of shape `(B, H, W, C)`.

        Returns:
            Dict of arrays.
        """
        if not self.content:
            return {}
        return {"content": ops.convert_to_numpy(self.grid.content(noisy))}

    def inputs_at(self, noisy, shared, indices):
        """The network's inputs for some patches of all images.

        Args:
            noisy: Array of shape `(B, H, W, C)`.
            shared: What `prepare` returned for it.
            indices: List of K patch indices.

        Returns:
            Dict of arrays of length `K * B`, all images' first patch first.
        """
        batch = len(noisy)
        patches = [self.grid.crop(noisy, index) for index in indices]
        inputs = {"noisy": np.concatenate(patches)}
        if self.position:
            inputs["patch_index"] = np.repeat(np.asarray(indices, "int32"), batch)
        if self.content:
            content = shared["content"]
            inputs["content"] = np.concatenate([content] * len(indices))
        return inputs

    def place(self, patches, indices, images):
        """Writes what `inputs_at` cut back into `images`, at its place.

        Args:
            patches: Array of shape `(K * B, h, w, C)`.
            indices: List of the K patch indices.
            images: Array of shape `(B, H, W, C)`, written to.
        """
        parts = np.split(patches, len(indices))
        for index, part in zip(indices, parts, strict=True):
            self.grid.crop(images, index)[:] = part

    def get_config(self):
        return {
            "divisions": self.grid.divisions,
            "position": self.position,
            "content": self.content,
            "patches_per_image": self.patches_per_image,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def _draw(self, batch, seed):
        """Indices of shape `(batch, patches_per_image)`, no patch twice in a row."""
        keys = keras.random.uniform((batch, self.num_patches), seed=seed)
        order = ops.cast(ops.argsort(keys, axis=-1), "int32")
        return order[:, : self.patches_per_image]

    def _pick(self, images, index):
        patches = self.grid.pick(images, index)
        return ops.reshape(patches, (-1, *patches.shape[2:]))
