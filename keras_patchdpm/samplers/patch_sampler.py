"""The sampler that asks a network patch by patch."""

import functools
import itertools
import math

import keras
import numpy as np

from keras_patchdpm import _checks
from keras_patchdpm.samplers import rules
from keras_patchdpm.samplers.noise import image_noise, level_draws
from keras_patchdpm.samplers.sampler import sample

RULES = ("ddpm", "ddim")


class PatchSampler:
    """Makes images, a few patches at a time.

    The images lie in the host's memory; the network, and with it the device, sees
    `patches_per_call` patches of each image at a time. What comes out does not depend
    on `patches_per_call`, on the order of the patches, nor on the batches: image k
    depends on the seed and on k alone.

    Args:
        model: `PatchDPM`, or anything with its `network`, `schedule`, `patching` and
            `image_shape`.
        rule: `"ddpm"` (ancestral, both papers) or `"ddim"`.
        steps: Int from 1 to the schedule's timesteps, or `None` for all of them.
        patches_per_call: Int from 1 to the number of patches. More are faster where
            the device has room, and take more memory.
        eta: Float in [0, 1]. Noise that `"ddim"` adds, 1 as much as `"ddpm"`.
        variance: Of `"ddpm"`: `"small"` (the authors' code) or `"large"` (the paper).
        clip: Bool. Whether the clean estimate is clipped to [-1, 1] at each step.
        order: Order of the patches, a permutation of their indices, or `None`.

    Raises:
        ValueError: If an argument is out of range; unknown rules list those there are.

    Example:

    >>> sampler = PatchSampler(model, rule="ddim", steps=50)
    >>> images = sampler(num_images=16, seed=0)    # uint8 (16, H, W, C)

    Source: Arakawa et al. 2023 (arXiv:2304.07087), sections 3.1 and 3.4.
    """

    def __init__(
        self,
        model,
        rule="ddpm",
        steps=None,
        patches_per_call=1,
        eta=0.0,
        variance="small",
        clip=True,
        order=None,
    ):
        self.model = model
        self.rule = _checks.one_of("rule", rule, RULES)
        self.levels = model.schedule.levels(steps)
        self.num_patches = model.patching.num_patches
        self.patches_per_call = _checks.integer(
            "patches_per_call", patches_per_call, 1, self.num_patches
        )
        self.eta = _checks.real("eta", eta, 0, 1)
        self.variance = _checks.one_of("variance", variance, ("small", "large"))
        self.clip = clip
        self.order = self._check_order(order)

    def __call__(
        self,
        num_images=1,
        seed=0,
        batch_size=16,
        noise=None,
        dtype="uint8",
        callback=None,
        verbose=0,
    ):
        """Makes images.

        Args:
            num_images: Positive int.
            seed: Non-negative int. Image k of one seed is always the same.
            batch_size: Positive int. Images at a time, at most.
            noise: Float array `(num_images, H, W, C)` to start from, or `None` to
                draw it from `seed`.
            dtype: `"uint8"` for [0, 255] or `"float32"` for [-1, 1].
            callback: Called as `callback(step, clean)` after each step, from 1, with
                the float estimate of the clean images of the batch at hand. The steps
                of a cascade's smaller images count, and come first.
            verbose: 1 shows a progress bar.

        Returns:
            Array of shape `(num_images, H, W, C)`.

        Raises:
            ValueError: If an argument is out of range or `noise` of another shape.
        """
        _checks.positive_int("num_images", num_images)
        _checks.positive_int("batch_size", batch_size)
        _checks.integer("seed", seed, minimum=0)
        _checks.one_of("dtype", dtype, ("uint8", "float32"))
        shape = (num_images, *self.model.image_shape)
        if noise is not None and np.shape(noise) != shape:
            raise ValueError(
                f"`noise` must have the shape {shape}. Received: {np.shape(noise)}."
            )
        # As even as can be, so that few sizes of call are compiled.
        batches = np.array_split(np.arange(num_images), -(-num_images // batch_size))
        stages = self.model.patching.stages(self.model.image_shape)
        steps = len(batches) * len(stages) * (len(self.levels) - 1)
        report = self._progress(verbose, steps)
        images = np.empty(shape, dtype)
        for batch in batches:
            count = itertools.count(1)

            def after_step(step, clean, count=count):
                report()
                if callback is not None:
                    callback(next(count), clean)

            start = None if noise is None else np.array(noise, "float32")[batch]
            # The first batch is the largest.
            result = self._make(
                batch.tolist(), stages, len(batches[0]), seed, start, after_step
            )
            images[batch] = _to_dtype(result, dtype)
        return images

    def _make(self, numbers, stages, batch_size, seed, start, after_step):
        """The images of those numbers, stage by stage."""
        made = []
        for patching, shape in stages:
            left = len(stages) - 1 - len(made)
            draw = functools.partial(
                image_noise, seed, numbers, shape=shape, stage=left
            )
            denoise = functools.partial(
                self.denoise,
                batch_size=batch_size,
                seed=seed,
                patching=patching,
                made=tuple(made),
            )
            first = draw(0) if left or start is None else start
            fresh = draw if self.rule == "ddpm" or self.eta else None
            made.append(
                sample(denoise, first, self.levels, self._step, fresh, after_step)
            )
        return made[-1]

    def denoise(self, noisy, level, batch_size=None, seed=0, patching=None, made=()):
        """The clean estimate of noisy images, made patch by patch.

        Args:
            noisy: Float32 array of shape `(B, H, W, C)`.
            level: `Level` at which they are.
            batch_size: Int of at least B, or `None` for B. The network is asked for as
                many patches as that many images have, so that it is compiled once for
                all batches up to that size.
            seed: Non-negative int. With the level it says how a moving grid lies.
            patching: Of the stage at hand, or `None` for that of the last one.
            made: Images that the stages before have made, as a cascade needs them.

        Returns:
            Float32 array of shape `(B, H, W, C)`.
        """
        if patching is None:
            patching = self.model.patching.stages(self.model.image_shape)[-1][0]
        shared = patching.prepare(noisy, level_draws(seed, level), made)
        prediction = np.empty_like(noisy)
        groups = self._groups(patching.num_patches)
        size = (batch_size or len(noisy)) * len(groups[0])
        for indices in groups:
            inputs = patching.inputs_at(noisy, shared, indices)
            inputs["level"] = np.full(len(inputs["noisy"]), level.condition, "int32")
            patching.place(self._predict(inputs, size), shared, indices, prediction)
        clean = self.model.schedule.clean(prediction, noisy, level)
        return np.clip(clean, -1, 1) if self.clip else clean

    def _predict(self, inputs, size):
        """One call of the network, filled up to `size` patches with the last one."""
        count = len(inputs["noisy"])
        if count < size:
            rows = np.minimum(np.arange(size), count - 1)
            inputs = {name: values[rows] for name, values in inputs.items()}
        return self.model.network.predict_on_batch(inputs)[:count]

    def _groups(self, num_patches):
        """The patches in calls, as even as can be, the larger ones first."""
        order = self.order[self.order < num_patches]
        calls = math.ceil(num_patches / self.patches_per_call)
        return [group.tolist() for group in np.array_split(order, calls)]

    def _step(self, noisy, clean, noise, now, then):
        if self.rule == "ddpm":
            result = rules.ddpm_step(noisy, clean, noise, now, then, self.variance)
        else:
            result = rules.ddim_step(noisy, clean, noise, now, then, self.eta)
        return result.astype("float32")

    def _check_order(self, order):
        if order is None:
            return np.arange(self.num_patches)
        found = np.asarray(order)
        if not np.array_equal(np.sort(found, axis=None), np.arange(self.num_patches)):
            raise ValueError(
                f"`order` must name each patch from 0 to {self.num_patches - 1} once. "
                f"Received: order={order}."
            )
        return found.astype(int)

    def _progress(self, verbose, steps):
        """A function to call after each step."""
        if not verbose:
            return lambda: None
        return functools.partial(keras.utils.Progbar(steps, unit_name="step").add, 1)


def _to_dtype(images, dtype):
    images = np.clip(images, -1, 1)
    if dtype == "float32":
        return images
    return np.rint((images + 1) * 127.5).astype("uint8")
