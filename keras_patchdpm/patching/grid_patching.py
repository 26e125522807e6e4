"""Patches of a fixed grid, conditioned on their position and the pooled image."""

import functools

from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm._registration import serializable
from keras_patchdpm.grid import PatchGrid
from keras_patchdpm.patching import conditions
from keras_patchdpm.patching.base import InputSpec, Patching
from keras_patchdpm.patching.stage import Stage
from keras_patchdpm.patching.tiling import Tiling
from keras_patchdpm.windows import coordinates, cut

POSITIONS = ("one_hot", "coordinates", False)


@serializable
class GridPatching(Patching):
    """Patches of a grid, conditioned on their position and on the whole image (GCC).

    With `divisions` alone it is the original method of Arakawa et al. The other
    arguments help patches to fit together, and can be combined.

    Args:
        divisions: Positive int N (a grid of N x N) or a pair `(rows, cols)`.
        position: The position of a patch as the network receives it: `"one_hot"` as
            Arakawa et al., `"coordinates"` of every pixel, or `False` for none.
        content: Bool. Whether the network receives the noisy image pooled to the size
            of a patch (GCC).
        patches_per_image: Int from 1 to `rows * cols`. Different patches of each image
            in one training step, drawn at random.
        halo: Int of at least 0. Pixels of the noisy image around a patch, on each side,
            which the network sees and predicts too. At the edge of the image they lie
            on the other side of the patch. Memory grows at least as
            `(1 + 2 * halo / h) ** 2` for patches of `h` pixels; that of attention
            grows faster.
        shift: Bool. Whether the grid is shifted at random in every step of training and
            of sampling, so that no border stays where it is. Sampling then takes
            `(rows + 1) * (cols + 1)` patches a step. It needs `"coordinates"`, or no
            position.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If `divisions`, `patches_per_image` or `halo` is out of range, the
            position unknown, or a shifted grid has a one-hot position.

    Example:

    >>> patching = GridPatching(2)
    >>> ablation = GridPatching(2, content=False)
    >>> without_borders = GridPatching(2, position="coordinates", shift=True)

    Source: Arakawa et al. 2023 (arXiv:2304.07087), section 3; coordinates: Wang et al.
    2023 (arXiv:2304.12526), section 3.1; shift: Hu et al. 2024 (arXiv:2406.02462).
    """

    def __init__(
        self,
        divisions,
        position="one_hot",
        content=True,
        *,
        patches_per_image=1,
        halo=0,
        shift=False,
    ):
        self.grid = PatchGrid(divisions)
        self.position = _checks.one_of("position", position, POSITIONS)
        self.content = _checks.boolean("content", content)
        self.patches_per_image = _checks.integer(
            "patches_per_image",
            patches_per_image,
            minimum=1,
            maximum=self.grid.num_patches,
        )
        self.halo = _checks.integer("halo", halo, minimum=0, maximum=_checks.LARGEST)
        self.shift = _checks.boolean("shift", shift)
        if self.shift and self.position == "one_hot":
            raise ValueError(
                "The patches of a shifted grid have no fixed positions, so they cannot "
                'have one-hot codes. Choose `position="coordinates"`, or `False`. '
                f"Received: shift={shift}, position={position!r}."
            )

    def tiling(self, image_size):
        """The `Tiling` of images of `image_size`, a pair of ints."""
        return Tiling(image_size, self.grid.divisions, halo=self.halo, shift=self.shift)

    def input_specs(self, image_shape):
        *image_size, channels = _checks.shape("image_shape", image_shape)
        h, w = self.tiling(image_size).window_size
        specs = {"noisy": InputSpec((h, w, channels), "float32")}
        if self.content:
            specs["content"] = InputSpec((h, w, channels), "float32", "content")
        if self.position == "one_hot":
            number = self.grid.num_patches
            specs["patch_index"] = InputSpec((), "int32", "position", number)
        if self.position == "coordinates":
            specs["coordinates"] = InputSpec((h, w, 2), "float32")
        return specs

    def image_shape(self, window_shape):
        h, w, channels = _checks.shape("window_shape", window_shape)
        h, w = h - 2 * self.halo, w - 2 * self.halo
        return h * self.grid.rows, w * self.grid.cols, channels

    def example(self, images, add_noise, seed_generator):
        noisy, target = add_noise(images)
        tiling = self.tiling(tuple(images.shape[1:3]))
        index, corners = tiling.draw(
            ops.shape(images)[0], self.patches_per_image, seed_generator
        )

        def at_corners(images):
            return _one_axis(cut(images, corners, tiling.window_size))

        inputs = {"noisy": at_corners(noisy)}
        if self.position == "one_hot":
            inputs["patch_index"] = ops.reshape(index, (-1,))
        if self.position == "coordinates":
            inputs["coordinates"] = _one_axis(
                coordinates(corners, tiling.window_size, tiling.image_size)
            )
        if self.content:
            content = conditions.pooled(noisy, tiling)
            inputs["content"] = ops.repeat(content, self.patches_per_image, axis=0)
        return inputs, at_corners(target)

    def stages(self, image_shape):
        *image_size, channels = _checks.shape("image_shape", image_shape)
        tiling = self.tiling(image_size)
        return [
            grid_stage(tiling, channels, position=self.position, content=self.content)
        ]

    def get_config(self):
        return {
            "divisions": self.grid.divisions,
            "position": self.position,
            "content": self.content,
            "patches_per_image": self.patches_per_image,
            "halo": self.halo,
            "shift": self.shift,
        }


def grid_stage(tiling, channels, *, position, content):
    """The one stage of a grid: see `GridPatching` for the arguments."""
    tile_inputs = {
        "one_hot": conditions.index_input,
        "coordinates": functools.partial(conditions.coordinates_input, tiling=tiling),
        False: None,
    }[position]
    image_inputs = functools.partial(conditions.content_input, tiling=tiling)
    return Stage(tiling, channels, image_inputs if content else None, tile_inputs)


def _one_axis(windows):
    """`(B, K, ...)` to `(B * K, ...)`."""
    return ops.reshape(windows, (-1, *windows.shape[2:]))
