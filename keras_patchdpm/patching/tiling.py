"""Tilings: where the patches of a sampling step lie, and how they are blended."""

import functools
import math
import typing

import keras
import numpy as np
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm._registration import Configured
from keras_patchdpm.grid import PatchGrid
from keras_patchdpm.patching.tiles import TileLine, Tiles

SPREAD = 0.25  # Standard deviation of the blend weights, over the side of a patch.


class Tiling(Configured):
    """Patches that cover an image, and the windows through which the network sees them.

    A window is a patch with `halo` more pixels on each side. Where it would reach
    beyond the image, it is moved into the image. Overlap, halo and shift are data of a
    tiling; the grid of Arakawa et al. has none of them.

    Args:
        image_size: Positive int or pair `(height, width)`: pixels of the image.
        divisions: Positive int N or pair `(rows, cols)`: a patch has the size of the
            image over `divisions`.
        halo: Int of at least 0. Pixels around a patch, on each side.
        shift: Bool. Whether the grid is moved in each step, by a random offset below
            the size of a patch. It then has one more row and one more column of
            patches. Patches at the edges of the image are cut off.
        overlap: Float in (0, 0.9]: share of a patch's side that the next patch covers
            too. There the mean is computed, with Gaussian weights. Default `None`: no
            overlap.

    Attributes:
        patch_size, window_size: `(h, w)` in pixels.
        counts: `(rows, cols)`: patches of a step, more than `divisions` if the grid is
            shifted or the patches overlap.
        num_patches: Int, their number.
        layers: `(down, across)`: the most windows that are blended at one pixel.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If the image does not divide, a window is larger than the image, an
            overlap is less than a pixel, or patches of one pixel are to be shifted.

    Example:

    >>> Tiling(64, 4, overlap=0.5).num_patches
    49

    Source: grid: Arakawa et al. 2023 (arXiv:2304.07087), section 3.1; shift: Hu et al.
    2024 (arXiv:2406.02462); overlap: Barbero Jimenez 2023 (arXiv:2302.02412), sec. 3.
    """

    def __init__(self, image_size, divisions, *, halo=0, shift=False, overlap=None):
        self.grid = PatchGrid(divisions)
        self.image_size = _checks.pair("image_size", image_size)
        self.patch_size = self.grid.patch_size(self.image_size)
        self.halo = _checks.integer("halo", halo, minimum=0, maximum=_checks.LARGEST)
        self.shift = _checks.boolean("shift", shift)
        if overlap is not None:
            overlap = _checks.real("overlap", overlap, minimum=0, maximum=0.9)
        self.overlap = overlap
        self.window_size = tuple(side + 2 * self.halo for side in self.patch_size)
        if any(np.greater(self.window_size, self.image_size)):
            raise ValueError(
                f"A patch of {self.patch_size} pixels with its halo has "
                f"{self.window_size} pixels, and is larger than the image of "
                f"{self.image_size}. Choose a smaller `halo`. Received: halo={halo}."
            )
        self._axes = self._axes_of(self.shift)
        self.counts = tuple(axis.count for axis in self._axes)
        self.num_patches = math.prod(self.counts)

    @functools.cached_property
    def layers(self):
        """The most windows that are blended at one pixel, `(down, across)`."""
        return tuple(axis.layers() for axis in self._axes)

    def tiles(self, rng, *, shifted=True):
        """The tiles of one sampling step.

        Args:
            rng: `numpy.random.Generator`, which draws the offset of a shifted grid.
            shifted: Bool. Whether a grid with `shift` is moved in this step. If not, it
                has one row and one column of patches fewer. Default: yes.

        Returns:
            `Tiles`.
        """
        axes = self.axes(shifted)
        offsets = [int(rng.integers(*axis.offsets)) for axis in axes]
        return Tiles(*map(_Axis.line, axes, offsets))

    def axes(self, shifted):
        """The two axes: their `offsets`, and the `line` of tiles at one of these.

        Args:
            shifted: Bool. As in `tiles`.
        """
        return self._axes if shifted else self._axes_of(False)

    def draw(self, batch, count, seed_generator):
        """Draws patches for training, none twice in an image.

        Args:
            batch: Int or int scalar tensor B. Images; each has another offset.
            count: Int from 1 to `num_patches`. Patches of each.
            seed_generator: `keras.random.SeedGenerator`.

        Returns:
            `(index, corners)`, int32 tensors: patch indices `(B, count)` and the first
            pixels of their windows, `(B, count, 2)`.
        """
        shape = (batch, self.num_patches)
        keys = keras.random.uniform(shape, dtype="float32", seed=seed_generator)
        index = ops.cast(ops.argsort(keys, axis=-1), "int32")[:, :count]
        offset = ops.zeros((1, 2), "int32")
        if self.shift:
            offset = ops.stack(
                [
                    keras.random.randint(
                        (batch,), *axis.offsets, dtype="int32", seed=seed_generator
                    )
                    for axis in self._axes
                ],
                axis=-1,
            )
        return index, self.corners(index, offset[:, None])

    def corners(self, index, offset):
        """The first pixels of windows.

        Args:
            index: Int32 tensor of shape `(...)`: patch indices.
            offset: Int32 tensor that broadcasts to `(..., 2)`.

        Returns:
            Int32 tensor of shape `(..., 2)`.
        """
        cols = self.counts[1]
        cells = ops.stack([index // cols, index % cols], axis=-1)
        first = cells * _ints(axis.stride for axis in self._axes) - offset
        if self.overlap is not None:
            first = ops.clip(first, 0, _ints(a.whole - a.side for a in self._axes))
        last = _ints(axis.whole - axis.window for axis in self._axes)
        return ops.clip(first - self.halo, 0, last)

    def _axes_of(self, shift):
        """The two `_Axis` of the grid, moved or not."""
        return tuple(
            _Axis.of(*each, halo=self.halo, shift=shift, overlap=self.overlap)
            for each in zip(
                self.image_size, self.patch_size, self.grid.divisions, strict=True
            )
        )

    def get_config(self):
        """The arguments, plain data."""
        return {
            "image_size": self.image_size,
            "divisions": self.grid.divisions,
            "halo": self.halo,
            "shift": self.shift,
            "overlap": self.overlap,
        }


class _Axis(typing.NamedTuple):
    """Patches along one axis.

    Attributes:
        whole, side, window: Pixels of the image, a patch and a window.
        stride: Pixels from a patch to the next.
        count: Patches.
        offsets: Offsets of a shifted grid: the first, and one more than the last.
        halo: Pixels on each side of a patch.
        blended: Whether patches overlap.
    """

    whole: int
    side: int
    window: int
    stride: int
    count: int
    offsets: tuple
    halo: int
    blended: bool

    @classmethod
    def of(cls, whole, side, parts, *, halo, shift, overlap):
        """The axis of `whole` pixels, divided into `parts`."""
        stride, offsets = side, (0, 1)
        shifted = shift and parts > 1
        if overlap is not None and parts > 1:
            # A patch of few pixels may round to an overlap as large as itself.
            stride = max(side - round(overlap * side), 1)
            if stride == side:
                raise ValueError(
                    f"Patches of {side} pixels overlap by less than one pixel. Choose "
                    f"a larger `overlap`. Received: overlap={overlap}."
                )
        count = math.ceil((whole - side) / stride) + 1 + shifted
        if shifted:
            offsets = (0, stride) if overlap is not None else (1, side)
        if offsets[0] >= offsets[1]:
            raise ValueError(
                "A grid whose patches are one pixel high or wide cannot be shifted. "
                "Choose fewer `divisions`, or a larger image. Received: patches of "
                f"{side} pixel."
            )
        window, blended = side + 2 * halo, overlap is not None
        return cls(whole, side, window, stride, count, offsets, halo, blended)

    def line(self, offset):
        """The `TileLine` of a grid that lies `offset` pixels further up or left."""
        first = np.arange(self.count) * self.stride - offset
        if self.blended:
            first = np.clip(first, 0, self.whole - self.side)
        starts = np.clip(first - self.halo, 0, self.whole - self.window)
        pixels = starts[:, None] + np.arange(self.window)
        weights = self._weights(pixels - first[:, None])
        total = np.zeros(self.whole)
        for place, weight in zip(pixels, weights, strict=True):
            total[place] += weight
        return TileLine(starts, (weights / total[pixels]).astype("float32"))

    def layers(self):
        """The most windows that are blended at one pixel."""
        return max(map(self._layers, range(*self.offsets))) if self.blended else 1

    def _layers(self, offset):
        counts = np.zeros(self.whole, int)
        for start, blend in zip(*self.line(offset), strict=True):
            counts[start : start + len(blend)] += blend > 0
        return int(counts.max())

    def _weights(self, places):
        """Blend weights of pixels before they sum to 1, by where in the patch they lie.

        The Gaussian of a pixel is the product of those of its row and its column.
        """
        inside = ((places >= 0) & (places < self.side)).astype("float64")
        if not self.blended:
            return inside
        middle = (places + 0.5) / self.side - 0.5
        return inside * np.exp(-(middle**2) / (2 * SPREAD**2))


def _ints(values):
    return ops.convert_to_tensor(list(values), "int32")
