"""Guidance by a measurement: what a function of each image must be."""

import dataclasses
import functools
import typing

import keras
import numpy as np
from keras import ops

from keras_patchdpm import _checks, runtime
from keras_patchdpm.resize import enlarge, shrink

STANDARD_DEVIATION = 0.5  # Of the pixels of photographs in [-1, 1].


@dataclasses.dataclass(frozen=True, eq=False)
class Measurement:
    """A measurement of the images, which the sampled images must agree with.

    In each step the clean estimate moves towards images with these measured values, by
    the gradient of the misfit through the network. The gradient is computed patch by
    patch, so that memory stays that of a patch: each patch is differentiated by its own
    noisy pixels, not by the content or the thumbnail that it is conditioned on. A step
    takes about four times as long. The images are in the host's memory.

    Args:
        function: Differentiable function of a float tensor of images `(B, H, W, C)` in
            [-1, 1], written with `keras.ops`. It returns a tensor `(B, ...)`, and each
            row depends on its own image alone. For a model of latents it measures
            latents.
        values: Array `(1, ...)` or `(num_images, ...)`: the measured values, for all
            images or for each.
        noise: Float of at least 0, the standard deviation of the noise in `values`.
            With 0 the images agree as well as they can. Default 0.05.
        scale: Float of at least 0. 1 is the best step for a linear measurement of
            normal images; with less the images agree less. Default 1.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a number is out of range, or `values` are not finite.

    Example, colours for a grey photograph:

    >>> def grey(images):
    ...     return keras.ops.mean(images, axis=-1)
    >>> measurement = kp.Measurement(grey, photograph[None] / 127.5 - 1)
    >>> images = sampler(num_images=4, measurement=measurement)

    Source: Chung et al. 2022 (arXiv:2209.14687), section 3, algorithm 1. They choose
    the length of each step by hand. Here it is the best one for a linear function, see
    `MeasuredDenoiser`.
    """

    function: typing.Callable
    values: np.ndarray
    noise: float = 0.05
    scale: float = 1.0

    def __post_init__(self):
        set_ = functools.partial(object.__setattr__, self)  # The class is frozen.
        _checks.function("function", self.function)
        values = _checks.array("values", self.values)
        if values.dtype.kind not in "fiub" or not values.ndim or not values.size:
            raise TypeError(
                "`values` must be an array of numbers, one row for each image, or one "
                f"for all. Received: values of {values.dtype} and the shape "
                f"{values.shape}."
            )
        wrong = values.size - np.count_nonzero(np.isfinite(values))
        if wrong:
            raise ValueError(
                "`values` must be finite. "
                f"Received: values in which {wrong} are NaN or infinite."
            )
        set_("values", values.astype("float32"))
        set_("noise", _checks.real("noise", self.noise, minimum=0))
        set_("scale", _checks.real("scale", self.scale, minimum=0))

    def check_fits(self, model, num_images):
        """Checks the function on a random image; called before a sampling.

        Args:
            model: `TiledModel`.
            num_images: Positive int.

        Raises:
            TypeError: If the network cannot be differentiated.
            ValueError: If the function is not differentiable, does not depend on the
                image, or gives another shape than `values` have.
        """
        _checks.instance("the network of the model", model.network, keras.Model)
        rows = len(self.values)
        if rows not in (1, num_images):
            raise ValueError(
                "`values` must have one row for each image, or one for all. Received: "
                f"values of the shape {self.values.shape}, num_images={num_images}."
            )
        rng = np.random.default_rng(0)
        image = rng.uniform(-0.5, 0.5, (1, *model.image_shape)).astype("float32")
        measured = tuple(self.function(ops.convert_to_tensor(image)).shape)
        if measured != (1, *self.values.shape[1:]):
            raise ValueError(
                f"`function` gives values of the shape {measured} for one image, and "
                f"`values` have the shape {self.values.shape}. After the first axis "
                f"the shapes must be equal. Received: function={self.function!r}."
            )
        try:
            _, gradient = self._misfit(self.values[:1])(image)
        except Exception as error:  # Each backend has its own.
            raise ValueError(
                "`function` cannot be differentiated. Write it with `keras.ops`, "
                f"without NumPy. {error} Received: function={self.function!r}."
            ) from error
        if gradient is None or not np.isfinite(gradient).all() or not gradient.any():
            raise ValueError(
                "`function` must be differentiable and depend on the image: its "
                "gradient at a random image is 0, infinite or missing. Write it with "
                "`keras.ops`, without rounding and without NumPy. "
                f"Received: function={self.function!r}."
            )

    def of(self, numbers):
        """The measured values of the images of a batch."""
        if len(self.values) == 1:
            return np.repeat(self.values, len(numbers), axis=0)
        return self.values[np.array(numbers)]

    def misfit(self, images, values):
        """The squares of the differences from `values`, and half their gradient.

        Args:
            images: Float32 array `(B, H, W, C)`.
            values: Array, the result of `of`.

        Returns:
            `(squares, gradient)`: arrays `(B,)` and `(B, H, W, C)`.
        """
        squares, gradient = self._misfit(values)(images)
        return squares, gradient / 2

    def _misfit(self, values):
        def squares(images):
            apart = self.function(images) - ops.convert_to_tensor(values)
            return ops.sum(ops.reshape(apart**2, (len(values), -1)), axis=1)

        return runtime.value_and_gradient(squares)

    def measure(self, images):
        """The result of the function, an array."""
        return ops.convert_to_numpy(self.function(ops.convert_to_tensor(images)))


class MeasuredDenoiser:
    """Moves the clean estimate towards images with the measured values.

    For a clean estimate `x`, the covariance of the clean image, given the noisy one, is
    `C = sigma**2 / alpha` times the derivative of `x` by the noisy image. The gradient
    `g` of half the square of the misfit gives the direction `-C g`; the best length of
    the step along it is `g C g / (noise**2 g C g + |A C g|**2)` if the measurement `A`
    is linear and the clean image normal. If the misfit is an eigenvector of `A C A'`,
    the result is the expected clean image, given the noisy one and the measurement.

    Args:
        denoise: `PatchDenoiser`, for the estimate without the measurement.
        gradients: Function of a `NoiseLevel` to the network's gradients at that level:
            `NetworkCalls` or `GuidedCalls` of `runtime.gradient_call`.
        measurement: `Measurement`.
        numbers: Numbers of the images of the batch, a list of ints.
        later: List of the `Stage`s that follow. The last one's images are measured; of
            an earlier stage, the enlarged ones. The detail that is still missing then
            counts as noise of the measurement.
    """

    memory_ran_out = False

    def __init__(self, denoise, gradients, *, measurement, numbers, later):
        self.denoise, self.gradients = denoise, gradients
        self.measurement, self.values = measurement, measurement.of(numbers)
        self.stage, self.previous = denoise.stage, denoise.previous
        self.size = (later or [self.stage])[-1].image_size
        scales = [stage.detail_scale or 0 for stage in later]
        self.missing = STANDARD_DEVIATION * np.linalg.norm([0, *scales])

    def __call__(self, noisy, level, out=None):
        """The clean estimate: see `PatchDenoiser`."""
        clean = self.denoise(noisy, level, out)
        if not level.alpha:  # The noisy images do not depend on the clean ones.
            return clean
        images = self._images(clean)
        squares, gradient = self.measurement.misfit(images, self.values)
        noise = self._noise(squares, gradient)
        gradient = self._of_stage(gradient, clean)
        step = self._covariance(noisy, level, gradient)
        moved = self.measurement.measure(self._images(clean + step))
        moved = moved - self.measurement.measure(images)
        along = _inner(gradient, step)
        below = noise * along + _inner(moved, moved)
        usable = (along > 0) & (below > 0)
        length = np.where(usable, along / np.where(usable, below, 1), 0)
        length = np.float32(self.measurement.scale) * length.astype("float32")
        clean -= length[:, None, None, None] * step
        if self.denoise.clip:
            finished = self.stage.finish(clean, self.previous)
            np.clip(finished, -1, 1, out=finished)
            self.stage.begin(finished, self.previous)
        return clean

    def check(self):
        """Does nothing: each prediction was checked when it was computed."""

    def _noise(self, squares, gradient):
        """The variance of the measured values: of their noise and missing detail."""
        noise = self.measurement.noise**2
        if not self.missing:
            return noise
        smooth = enlarge(shrink(gradient, self.stage.image_size), self.size)
        detail = gradient - ops.convert_to_numpy(smooth)
        share = _inner(detail, detail) / np.maximum(squares, 1e-12)
        return noise + self.missing**2 * share

    def _images(self, clean):
        """Images of the last stage's size, for what this stage samples."""
        images = self.stage.finish(clean.copy(), self.previous)
        if images.shape[1:3] == self.size:
            return images
        return ops.convert_to_numpy(enlarge(images, self.size))

    def _of_stage(self, gradient, clean):
        """The gradient by what this stage samples, for that by the images."""
        if gradient.shape != clean.shape:
            of_enlarged = ops.convert_to_tensor(gradient)

            def enlarged(images):
                return ops.sum(enlarge(images, self.size) * of_enlarged, (1, 2, 3))

            _, gradient = runtime.value_and_gradient(enlarged)(clean)
        scale = self.stage.detail_scale
        return gradient if scale is None else np.float32(scale) * gradient

    def _covariance(self, noisy, level, gradient):
        """The covariance of the clean images, times a gradient: patch by patch."""
        back = self.denoise.pulled_back(
            noisy, level, gradient, calls=self.gradients(level)
        )
        back *= np.float32(level.sigma**2 / level.alpha)
        return back


def _inner(one, other):
    """The inner product of each image with another, in float64."""
    one, other = (x.reshape(len(x), -1).astype("float64") for x in (one, other))
    return np.einsum("bi,bi->b", one, other)
