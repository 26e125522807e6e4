"""One sampling: its batches, their stages, their steps."""

import dataclasses
import functools
import itertools
import math
import typing
import zlib

import numpy as np
from keras import ops

from keras_patchdpm.samplers.denoiser import PatchDenoiser
from keras_patchdpm.samplers.guidance import GuidedCalls
from keras_patchdpm.samplers.network_calls import NetworkCalls
from keras_patchdpm.samplers.noise import image_draws, starting_noise
from keras_patchdpm.samplers.sampler import Rule, State, walk


@dataclasses.dataclass
class Run:
    """Makes the images of one call of a `PatchSampler`.

    Attributes:
        model, levels, rule, order, clip: Of the sampler.
        patches_per_call, num_images, seed, batch_size, noise, dtype: Of the call.
        labels: Int array `(num_images,)`, or `None` for a network that takes none.
        guidance_scale, latents, decode: Of the sampler.
    """

    model: typing.Any
    levels: list
    rule: Rule
    order: np.ndarray
    clip: bool
    patches_per_call: int
    num_images: int
    seed: int
    batch_size: int
    noise: np.ndarray | None
    dtype: str
    labels: np.ndarray | None = None
    guidance_scale: float = 1.0
    latents: bool = False
    decode: typing.Callable | None = None

    def __post_init__(self):
        # As even as can be, so that few sizes of call are compiled; the first is the
        # largest.
        count = -(-self.num_images // self.batch_size)
        self.batches = np.array_split(np.arange(self.num_images), count)
        self.stages = self.model.patching.stages(self.model.image_shape)
        self.steps_per_batch = len(self.stages) * (len(self.levels) - 1)
        self.steps = len(self.batches) * self.steps_per_batch
        self.predict = self._calls(self.model.network)
        whole = getattr(self.model, "whole", None)
        self.predict_whole = None if whole is None else self._calls(whole.network)

    def _calls(self, network):
        """What predicts, with the guidance."""
        calls = NetworkCalls(network)
        if self.guidance_scale == 1:
            return calls
        return GuidedCalls(calls, self.guidance_scale, self.model.num_classes)

    def description(self):
        """What makes this run another than others, as plain data."""
        weights = getattr(self.model.network, "weights", ())
        return {
            "levels": [level.condition for level in self.levels],
            "num_images": self.num_images,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "dtype": self.dtype,
            "decoded": self.decode is not None,
            "labels": None if self.labels is None else self.labels.tolist(),
            "guidance_scale": self.guidance_scale,
            "whole_above": getattr(self.model, "whole_above", math.inf),
            "noise": None if self.noise is None else _checksum([self.noise]),
            "weights": _checksum(map(ops.convert_to_numpy, weights)),
        }

    def images(self, progress, checkpoint=None):
        """Yields the images, in their order.

        Args:
            progress: `Progress`.
            checkpoint: `Checkpoint`, or `None`.
        """
        saved = checkpoint.load() if checkpoint else {}
        finished = list(saved.get("images", ()))
        yield from finished
        for numbers in self.batches:
            if numbers[-1] < len(finished):
                progress.skip(self.steps_per_batch)
                continue
            batch = Batch.of(saved)
            saved = {}  # The batches after that begin at their beginning.

            def save(batch, now=False):
                if checkpoint:
                    checkpoint.save(
                        lambda: {"images": np.array(finished), **batch.arrays()},
                        now,
                    )

            result = self._make(numbers.tolist(), batch, progress, save)
            images = self._finished(result)
            if checkpoint:
                finished.extend(images)
                save(Batch(), now=True)
            yield from images

    def _make(self, numbers, batch, progress, save):
        """The images of those numbers, stage by stage, from `place` on."""
        steps = len(self.levels) - 1
        made = batch.made
        before = len(made) * steps + (batch.state.step if batch.state else 0)
        progress.skip(before)
        count = itertools.count(before + 1)
        for number in range(len(made), len(self.stages)):
            patching, shape = self.stages[number]
            left = len(self.stages) - 1 - number
            state = batch.state or State(self._start(numbers, shape, left))
            batch.state = state
            denoise = self._denoiser(patching, numbers, tuple(made))
            draws = functools.partial(image_draws, self.seed, numbers, stage=left)
            for _ in walk(denoise, state, self.levels, self.rule, draws):
                estimate = functools.partial(_estimate, patching, state, made)
                progress.step(next(count), estimate)
                save(batch)
            made.append(patching.finish(state.noisy, made))
            batch.state = None
        return made[-1]

    def _denoiser(self, patching, numbers, made):
        """Gives the clean estimate of the images of those numbers."""
        labels = None if self.labels is None else self.labels[numbers]
        size = len(self.batches[0])

        def of(predict, patching, patches_per_call, order):
            return PatchDenoiser(
                predict,
                self.model.schedule,
                patching,
                patches_per_call,
                order,
                self.clip,
                size,
                self.seed,
                made,
                labels,
            )

        by_patches = of(self.predict, patching, self.patches_per_call, self.order)
        if self.predict_whole is None:
            return by_patches
        whole = of(self.predict_whole, self.model.whole.patching, 1, np.arange(1))

        def denoise(noisy, level, out=None):
            high = level.sigma > self.model.whole_above * level.alpha
            return (whole if high else by_patches)(noisy, level, out)

        return denoise

    def _finished(self, result):
        """What is returned of the images that were made. Overwrites them."""
        if self.decode is not None:
            # One at a time: a decoder takes more memory than a patch.
            result = np.concatenate(
                [
                    np.array(ops.convert_to_numpy(self.decode(image[None])), "float32")
                    for image in result
                ]
            )
        elif self.latents:
            return result
        return to_dtype(result, self.dtype)

    def _start(self, numbers, shape, left):
        """The noise that a stage starts from."""
        if left or self.noise is None:
            return starting_noise(self.seed, numbers, shape, left)
        return np.array(np.asarray(self.noise)[numbers], "float32", order="C")


@dataclasses.dataclass
class Batch:
    """Where the making of a batch stands.

    Attributes:
        made: Images of the stages that are finished.
        state: `State` of the stage at hand, or `None` at its beginning.
    """

    made: list = dataclasses.field(default_factory=list)
    state: State | None = None

    def arrays(self):
        """All of it as a dict of arrays: what `of` takes."""
        arrays = {f"made_{index}": images for index, images in enumerate(self.made)}
        if self.state is not None:
            arrays |= {
                name: value
                for name, value in vars(self.state).items()
                if value is not None
            }
        return arrays

    @classmethod
    def of(cls, arrays):
        """The batch that `arrays` described; the beginning if it is empty."""
        count = sum(name.startswith("made_") for name in arrays)
        made = [arrays[f"made_{index}"] for index in range(count)]
        if "noisy" not in arrays:
            return cls(made)
        state = State(arrays["noisy"], int(arrays["step"]), arrays.get("clean"))
        return cls(made, state)


def to_dtype(images, dtype):
    """Float images clipped to [-1, 1], or as uint8 in [0, 255]. Overwrites them."""
    np.clip(images, -1, 1, out=images)
    if dtype == "float32":
        return images
    images += 1
    images *= 127.5
    return np.rint(images, out=images).astype("uint8")


def _estimate(patching, state, made):
    """The clean images as the last step saw them, an array of their own."""
    return patching.finish(state.clean.copy(), made)


def _checksum(arrays):
    result = 0
    for array in arrays:
        result = zlib.crc32(np.ascontiguousarray(array).tobytes(), result)
    return result
