"""The clean estimate of whole images in the host's memory, patch by patch."""

import math

import numpy as np

from keras_patchdpm.samplers.inputs import HostInputs
from keras_patchdpm.samplers.noise import level_rng


class PatchDenoiser:
    """Evaluates a network on some patches of all images at a time.

    Args:
        predict: Function of a `NoiseLevel` to what predicts there: `NetworkCalls`.
        schedule: Says what a prediction means.
        stage: `Stage` that is sampled.
        groups: Lists of patch indices: the patches of each call, the largest first.
        clip: Bool. Whether the estimate is clipped, so that images stay in [-1, 1].
        batch_size: Positive int. The network is called with as many patches as that
            many images have, so that it is compiled once for all batches up to that
            size.
        seed: Non-negative int. With the level it says where a shifted grid lies.
        previous: What `stage.previous` returned: images of earlier stages.
        labels: Int array, the label of each image, or `None`.
    """

    def __init__(
        self,
        *,
        predict,
        schedule,
        stage,
        groups,
        clip,
        batch_size,
        seed,
        previous=(),
        labels=None,
    ):
        self.predict = predict
        self.schedule = schedule
        self.stage = stage
        self.groups = groups
        self.clip = clip
        self.size = batch_size * len(groups[0])
        self.seed = seed
        self.previous = previous
        self.labels = labels

    def __call__(self, noisy, level, out=None):
        """The clean estimate.

        Args:
            noisy: Float32 array of shape `(B, H, W, C)`.
            level: `NoiseLevel` at which it is.
            out: Array of that shape to write into, or `None` for a new one.

        Returns:
            `out`, or the new array.
        """
        out = np.empty_like(noisy) if out is None else out
        out[...] = 0
        tiles = self.stage.tiling.tiles(level_rng(self.seed, level))
        predict = self.predict(level)
        type_ = self.schedule.level_dtype
        of_images = {"level": np.full(len(noisy), level.condition, type_)}
        if self.labels is not None:
            of_images["label"] = self.labels
        inputs_of = HostInputs(
            self.stage,
            noisy,
            previous=self.previous,
            tiles=tiles,
            of_images=of_images,
        )
        for indices in self.groups:
            inputs = inputs_of(indices)
            prediction = predict(inputs, self.size)
            check_finite("The network's prediction", prediction, level)
            # Each pixel by itself: in windows, no further image of full size is made.
            clean = self.schedule.clean(prediction, inputs["noisy"], level)
            if self.clip:
                clean = np.clip(clean, *self.stage.bounds(inputs))
            clean = clean.reshape(len(noisy), len(indices), *clean.shape[1:])
            for slot, index in enumerate(indices):
                rows, cols = tiles.window(index)
                out[:, rows, cols] += tiles.blend(index) * clean[:, slot]
        return out

    def check(self):
        """Nothing: each prediction was checked when it was there."""


def patch_order(num_patches):
    """The order in which patches are evaluated: it changes no image."""
    return np.arange(num_patches)


def groups_of(num_patches, patches_per_call):
    """The patches of each call of the network, as even as can be, the largest first.

    Args:
        num_patches: Positive int, of the stage.
        patches_per_call: Positive int.

    Returns:
        List of lists of ints.
    """
    calls = math.ceil(num_patches / patches_per_call)
    return [group.tolist() for group in np.array_split(patch_order(num_patches), calls)]


def check_finite(what, values, level=None):
    """Refuses NaN and infinity, of which black images would be made.

    Args:
        what: What the values are, for the message.
        values: Array.
        level: `NoiseLevel` at which they were made, or `None`.

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
    """Refuses `wrong` of `count` values: see `check_finite`."""
    if wrong:
        where = "" if level is None else f" at the noise level {tuple(level)}"
        raise ValueError(
            f"{what} is not finite{where}: {wrong} of {count} values are NaN or "
            "infinite. Check the model's weights (did the training diverge?), the "
            'precision ("mixed_float16" ends at 65504: use "mixed_bfloat16" or '
            '"float32"), and that the schedule is that of the training.'
        )
