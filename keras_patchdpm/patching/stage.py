"""Stages: how images of one size are sampled, the sampling half of a patching."""

import dataclasses
import math
import typing

import numpy as np

from keras_patchdpm.patching.tiling import Tiling
from keras_patchdpm.resize import Enlarged, enlarge_part


@dataclasses.dataclass(frozen=True)
class Stage:
    """Images of one size, sampled in tiles.

    A `Patching` returns a list of stages. Each starts from noise. All but the first are
    conditioned on the images of the stages before them. `PatchSampler` calls the
    methods; a patching only builds the object.

    Attributes:
        tiling: `Tiling`.
        channels: Int. Channels of the image.
        image_inputs: Function `(noisy, previous)` to a dict of network inputs `(B,
            ...)`, which are the same for all tiles of an image. `noisy` is a tensor or
            an array of shape `(B, H, W, C)`; `previous` is a tuple of the images of
            the earlier stages. It is called once a step, in a compiled function.
            Default `None`: no such inputs.
        tile_inputs: Function `(index, corners)` to a dict of network inputs `(K, ...)`,
            which are the same for all images. `index` `(K,)` are the indices of the
            tiles, `corners` `(K, 2)` the first pixels of their windows. Default `None`:
            no such inputs.
        enlarged: Name of the network input that is cut, as the noisy image is, out of
            the previous stage's image, enlarged to this stage's size. Default `None`:
            no such input.
        detail_scale: Float. If it is given, the stage samples the detail: the
            difference between the image and the enlarged previous image, divided by
            this scale. It needs `enlarged`. Default `None`: the stage samples the image
            itself.
        previous_noise: Float of at least 0. Standard deviation of noise that is added
            to the images of earlier stages. Default 0.
        shift_below: Float above 0: `sigma / alpha`, the strength of the noise below
            which a shifted grid is moved. Steps with more noise have the fixed grid,
            with fewer patches. Default `None`: it is moved in every step.

    Example, a grid without position and without content:

    >>> stage = Stage(Tiling(64, 2), channels=3)
    >>> stage.image_shape, stage.num_patches
    ((64, 64, 3), 4)
    """

    tiling: Tiling
    channels: int
    image_inputs: typing.Callable | None = None
    tile_inputs: typing.Callable | None = None
    enlarged: str | None = None
    detail_scale: float | None = None
    previous_noise: float = 0.0
    shift_below: float | None = None

    @property
    def image_size(self):
        """`(height, width)` of its images in pixels."""
        return self.tiling.image_size

    @property
    def image_shape(self):
        """`(height, width, channels)` of its images."""
        return (*self.image_size, self.channels)

    @property
    def window_shape(self):
        """`(h, w, channels)` of what the network sees of an image."""
        return (*self.tiling.window_size, self.channels)

    @property
    def num_patches(self):
        """The most patches of an image in one step."""
        return self.tiling.num_patches

    def tiles(self, level, rng):
        """The `Tiles` of the step from a `NoiseLevel`; `rng` draws their offset."""
        return self.tiling.tiles(rng, shifted=self.is_shifted(level))

    def is_shifted(self, level):
        """Whether a shifted grid is moved in the step from a `NoiseLevel`."""
        below = self.shift_below
        return below is None or level.sigma < below * level.alpha

    def conditions(self, noisy, previous):
        """Network inputs that are the same for all tiles of an image: a dict."""
        return {} if self.image_inputs is None else self.image_inputs(noisy, previous)

    def tile_conditions(self, index, corners):
        """Network inputs that are the same for all images: a dict."""
        return {} if self.tile_inputs is None else self.tile_inputs(index, corners)

    def previous(self, images, rng_of):
        """The images of earlier stages that the network is conditioned on.

        Args:
            images: List of arrays, one for each earlier stage.
            rng_of: Function of the number of an earlier stage to one
                `numpy.random.Generator` for each image, for `previous_noise`.

        Returns:
            Tuple of arrays.
        """
        if not self.previous_noise:
            return tuple(images)
        scale = np.float32(self.previous_noise)
        noisy = []
        for source, clean in enumerate(images):
            clean = clean.copy()
            for image, rng in zip(clean, rng_of(source), strict=True):
                image += scale * rng.standard_normal(image.shape, "float32")
            noisy.append(clean)
        return tuple(noisy)

    def maps(self, previous):
        """Images cut as the noisy one is: a dict of input names to `Enlarged`."""
        if self.enlarged is None:
            return {}
        return {self.enlarged: Enlarged(previous[-1], self.image_size)}

    def bounds(self, inputs):
        """The least and the largest clean value, for a dict of network inputs."""
        if self.detail_scale is None:
            return -1, 1
        return [(end - inputs[self.enlarged]) / self.detail_scale for end in (-1, 1)]

    def finish(self, sampled, previous):
        """Turns what was sampled into images, in place.

        Args:
            sampled: Array of shape `(B, H, W, C)`.
            previous: What `previous` returned.

        Returns:
            The images, in the array `sampled`.
        """
        if self.detail_scale is None:
            return sampled
        for part in self._rows_of_patches():
            sampled[:, *part] *= self.detail_scale
            sampled[:, *part] += enlarge_part(previous[-1], self.image_size, part)
        return sampled

    def begin(self, images, previous):
        """Turns images into what is sampled, in place: the inverse of `finish`."""
        if self.detail_scale is None:
            return images
        for part in self._rows_of_patches():
            images[:, *part] -= enlarge_part(previous[-1], self.image_size, part)
            images[:, *part] /= self.detail_scale
        return images

    def _rows_of_patches(self):
        """Yields the slices of a row of patches at a time.

        The whole would be one more image in memory.
        """
        height = self.tiling.patch_size[0]
        for top in range(0, self.image_size[0], height):
            yield slice(top, top + height), slice(None)

    def images_floats(self, on_device):
        """How many floats a step stores in addition to the solver's images.

        Args:
            on_device: Bool. Whether the images are on the device: a step then writes
                its results into new arrays, holds all windows of an image twice before
                they are blended, and has tables that say where they belong.
        """
        if not on_device:
            return 0
        pixels, positions = math.prod(self.image_shape), math.prod(self.image_size)
        layers = math.prod(self.tiling.layers)
        results = 2 if layers == 1 else 4  # Of windows that overlap, sums.
        windows = 2 * self.num_patches * math.prod(self.window_shape)
        enlarged = pixels if self.enlarged else 0
        return results * pixels + windows + 2 * layers * positions + enlarged
