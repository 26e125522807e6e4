"""Crops and resizes images to the size of a data set."""

import dataclasses

import numpy as np
from PIL import Image, ImageOps

from keras_patchdpm import _checks
from keras_patchdpm.datasets._skipped import Unreadable

_CENTERS = {"center": (0.5, 0.5), "top": (0.5, 0.0)}  # Across and down, for Pillow.
CROPS = (*_CENTERS, "stretch")
_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "area": Image.Resampling.BOX}
RESAMPLES = tuple(_FILTERS)


@dataclasses.dataclass(frozen=True)
class Fit:
    """How an image is cropped and resized; a function from an image to an array.

    Args:
        size: `(height, width)` of the result.
        smallest: `(height, width)` of the smallest image that is accepted.
        crop: `"center"`, `"top"` or `"stretch"`, see `ImageFolder`.
        resample: `"bicubic"` or `"area"`.
    """

    size: tuple
    smallest: tuple
    crop: str
    resample: str

    @classmethod
    def checked(cls, image_size, *, smallest, crop, resample):
        """Validates the arguments of a public function; returns a `Fit`."""
        size = _checks.pair("image_size", image_size)
        return cls(
            size,
            size if smallest is None else _checks.pair("smallest", smallest),
            _checks.one_of("crop", crop, CROPS),
            _checks.one_of("resample", resample, RESAMPLES),
        )

    def __call__(self, image):
        """Crops and resizes.

        Args:
            image: `PIL.Image.Image`, upright.

        Returns:
            Uint8 array of shape `(height, width, 3)`.

        Raises:
            Unreadable: If the image is smaller than `smallest`.
        """
        self.check(image.height, image.width)
        image = image.convert("RGB")
        if (image.height, image.width) == self.size:
            return np.asarray(image)
        size, method = self.size[::-1], _FILTERS[self.resample]
        if self.crop == "stretch":
            return np.asarray(image.resize(size, method))
        center = _CENTERS[self.crop]
        return np.asarray(ImageOps.fit(image, size, method, centering=center))

    def check(self, height, width):
        """Refuses the size of an image that is smaller than `smallest`."""
        if height < self.smallest[0] or width < self.smallest[1]:
            raise Unreadable(
                f"smaller than `smallest`, {self.smallest[0]}x{self.smallest[1]} "
                "pixels",
                f"{height}x{width}",
            )
