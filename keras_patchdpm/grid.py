"""The grid of patches: divides, merges and pools images."""

from keras import ops

from keras_patchdpm import _checks


class PatchGrid:
    """A grid of `rows` x `cols` equal patches without overlap.

    Patches are counted row by row: `patch_index = row * cols + col`, 0 is top left.

    Args:
        divisions: Positive int N (a grid of N x N) or a pair `(rows, cols)`.

    Raises:
        TypeError: If `divisions` is not an int or two ints.
        ValueError: If a division is below 1.

    Example:

    >>> grid = PatchGrid((2, 3))
    >>> patches = grid.split(images)    # (B, 64, 96, 3) -> (B, 6, 32, 32, 3)
    >>> images = grid.merge(patches)    # and back, bit for bit

    Source: Arakawa et al. 2023 (arXiv:2304.07087), sections 3.1 to 3.3.
    """

    def __init__(self, divisions):
        self.divisions = _checks.pair("divisions", divisions)
        self.rows, self.cols = self.divisions
        self.num_patches = self.rows * self.cols

    def __repr__(self):
        return f"PatchGrid({self.divisions})"

    def __eq__(self, other):
        return isinstance(other, PatchGrid) and self.divisions == other.divisions

    def __hash__(self):
        return hash(self.divisions)

    def patch_size(self, image_size):
        """Height and width of a patch.

        Args:
            image_size: `(height, width)` of the image in pixels.

        Returns:
            `(h, w)`, two ints.

        Raises:
            TypeError: If `image_size` is not two ints.
            ValueError: If the image does not divide into the grid.
        """
        height, width = _checks.sequence(
            "image_size", image_size, _checks.positive_int, count=2
        )
        if height % self.rows or width % self.cols:
            raise ValueError(
                f"An image of {height}x{width} pixels does not divide into "
                f"{self.rows}x{self.cols} equal patches. Resize or pad the image to "
                f"{_multiples(height, self.rows)} by {_multiples(width, self.cols)} "
                "pixels, or choose other `divisions`: "
                f"{_divisors(height)} divide the height, {_divisors(width)} the "
                f"width. Received: divisions={self.divisions}, "
                f"image_size={(height, width)}."
            )
        return height // self.rows, width // self.cols

    def cell(self, patch_index, image_size):
        """The pixels of one patch.

        Args:
            patch_index: Int in `[0, num_patches)`.
            image_size: `(height, width)` of the image in pixels.

        Returns:
            Two slices: the rows and the columns of the patch in the image.
        """
        patch_index = _checks.integer(
            "patch_index", patch_index, minimum=0, maximum=self.num_patches - 1
        )
        h, w = self.patch_size(image_size)
        row, col = divmod(patch_index, self.cols)
        return slice(row * h, (row + 1) * h), slice(col * w, (col + 1) * w)

    def split(self, images):
        """Cuts images into patches.

        Args:
            images: Tensor or array of shape `(B, H, W, C)`.

        Returns:
            Tensor of shape `(B, P, h, w, C)`, `P = rows * cols`.

        Raises:
            TypeError: If `images` is no array or tensor of numbers.
            ValueError: If the image does not divide into the grid.
        """
        height, width, channels = _checks.images("images", images)
        h, w = self.patch_size((height, width))
        x = ops.reshape(images, (-1, self.rows, h, self.cols, w, channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (-1, self.num_patches, h, w, channels))

    def merge(self, patches):
        """Puts patches together to images: the inverse of `split`.

        Args:
            patches: Tensor or array of shape `(B, P, h, w, C)`.

        Returns:
            Tensor of shape `(B, H, W, C)`.

        Raises:
            TypeError: If `patches` is no array or tensor of numbers.
            ValueError: If there are not `num_patches` patches.
        """
        shape = _checks.numbers_of("patches", patches, None)
        if len(shape) != 5 or shape[1] != self.num_patches or None in shape[2:]:
            raise ValueError(
                f"`patches` must have the shape (batch, {self.num_patches}, h, w, "
                f"channels) for a grid of {self.rows}x{self.cols}. "
                f"Received: patches of shape={shape}."
            )
        _, _, h, w, channels = shape
        x = ops.reshape(patches, (-1, self.rows, self.cols, h, w, channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (-1, self.rows * h, self.cols * w, channels))

    def content(self, images):
        """The whole image pooled to the size of one patch (GCC).

        Each pixel is the mean over a window of `rows` x `cols` pixels.

        Args:
            images: Tensor or array of shape `(B, H, W, C)`.

        Returns:
            Tensor of shape `(B, h, w, C)`.

        Source: Arakawa et al. 2023, section 3.3.
        """
        height, width, channels = _checks.images("images", images)
        h, w = self.patch_size((height, width))
        x = ops.reshape(images, (-1, h, self.rows, w, self.cols, channels))
        return ops.mean(x, axis=(2, 4))


def _multiples(size, divisor):
    """The multiples of `divisor` around `size`, as text."""
    below = size // divisor * divisor
    return f"{below} or {below + divisor}" if below else f"{divisor}"


def _divisors(size):
    return [n for n in range(1, min(size, 64) + 1) if size % n == 0]
