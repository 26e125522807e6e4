"""One sampling: its batches, their stages, their steps."""

import dataclasses
import functools
import itertools
import typing

import numpy as np
from keras import ops

from keras_patchdpm import memory
from keras_patchdpm.samplers.batch import Batch, Saving
from keras_patchdpm.samplers.denoiser import PatchDenoiser, check_finite
from keras_patchdpm.samplers.gridded_model import GriddedModel
from keras_patchdpm.samplers.guidance import (
    Guidance,
    GuidedCalls,
    of_guide,
    without_label,
)
from keras_patchdpm.samplers.network_calls import NetworkCalls
from keras_patchdpm.samplers.noise import (
    content_draws,
    image_draws,
    starting_noise,
)
from keras_patchdpm.samplers.sampler import Rule, State, walk

SAME_IMAGES = {"identity": False}  # Of fields that change no image.


@dataclasses.dataclass
class Run:
    """Makes the images of one call of a `PatchSampler`.

    A checkpoint knows the run by its fields: each counts that is not `SAME_IMAGES`.

    Attributes:
        model, levels, rule, order, clip: Of the sampler.
        patches_per_call, num_images, seed, batch_size, dtype: Of the call.
        noise: List of the arrays that the stages start from, or `None`.
        labels: Int array `(num_images,)`, or `None` for a network that takes none.
        guidance, decode: Of the sampler.
    """

    model: GriddedModel
    levels: list
    rule: Rule
    clip: bool
    num_images: int
    seed: int
    batch_size: int
    noise: list | None
    dtype: str
    labels: np.ndarray | None
    guidance: Guidance | None
    decode: typing.Callable | None
    order: np.ndarray = dataclasses.field(metadata=SAME_IMAGES)
    patches_per_call: int = dataclasses.field(metadata=SAME_IMAGES)

    def __post_init__(self):
        self.num_batches = -(-self.num_images // self.batch_size)
        self.largest_batch = -(-self.num_images // self.num_batches)
        self.stages = self.model.patching.stages(self.model.image_shape)
        self.steps_per_batch = len(self.stages) * (len(self.levels) - 1)
        self.steps = self.num_batches * self.steps_per_batch
        self.predict = self._calls(self.model.network)
        whole = self.model.whole
        self.predict_whole = None if whole is None else self._calls(whole.network)

    def _calls(self, network):
        """Function of a stage and a `Level` to what predicts there."""
        calls = NetworkCalls(network)
        guidance = self.guidance
        if guidance is None:
            return lambda stage, level: calls
        if guidance.by_label:
            worse = without_label(calls, self.model.num_classes)
        else:
            worse = of_guide(
                NetworkCalls(guidance.guide.network), guidance.guide.network
            )
        guided = GuidedCalls(calls, worse, guidance.scale)
        return lambda stage, level: guided if guidance.used(stage, level) else calls

    def batches(self):
        """Yields the numbers of the images of each batch, a list of ints.

        As even as can be, so that few sizes of call are compiled; the first is the
        largest.
        """
        size, larger = divmod(self.num_images, self.num_batches)
        start = 0
        for number in range(self.num_batches):
            end = start + size + (number < larger)
            yield list(range(start, end))
            start = end

    def images(self, progress, checkpoint=None, saved=()):
        """Yields the images, in their order.

        Args:
            progress: `Progress`.
            checkpoint: `Checkpoint`, or `None`.
            saved: What `checkpoint.load` returned.
        """
        finished = list(saved["images"]) if saved else []
        yield from finished
        saving = Saving(checkpoint, finished, self.rule.remembers)
        for numbers in self.batches():
            if numbers[-1] < len(finished):
                progress.skip(self.steps_per_batch)
                continue
            batch = Batch.of(saved)
            saved = ()  # The batches after that begin at their beginning.
            self.get_ready()
            images = self._finished(self._make(numbers, batch, progress, saving))
            saving.end_batch(images)
            yield from images

    def get_ready(self):
        """Called before anything is computed: the caller may have trained or forked."""
        memory.check_process()
        self.model.attach_state()
        if self.guidance is not None and not self.guidance.by_label:
            self.guidance.guide.attach_state()

    def _make(self, numbers, batch, progress, saving):
        """The images of those numbers, stage by stage, from `batch` on."""
        steps = len(self.levels) - 1
        made = batch.made
        before = len(made) * steps + (batch.state.step if batch.state else 0)
        progress.skip(before)
        count = itertools.count(before + 1)
        for number in range(len(made), len(self.stages)):
            patching, shape = self.stages[number]
            contents = functools.partial(content_draws, self.seed, numbers, number)
            given = patching.given(made, contents)
            state = batch.state or State(self._start(numbers, shape, number))
            batch.state = state
            denoise = self._denoiser(number, numbers, given)
            draws = functools.partial(image_draws, self.seed, numbers, stage=number)
            saving.mark(batch)
            try:
                for _ in walk(denoise, state, self.levels, self.rule, draws):
                    saving.mark(batch)
                    estimate = functools.partial(_estimate, patching, state, given)
                    progress.step(next(count), estimate)
                    saving.save(batch)
            except OSError:  # The checkpoint could not be written.
                raise
            except BaseException:
                saving.stopped(batch)
                raise
            made.append(patching.finish(state.noisy, given))
            batch.state = None
        return made[-1]

    def _denoiser(self, stage, numbers, made):
        """Gives the clean estimate of the images of those numbers in a stage."""
        patching, _ = self.stages[stage]
        labels = None if self.labels is None else self.labels[numbers]
        size = self.largest_batch

        def of(predict, patching, patches_per_call, order):
            return PatchDenoiser(
                functools.partial(predict, stage),
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
        check_finite("What was made of the images", result)
        if self.model.latents and self.decode is None:
            return result
        return to_dtype(result, self.dtype)

    def _start(self, numbers, shape, stage):
        """The noise that a stage starts from."""
        if self.noise is None:
            return starting_noise(self.seed, numbers, shape, stage)
        return np.array(self.noise[stage][numbers], "float32", order="C")


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
