"""Patches that overlap, and are blended: for sampling."""

import math

import numpy as np

from keras_patchdpm import _checks
from keras_patchdpm.patching.grid_patching import GridPatching
from keras_patchdpm.windows import TileLine, Tiles, most_layers

SPREAD = 0.25  # Standard deviation of a patch's weights over its side.


class OverlapPatching(GridPatching):
    """Patches of a grid's size that overlap, each weighing most in its middle.

    Where patches overlap, the estimate is their mean with Gaussian weights. More of
    them are made than of a grid without overlap: about four times as many for 0.5.

    Args:
        image_size: Positive int or pair `(height, width)`: pixels of the whole image.
        divisions: Positive int N or a pair: patches have the image's size over it.
        overlap: Float in (0, 0.9]. Part of a patch's side that the next one shares.
        position: `"coordinates"` or `False`, as the network was trained.
        content: Bool. Whether it is given the pooled image.
        moving: Bool. Whether all of it is shifted at random at every step.

    Raises:
        ValueError: If `overlap` is out of range, or less than a pixel.

    Example:

    >>> patching = OverlapPatching(64, divisions=4, overlap=0.5)

    Source: Barbero Jimenez 2023 (arXiv:2302.02412), section 3.
    """

    def __init__(
        self,
        image_size,
        divisions,
        overlap,
        position="coordinates",
        content=True,
        moving=False,
    ):
        super().__init__(divisions, position, content=content, moving=moving)
        self.image_size = _checks.pair("image_size", image_size)
        self.overlap = _checks.real("overlap", overlap, 0, 0.9)
        self.patch_size = self.grid.patch_size(self.image_size)
        # A patch of few pixels may round to an overlap as large as itself.
        self.strides = tuple(
            max(side - round(self.overlap * side), 1) if n > 1 else side
            for side, n in zip(self.patch_size, self.grid.divisions, strict=True)
        )
        shared = np.subtract(self.patch_size, self.strides)
        if any(shared[np.greater(self.grid.divisions, 1)] == 0):
            raise ValueError(
                f"Patches of {self.patch_size} pixels overlap by less than one. Choose "
                f"a larger `overlap`. Received: overlap={overlap}."
            )

    @property
    def counts(self):
        """Patches along each axis."""
        return tuple(
            math.ceil((whole - side) / stride) + 1 + (self.moving and whole > side)
            for whole, side, stride in zip(
                self.image_size, self.patch_size, self.strides, strict=True
            )
        )

    @property
    def num_patches(self):
        """Patches of an image in a step of sampling."""
        rows, cols = self.counts
        return rows * cols

    def tiles(self, image_size, rng):
        """The tiles of a sampling step: see `GridPatching`."""
        offsets = [
            int(rng.integers(stride)) if self._shifted(axis) else 0
            for axis, stride in enumerate(self.strides)
        ]
        return Tiles(*(self._line(axis, offsets[axis]) for axis in (0, 1)))

    def layers(self, image_size):
        """Windows over one pixel, at most: see `GridPatching`."""
        return tuple(
            max(
                most_layers(self._line(axis, offset), whole)
                for offset in range(self.strides[axis] if self._shifted(axis) else 1)
            )
            for axis, whole in enumerate(self.image_size)
        )

    def get_config(self):
        return {
            "image_size": self.image_size,
            "divisions": self.grid.divisions,
            "overlap": self.overlap,
            "position": self.position,
            "content": self.content,
            "moving": self.moving,
        }

    def _shifted(self, axis):
        """Whether the patches move along an axis."""
        return self.moving and self.image_size[axis] > self.patch_size[axis]

    def _line(self, axis, offset):
        """The patches along an axis, moved by `offset` pixels."""
        side, whole = self.patch_size[axis], self.image_size[axis]
        starts = np.arange(self.counts[axis]) * self.strides[axis] - offset
        starts = np.clip(starts, 0, whole - side)
        return TileLine(starts, _weights(starts, side, whole))


def _weights(starts, side, whole):
    """Blend weights of the patches along an axis: those of a pixel sum to 1.

    The Gaussian is one of each axis by itself, so the weights of a pixel are products.
    """
    middle = (np.arange(side) + 0.5) / side - 0.5
    bell = np.exp(-(middle**2) / (2 * SPREAD**2))
    total = np.zeros(whole)
    for start in starts:
        total[start : start + side] += bell
    return np.stack([bell / total[start : start + side] for start in starts])
