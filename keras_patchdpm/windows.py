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

    def tiles(self, offset):
        """The tiles of one sampling step, which do not overlap but for their halo.

        Args:
            offset: `(down, across)`, two ints.

        Returns:
            `Tiles`.
        """
        lines = []
        for axis, count in enumerate(self.divisions):
            side, whole = self.patch_size[axis], self.image_size[axis]
            first = np.arange(count) * side - offset[axis]
            starts = np.clip(first - self.halo, 0, whole - self.size[axis])
            pixels = starts[:, None] + np.arange(self.size[axis])
            inside = (pixels >= first[:, None]) & (pixels < first[:, None] + side)
            lines.append(TileLine(starts, inside.astype("float32")))
        return Tiles(*lines)


class TileLine(typing.NamedTuple):
    """Tiles along one axis.

    Attributes:
        starts: Int array `(n,)`: the first pixel of each tile's window.
        blend: Float32 array `(n, side)`: weights of the window's pixels in the image.
    """

    starts: np.ndarray
    blend: np.ndarray


class Tiles:
    """Where the windows of one sampling step lie, and how they are blended.

    The image is the sum of the windows, each times its blend weights, which sum to 1
    at every pixel. They are the products of those of its row and its column.

    Args:
        rows: `TileLine` of the tiles' rows.
        cols: `TileLine` of their columns.

    Attributes:
        size: `(h, w)` of a window.
        corners: Int32 array `(K, 2)`: row and column of each window's first pixel.
    """

    def __init__(self, rows, cols):
        self.lines = rows, cols
        self.size = tuple(line.blend.shape[1] for line in self.lines)
        grid = np.meshgrid(rows.starts, cols.starts, indexing="ij")
        self.corners = np.stack(grid, axis=-1).reshape(-1, 2).astype("int32")

    def __len__(self):
        return len(self.corners)

    def window(self, index):
        """Two slices of the image: rows and columns of a window."""
        return tuple(
            slice(start, start + side)
            for start, side in zip(self.corners[index].tolist(), self.size, strict=True)
        )

    def blend(self, index):
        """Blend weights of a window, a float32 array `(h, w, 1)`."""
        row, col = divmod(index, len(self.lines[1].starts))
        down, across = self.lines[0].blend[row], self.lines[1].blend[col]
        return np.outer(down, across)[..., None].astype("float32")

    def sources(self, image_size, layers):
        """For each pixel of the image: which pixels of windows it is the sum of.

        Args:
            image_size: `(height, width)`.
            layers: `(down, across)`: windows over one pixel at most, along each axis.

        Returns:
            `(tile, pixel, weight)`, arrays of shape `(L, height * width)` where `L =
            down * across`: index of the tile, row-major index of the pixel in its
            window, and blend weight, 0 where fewer than `L` windows lie over a pixel.
        """
        (row, down, high), (col, across, wide) = (
            _line_sources(*each)
            for each in zip(self.lines, image_size, layers, strict=True)
        )

        def outer(rows, cols, join):
            both = join(rows[:, None, :, None], cols[None, :, None, :])
            return both.reshape(len(rows) * len(cols), -1)

        width, num_cols = self.size[1], len(self.lines[1].starts)
        return (
            outer(row, col, lambda r, c: r * num_cols + c),
            outer(down, across, lambda r, c: r * width + c),
            outer(high, wide, np.multiply),
        )


def most_layers(line, whole):
    """Windows over one pixel of an axis at most.

    Args:
        line: `TileLine`.
        whole: Int, pixels of the axis.
    """
    counts = np.zeros(whole, int)
    for start, blend in zip(line.starts, line.blend, strict=True):
        counts[start : start + len(blend)] += blend > 0
    return int(counts.max())


def _line_sources(line, whole, layers):
    """`Tiles.sources` along one axis: three arrays `(layers, whole)`."""
    tile, pixel = np.zeros((2, layers, whole), "int32")
    weight = np.zeros((layers, whole), "float32")
    layer = np.zeros(whole, int)  # The next free one of each pixel.
    for index, (start, blend) in enumerate(zip(*line, strict=True)):
        inside = np.flatnonzero(blend)
        at = layer[start + inside], start + inside
        tile[at], pixel[at], weight[at] = index, inside, blend[inside]
        layer[start + inside] += 1
    return tile, pixel, weight
