"""Windows: rectangles of one size, cut out of images anywhere."""

import typing

import keras
import numpy as np
from keras import ops

from keras_patchdpm import _checks


def cut(images, corners, size):
    """Cuts windows out of images, others of each image.

    Args:
        images: Tensor or array of shape `(B, H, W, C)`.
        corners: Int tensor of shape `(B, K, 2)`: row and column of the top left pixel
            of each window, which must lie inside the image.
        size: `(h, w)` of the windows in pixels.

    Returns:
        Tensor of shape `(B, K, h, w, C)`.
    """
    rows, cols = _pixels(corners, size)
    return pick(images, rows, cols)


def pick(images, rows, cols):
    """Takes pixels out of images: all given columns of all given rows.

    Args:
        images: Tensor or array of shape `(B, H, W, C)`.
        rows: Int tensor of shape `(B, ..., h)`.
        cols: Int tensor of shape `(B, ..., w)`.

    Returns:
        Tensor of shape `(B, ..., h, w, C)`. A graph need not know `h` and `w`.
    """
    height, width, channels = images.shape[1:]
    pixels = rows[..., :, None] * width + cols[..., None, :]
    found = ops.take_along_axis(
        ops.reshape(images, (-1, height * width, channels)),
        ops.reshape(pixels, (ops.shape(pixels)[0], -1, 1)),
        axis=1,
    )
    return ops.reshape(found, (-1, *ops.shape(pixels)[1:], channels))


def coordinates(corners, size, image_size):
    """Where the pixels of windows lie in the image, from -1 to 1.

    Args:
        corners: Int tensor or array of shape `(..., 2)`, as in `cut`.
        size: `(h, w)` of the windows in pixels.
        image_size: `(height, width)` of the image in pixels.

    Returns:
        Float32 tensor of shape `(..., h, w, 2)`: across (-1 is left), then down (-1
        is the top).

    Source: Wang et al. 2023 (arXiv:2304.12526), section 3.1.
    """
    corners = ops.convert_to_tensor(corners, "int32")
    return places(*_pixels(corners, size), image_size)


def places(rows, cols, image_size):
    """Where pixels lie in the image, as `coordinates` tells it.

    Args:
        rows: Int tensor of shape `(..., h)`.
        cols: Int tensor of shape `(..., w)`.
        image_size: `(height, width)` of the image in pixels.

    Returns:
        Float32 tensor of shape `(..., h, w, 2)`.
    """
    height, width = image_size
    down = 2 * ops.cast(rows, "float32") / max(height - 1, 1) - 1
    across = 2 * ops.cast(cols, "float32") / max(width - 1, 1) - 1
    across, down = across[..., None, :], down[..., :, None]
    zeros = ops.zeros_like(across) * ops.zeros_like(down)
    return ops.stack([across + zeros, down + zeros], axis=-1)


def _pixels(corners, size):
    """Rows `(..., h)` and columns `(..., w)` of windows at `corners`."""
    h, w = size
    rows = corners[..., :1] + ops.arange(h, dtype="int32")
    return rows, corners[..., 1:] + ops.arange(w, dtype="int32")


class WindowGrid:
    """The windows through which a network sees the patches of a grid.

    A window is a patch with `halo` more pixels on each side, moved into the image where
    it would stick out. A moving grid lies some pixels further up and left, by an offset
    below the size of a patch, and has one row and one column of patches more, if it has
    several; those at the edges are cut off by the image.

    Args:
        grid: `PatchGrid`.
        image_size: `(height, width)` of the image in pixels.
        halo: Int of at least 0.
        moving: Bool.

    Attributes:
        size: `(h, w)` of a window in pixels.
        num_patches: Patches, and windows, of an image.

    Raises:
        ValueError: If the image does not divide into the grid, if a window is larger
            than the image, or if patches of one pixel are to move.
    """

    def __init__(self, grid, image_size, halo=0, moving=False):
        self.patch_size = grid.patch_size(image_size)
        self.image_size = tuple(image_size)
        self.halo = halo = _checks.integer("halo", halo, 0, _checks.LARGEST)
        self.moving = moving = _checks.boolean("moving", moving)
        self.size = tuple(side + 2 * halo for side in self.patch_size)
        self.divisions = tuple(n + (moving and n > 1) for n in grid.divisions)
        self.num_patches = self.divisions[0] * self.divisions[1]
        if any(np.greater(self.size, image_size)):
            raise ValueError(
                f"Windows of {self.size} pixels, patches of {self.patch_size} with "
                f"their halo, are larger than the image of {self.image_size}. Choose a "
                f"smaller `halo`. Received: halo={halo}."
            )
        # Offsets of a moving grid, from the first to before the last of each axis.
        self.offsets = tuple(
            (1, side) if moving and n > 1 else (0, 1)
            for side, n in zip(self.patch_size, grid.divisions, strict=True)
        )
        if any(first >= last for first, last in self.offsets):
            raise ValueError(
                "A grid whose patches are one pixel high or wide cannot move. Choose "
                f"fewer `divisions`. Received: patches of {self.patch_size}."
            )

    def draw_offset(self, count, seed):
        """Draws where the grid lies, for each of `count` images.

        Args:
            count: Int or int scalar tensor.
            seed: `keras.random.SeedGenerator`, used if the grid moves.

        Returns:
            Int32 tensor of shape `(count, 2)`, or `(1, 2)` of zeros if it does not.
        """
        if not self.moving:
            return ops.zeros((1, 2), "int32")
        return ops.stack(
            [
                keras.random.randint((count,), first, last, dtype="int32", seed=seed)
                for first, last in self.offsets
            ],
            axis=-1,
        )

    def corners(self, patch_index, offset):
        """The top left pixels of windows.

        Args:
            patch_index: Int32 tensor of shape `(...)`, in `[0, num_patches)`.
            offset: Int32 tensor that broadcasts to `(..., 2)`.

        Returns:
            Int32 tensor of shape `(..., 2)`.
        """
        cols = self.divisions[1]
        place = ops.stack([patch_index // cols, patch_index % cols], axis=-1)
        patch_size = ops.convert_to_tensor(self.patch_size, "int32")
        corners = place * patch_size - offset - self.halo
        last = ops.convert_to_tensor(np.subtract(self.image_size, self.size), "int32")
        return ops.clip(corners, 0, last)

    def places(self, offset):
        """Where the patches of one sampling step lie.

        Args:
            offset: `(down, across)`, two ints.

        Returns:
            List of `Place`s, one for each patch. Their patches tile the image.
        """
        indices = ops.arange(self.num_patches, dtype="int32")
        corners = self.corners(indices, ops.convert_to_tensor(offset, "int32"))
        places = []
        for index, corner in enumerate(ops.convert_to_numpy(corners).tolist()):
            window, patch, part = [], [], []
            for axis, number in enumerate(divmod(index, self.divisions[1])):
                side, first = self.patch_size[axis], corner[axis]
                start = number * side - offset[axis]
                stop = min(start + side, self.image_size[axis])
                start = max(start, 0)
                window.append(slice(first, first + self.size[axis]))
                patch.append(slice(start, stop))
                part.append(slice(start - first, stop - first))
            places.append(Place(tuple(window), tuple(patch), tuple(part)))
        return places


class Place(typing.NamedTuple):
    """Where a patch lies, each as two slices, of rows and of columns.

    Attributes:
        window: The window, in the image.
        patch: The patch, in the image.
        part: The patch, in its window.
    """

    window: tuple
    patch: tuple
    part: tuple
