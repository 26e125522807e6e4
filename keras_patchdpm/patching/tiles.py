"""The tiles of one sampling step."""

import typing

import numpy as np


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
