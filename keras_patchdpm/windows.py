"""Windows: rectangles of one size, cut out of images at any position."""

from keras import ops


def cut(images, corners, size):
    """Cuts windows out of images, at other positions in each image.

    Args:
        images: Tensor or array of shape `(B, H, W, C)`.
        corners: Int tensor of shape `(B, K, 2)`: row and column of the top left pixel
            of each window. The whole window must be inside the image.
        size: `(h, w)` of the windows in pixels.

    Returns:
        Tensor of shape `(B, K, h, w, C)`.
    """
    rows, cols = _pixels(corners, size)
    return pick(images, rows, cols)


def pick(images, rows, cols):
    """Selects pixels of images: all given columns of all given rows.

    Args:
        images: Tensor or array of shape `(B, H, W, C)`.
        rows: Int tensor of shape `(B, ..., h)`.
        cols: Int tensor of shape `(B, ..., w)`.

    Returns:
        Tensor of shape `(B, ..., h, w, C)`. `h` and `w` may be unknown in a graph.
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
    """The coordinates of the pixels of windows in the image, from -1 to 1.

    Args:
        corners: Int tensor or array of shape `(..., 2)`, as in `cut`.
        size: `(h, w)` of the windows in pixels.
        image_size: `(height, width)` of the image in pixels.

    Returns:
        Float32 tensor of shape `(..., h, w, 2)`: first the horizontal coordinate (-1
        is left), then the vertical one (-1 is the top).

    Source: Wang et al. 2023 (arXiv:2304.12526), section 3.1.
    """
    corners = ops.convert_to_tensor(corners, "int32")
    return places(*_pixels(corners, size), image_size)


def places(rows, cols, image_size):
    """The coordinates of pixels in the image, as in `coordinates`.

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
