"""Computes the clean estimate of images in the host's memory, patch by patch."""

import math

import numpy as np

from keras_patchdpm.samplers.inputs import HostInputs
from keras_patchdpm.samplers.noise import level_rng
from keras_patchdpm.schedules.predictions import clean_coefficients


class PatchDenoiser:
    """Evaluates a network on some patches of all images at a time.

    Args:
        predict: Function of a `NoiseLevel` to the `NetworkCalls` or `GuidedCalls` for
            that level.
        schedule: `Schedule`, which computes the clean estimate from a prediction.
        stage: `Stage` that is sampled.
        patches_per_call: Positive int. The most patches of an image in one call. The
            calls have nearly equal sizes.
        clip: Bool. Whether the estimate is clipped, so that images stay in [-1, 1].
        batch_size: Positive int. Each call has patches of that many images, so that the
            network is compiled once for all smaller batches.
        seed: Non-negative int. The offset of a shifted grid depends on it and on the
            level.
        previous: Result of `stage.previous`: images of earlier stages. Default: none.
        labels: Int array, the label of each image. Default `None`: no labels.
    """

    memory_ran_out = False  # With the images on the device, which is not used here.

    def __init__(
        self,
        *,
        predict,
        schedule,
        stage,
        patches_per_call,
        clip,
        batch_size,
        seed,
        previous=(),
        labels=None,
    ):
        self.predict = predict
        self.schedule = schedule
        self.stage = stage
        self.per_call = len(groups_of(stage.num_patches, patches_per_call)[0])
        self.clip = clip
        self.batch_size = batch_size
        self.seed = seed
        self.previous = previous
        self.labels = labels

    def __call__(self, noisy, level, out=None):
        """Computes the clean estimate; called by `loop.walk`.

        Args:
            noisy: Float32 array of shape `(B, H, W, C)`.
            level: `NoiseLevel` of `noisy`.
            out: Array of that shape for the result. Default `None`: a new one.

        Returns:
            `out`, or the new array.
        """
        out = np.empty_like(noisy) if out is None else out
        out[...] = 0
        predict = self.predict(level)
        tiles, groups = self._groups(noisy, level)
        for indices, inputs in groups:
            prediction = predict(inputs, self.batch_size * self.per_call)
            check_finite("The network's prediction", prediction, level)
            # In windows rather than in the whole image, which saves one full array.
            clean = self.schedule.clean(prediction, inputs["noisy"], level)
            if self.clip:
                clean = np.clip(clean, *self.stage.bounds(inputs))
            clean = clean.reshape(len(noisy), len(indices), *clean.shape[1:])
            for slot, index in enumerate(indices):
                rows, cols = tiles.window(index)
                out[:, rows, cols] += tiles.blend(index) * clean[:, slot]
        return out

    def pulled_back(self, noisy, level, gradient, *, calls):
        """The gradient by the noisy images, of a number that has one by the estimate.

        Each patch is differentiated by its own noisy pixels alone, without clipping.

        Args:
            noisy, level: As in a call.
            gradient: Float32 array `(B, H, W, C)`, the gradient by the clean estimate.
            calls: `NetworkCalls` or `GuidedCalls` of `runtime.gradient_call`.

        Returns:
            Float32 array of shape `(B, H, W, C)`.
        """
        of_noisy, of_prediction = clean_coefficients(self.schedule, level)
        back = np.zeros_like(noisy)
        tiles, groups = self._groups(noisy, level)
        for indices, inputs in groups:
            cuts = [tiles.window(index) for index in indices]
            windows = [
                tiles.blend(index) * gradient[:, rows, cols]
                for index, (rows, cols) in zip(indices, cuts, strict=True)
            ]
            windows = np.stack(windows, axis=1)
            flat = windows.reshape(-1, *windows.shape[2:])
            found = calls({**inputs, "gradient": flat}, self.batch_size * self.per_call)
            check_finite("The network's gradient", found, level)
            found = np.float32(of_noisy) * flat + np.float32(of_prediction) * found
            found = found.reshape(windows.shape)
            for slot, (rows, cols) in enumerate(cuts):
                back[:, rows, cols] += found[:, slot]
        return back

    def _groups(self, noisy, level):
        """The `Tiles` of a step, and an iterator of patch indices and their inputs."""
        tiles = self.stage.tiles(level, level_rng(self.seed, level))
        type_ = self.schedule.timestep_dtype
        of_images = {"timestep": np.full(len(noisy), level.timestep, type_)}
        if self.labels is not None:
            of_images["label"] = self.labels
        inputs = HostInputs(
            self.stage,
            noisy,
            previous=self.previous,
            tiles=tiles,
            of_images=of_images,
        )
        groups = groups_of(len(tiles), self.per_call)
        return tiles, ((indices, inputs(indices)) for indices in groups)

    def check(self):
        """Does nothing: each prediction was checked when it was computed."""


class WholeAbove:
    """Denoises the whole image as one patch above some noise level, below in patches.

    Args:
        whole, by_patches: `PatchDenoiser`s or `DeviceDenoiser`s.
        strength: Float, `sigma / alpha`, above which `whole` is used.
    """

    def __init__(self, whole, by_patches, strength):
        self.whole, self.by_patches, self.strength = whole, by_patches, strength

    def __call__(self, noisy, level, out=None):
        """The clean estimate: see `PatchDenoiser`."""
        high = level.sigma > self.strength * level.alpha
        return (self.whole if high else self.by_patches)(noisy, level, out)

    @property
    def memory_ran_out(self):
        """Bool. Whether memory ran out, with the images on the device."""
        return self.whole.memory_ran_out or self.by_patches.memory_ran_out

    def check(self):
        """Refuses NaN and infinity in the predictions so far."""
        self.whole.check()
        self.by_patches.check()


def patch_order(num_patches):
    """The order in which patches are evaluated. Images do not depend on it."""
    return np.arange(num_patches)


def groups_of(num_patches, patches_per_call):
    """Divides the patches of a step into network calls of nearly equal size.

    Args:
        num_patches: Positive int, the patches of an image in a step.
        patches_per_call: Positive int, the most patches of a call.

    Returns:
        List of lists of patch indices, the longest list first.
    """
    calls = math.ceil(num_patches / patches_per_call)
    return [group.tolist() for group in np.array_split(patch_order(num_patches), calls)]


def check_finite(what, values, level=None):
    """Refuses NaN and infinity, which would lead to black images.

    Args:
        what: Name of the values, for the error message.
        values: Array.
        level: `NoiseLevel` of the values, for the error message. Default `None`.

    Raises:
        ValueError: If a value is not finite.
    """
    refuse_wrong(
        what,
        values.size - np.count_nonzero(np.isfinite(values)),
        values.size,
        level=level,
    )


def refuse_wrong(what, wrong, count, *, level=None):
    """Raises the error of `check_finite` if `wrong`, a number of values, is not 0."""
    if wrong:
        where = "" if level is None else f" at the noise level {tuple(level)}"
        raise ValueError(
            f"{what} is not finite{where}: {wrong} of {count} values are NaN or "
            "infinite. Check the model's weights (did the training diverge?), the "
            'precision (the largest number in "mixed_float16" is 65504: use '
            '"mixed_bfloat16" or "float32"), and that the schedule is that of the '
            "training."
        )
