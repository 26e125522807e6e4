"""The clean estimate of whole images, made patch by patch."""

import math

import numpy as np

from keras_patchdpm.samplers.noise import level_draws


class PatchDenoiser:
    """Asks a network for some patches of all images at a time.

    Args:
        predict: Function of a `Level` to what predicts there, such as `NetworkCalls`.
        schedule: Says what a prediction means.
        patching: Of the stage at hand.
        patches_per_call: Positive int.
        order: Int array, the order of the patches. Those that there are not in this
            stage are left out.
        clip: Bool. Whether the estimate is clipped, so that images stay in [-1, 1].
        batch_size: Positive int. The network is asked for as many patches as that many
            images have, so that it is compiled once for all batches up to that size.
        seed: Non-negative int. With the level it says how a moving grid lies.
        made: Images that the stages before have made, as a cascade needs them.
        labels: Int array, the label of each image, or `None`.
    """

    def __init__(
        self,
        predict,
        schedule,
        patching,
        patches_per_call,
        order,
        clip,
        batch_size,
        seed,
        made=(),
        labels=None,
    ):
        self.predict = predict
        self.schedule = schedule
        self.patching = patching
        self.clip = clip
        self.seed = seed
        self.made = made
        self.labels = labels
        order = order[order < patching.num_patches]
        calls = math.ceil(len(order) / patches_per_call)
        # As even as can be, the larger ones first.
        self.groups = [group.tolist() for group in np.array_split(order, calls)]
        self.size = batch_size * len(self.groups[0])

    def __call__(self, noisy, level, out=None):
        """The clean estimate.

        Args:
            noisy: Float32 array of shape `(B, H, W, C)`.
            level: `Level` at which it is.
            out: Array of that shape to write into, or `None` for a new one.

        Returns:
            `out`, or the new array.
        """
        out = np.empty_like(noisy) if out is None else out
        draws = level_draws(self.seed, level)
        predict = self.predict(level)
        shared = self.patching.prepare(noisy, draws, self.made)
        for indices in self.groups:
            inputs = self.patching.inputs_at(noisy, shared, indices)
            inputs["level"] = np.full(
                len(inputs["noisy"]), level.condition, self.schedule.level_dtype
            )
            if self.labels is not None:
                inputs["label"] = np.tile(self.labels, len(indices))
            prediction = predict(inputs, self.size)
            check_finite("The network's prediction", prediction, level)
            # Each pixel by itself: in windows, no further image of full size is made.
            clean = self.schedule.clean(prediction, inputs["noisy"], level)
            if self.clip:
                clean = np.clip(clean, *self.patching.bounds(inputs))
            self.patching.place(clean, shared, indices, out)
        return out


def check_finite(what, values, level=None):
    """Refuses NaN and infinity, of which black images would be made.

    Args:
        what: What the values are, for the message.
        values: Array.
        level: `Level` at which they were made, or `None`.

    Raises:
        ValueError: If a value is not finite.
    """
    wrong = values.size - np.count_nonzero(np.isfinite(values))
    if wrong:
        where = "" if level is None else f" at the noise level {tuple(level)}"
        raise ValueError(
            f"{what} is not finite{where}: {wrong} of {values.size} values are NaN or "
            "infinite. Check the model's weights (did the training diverge?), the "
            'precision ("mixed_float16" ends at 65504: use "mixed_bfloat16" or '
            '"float32"), and that the schedule is that of the training.'
        )
