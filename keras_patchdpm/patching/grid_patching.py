"""Patches of a fixed grid, told their place and the whole image's content."""

import keras
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm._registration import Configured, serializable
from keras_patchdpm.grid import PatchGrid
from keras_patchdpm.windows import WindowGrid, coordinates, cut

POSITIONS = ("one_hot", "coordinates", False)


@serializable
class GridPatching(Configured):
    """The network sees one patch of a grid, its place and the pooled image.

    With `divisions` alone it is the paper's method. The other arguments help patches
    to belong together; each can be combined with any other.

    Args:
        divisions: Positive int N (a grid of N x N) or a pair `(rows, cols)`.
        position: How the network is told the place: `"one_hot"` (the paper),
            `"coordinates"` of every pixel, or `False`.
        content: Bool. Whether the network is given the noisy image pooled to the size
            of a patch (GCC).
        patches_per_image: Int from 1 to `rows * cols`. Different patches of each
            image that one training step sees, drawn at random.
        halo: Int of at least 0. Pixels of the noisy image that the network sees, and
            predicts, around a patch on each side. At the image's edge they lie on the
            other side of the patch. Memory grows as `(1 + 2 * halo / h) ** 2` for
            patches of `h` pixels.
        moving: Bool. Whether the grid is shifted at random at every step of training
            and of sampling, so that no border stays where it is. Sampling then takes
            `(rows + 1) * (cols + 1)` patches a step. Needs `"coordinates"`, or none.

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If `divisions`, `patches_per_image` or `halo` is out of range,
            `position` unknown, or a moving grid is to be told as one-hot.

    Example:

    >>> patching = GridPatching(2)
    >>> ablation = GridPatching(2, content=False)
    >>> without_borders = GridPatching(2, position="coordinates", moving=True)

    Source: Arakawa et al. 2023 (arXiv:2304.07087), section 3; coordinates: Wang et al.
    2023 (arXiv:2304.12526), section 3.1; moving: Hu et al. 2024 (arXiv:2406.02462).
    """

    def __init__(
        self,
        divisions,
        position="one_hot",
        content=True,
        patches_per_image=1,
        halo=0,
        moving=False,
    ):
        self.grid = PatchGrid(divisions)
        self.position = _checks.one_of("position", position, POSITIONS)
        self.content = _checks.boolean("content", content)
        self.patches_per_image = _checks.integer(
            "patches_per_image", patches_per_image, 1, self.grid.num_patches
        )
        self.halo = _checks.integer("halo", halo, 0, _checks.LARGEST)
        self.moving = _checks.boolean("moving", moving)
        if self.moving and self.position == "one_hot":
            raise ValueError(
                "A patch of a moving grid has no place in the grid that a one-hot code "
                'could name. Choose `position="coordinates"`, or `False`. Received: '
                f"moving={moving}, position={position!r}."
            )

    @property
    def num_patches(self):
        """Patches of an image in a step of sampling."""
        rows, cols = (n + (self.moving and n > 1) for n in self.grid.divisions)
        return rows * cols

    def windows(self, image_size):
        """The `WindowGrid` of images of `image_size`, a pair of ints."""
        return WindowGrid(self.grid, image_size, self.halo, self.moving)

    def input_specs(self, image_shape):
        """What a network is given, beside the noise level.

        Args:
            image_shape: `(height, width, channels)`.

        Returns:
            Dict of input names to `(shape, dtype)`, without the batch axis.

        Raises:
            ValueError: If the image does not divide into the grid, or is smaller than
                a patch with its halo.
        """
        *image_size, channels = _checks.shape("image_shape", image_shape)
        h, w = self.windows(image_size).size
        specs = {"noisy": ((h, w, channels), "float32")}
        if self.position == "one_hot":
            specs["patch_index"] = ((), "int32")
        if self.position == "coordinates":
            specs["coordinates"] = ((h, w, 2), "float32")
        if self.content:
            specs["content"] = ((h, w, channels), "float32")
        return specs

    def image_shape(self, window_shape):
        """`(height, width, channels)` of the image with windows of that shape."""
        h, w, channels = _checks.shape("window_shape", window_shape)
        h, w = h - 2 * self.halo, w - 2 * self.halo
        return h * self.grid.rows, w * self.grid.cols, channels

    def cut(self, clean, noise, corrupt, seed):
        """Cuts random patches for training, everything out of the same noisy images.

        Args:
            clean, noise: Tensors of shape `(B, H, W, C)`.
            corrupt: Function of both to `(noisy, target)`, at each image's level.
            seed: `keras.random.SeedGenerator`.

        Returns:
            `(inputs, target)`: the network's inputs and the patches of the target,
            `B * patches_per_image` of each, those of one image side by side.
        """
        noisy, target = corrupt(clean, noise)
        image_size = tuple(noisy.shape[1:3])
        windows = self.windows(image_size)
        index, corners = self._draw(ops.shape(noisy)[0], windows, seed)

        def at_corners(images):
            return _one_axis(cut(images, corners, windows.size))

        inputs = {"noisy": at_corners(noisy)}
        if self.position == "one_hot":
            inputs["patch_index"] = ops.reshape(index, (-1,))
        if self.position == "coordinates":
            inputs["coordinates"] = _one_axis(
                coordinates(corners, windows.size, image_size)
            )
        if self.content:
            content = self._content(noisy, windows)
            inputs["content"] = ops.repeat(content, self.patches_per_image, axis=0)
        return inputs, at_corners(target)

    def stages(self, image_shape):
        """What is sampled one after another: here the image and nothing before it.

        Args:
            image_shape: `(height, width, channels)`.

        Returns:
            List of pairs of a patching and the shape of the images it makes.
        """
        return [(self, _checks.shape("image_shape", image_shape))]

    def first_stages(self, divisions):
        """The patching that ends at an earlier stage: here there is none.

        Args:
            divisions: Patches on each side of the image of that stage.

        Raises:
            ValueError: Here always: there is one stage.
        """
        raise ValueError(
            "`divisions` is chosen here for a model of `RandomPatching`, or of a "
            f"cascade; a model of {type(self).__name__} has them from training. Leave "
            f"`divisions` out. Received: divisions={divisions}."
        )

    def given(self, made, draws):
        """The images of earlier stages that the network is conditioned on.

        Args:
            made: List of arrays, the images of the earlier stages.
            draws: Function of the number of an earlier stage to one
                `numpy.random.Generator` for each image.

        Returns:
            Tuple of arrays: here `made` as it is.
        """
        return tuple(made)

    def tiles(self, image_size, rng):
        """The tiles of a sampling step.

        Args:
            image_size: `(height, width)`.
            rng: `numpy.random.Generator`, used if the grid moves.

        Returns:
            `Tiles`.
        """
        windows = self.windows(image_size)
        return windows.tiles([int(rng.integers(*ends)) for ends in windows.offsets])

    def key(self):
        """Hashable: all on which the sampling methods depend."""
        return type(self), repr(self.get_config())

    def layers(self, image_size):
        """Windows whose blend weight is not 0 at one pixel, at most, along each axis.

        Args:
            image_size: `(height, width)`.

        Returns:
            Two ints, the same for all steps.
        """
        return 1, 1

    def maps(self, given, image_size):
        """Images beside the noisy one of which windows are inputs of the network.

        Args:
            given: What `given` returned.
            image_size: `(height, width)` of the stage.

        Returns:
            Dict of input names to `Enlarged`: here none.
        """
        return {}

    def image_conditions(self, noisy, given):
        """Inputs of the network that are the same for all patches of an image.

        Args:
            noisy: Tensor or array of shape `(B, H, W, C)`.
            given: What `given` returned.

        Returns:
            Dict of tensors of length `B`.
        """
        if not self.content:
            return {}
        return {"content": self._content(noisy, self.windows(noisy.shape[1:3]))}

    def tile_conditions(self, index, corners, image_size):
        """Inputs of the network that are the same for all images.

        Args:
            index: Int32 tensor or array of shape `(K,)`: patch indices.
            corners: Int32 tensor or array of shape `(K, 2)`: first pixels of their
                windows.
            image_size: `(height, width)`.

        Returns:
            Dict of tensors of length `K`.
        """
        conditions = {}
        if self.position == "one_hot":
            conditions["patch_index"] = index
        if self.position == "coordinates":
            size = self.windows(image_size).size
            conditions["coordinates"] = coordinates(corners, size, image_size)
        return conditions

    def bounds(self, inputs):
        """The least and the largest clean value, for a network's inputs."""
        return -1, 1

    def finish(self, result, made):
        """Turns what a stage sampled into its images, in place.

        Args:
            result: Array of shape `(B, H, W, C)`, which may be overwritten.
            made: Images that the stages before have made.

        Returns:
            The images: here `result` itself.
        """
        return result

    def get_config(self):
        return {
            "divisions": self.grid.divisions,
            "position": self.position,
            "content": self.content,
            "patches_per_image": self.patches_per_image,
            "halo": self.halo,
            "moving": self.moving,
        }

    def _draw(self, batch, windows, seed):
        """Indices, no patch twice in a row, and corners: `(batch, K)`, `(..., 2)`."""
        shape = (batch, windows.num_patches)
        keys = keras.random.uniform(shape, dtype="float32", seed=seed)
        order = ops.cast(ops.argsort(keys, axis=-1), "int32")
        index = order[:, : self.patches_per_image]
        offset = windows.draw_offset(batch, seed)
        return index, windows.corners(index, offset[:, None])

    def _content(self, noisy, windows):
        """The pooled image, in the size of a window."""
        pooled = self.grid.content(noisy)
        if not self.halo:
            return pooled
        return ops.image.resize(
            pooled, windows.size, "bilinear", data_format="channels_last"
        )


def _one_axis(windows):
    """`(B, K, ...)` to `(B * K, ...)`."""
    return ops.reshape(windows, (-1, *windows.shape[2:]))
