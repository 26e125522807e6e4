"""One sampling: all batches of images, their stages and their steps."""

import dataclasses
import functools
import itertools
import typing

import numpy as np
from keras import ops

from keras_patchdpm import runtime
from keras_patchdpm.patching import TiledModel
from keras_patchdpm.samplers import on_device
from keras_patchdpm.samplers.batch import Batch, Saving, on_host, to_dtype
from keras_patchdpm.samplers.denoiser import PatchDenoiser, WholeAbove, check_finite
from keras_patchdpm.samplers.given_images import GivenImages
from keras_patchdpm.samplers.guidance import Guidance
from keras_patchdpm.samplers.loop import State, update_in_place, walk
from keras_patchdpm.samplers.measurement import MeasuredDenoiser
from keras_patchdpm.samplers.network_calls import GuidedCalls, NetworkCalls
from keras_patchdpm.samplers.noise import (
    image_rngs,
    previous_rngs,
    starting_noise,
)
from keras_patchdpm.samplers.on_device import DeviceDenoiser
from keras_patchdpm.solvers import Solver

SAME_IMAGES = {"identity": False}  # For fields on which images do not depend.


@dataclasses.dataclass
class Run:
    """Generates the images of one call of a `PatchSampler`.

    A checkpoint of another run is refused: the values of all fields are compared, but
    for those with `SAME_IMAGES`.

    Attributes:
        model, levels, solver, guidance, decode: Those of the sampler.
        num_images, seed, batch_size, dtype, patches_per_call: Those of the call.
        indices: Range or list of `num_images` ints. Image `number` of the call is image
            `indices[number]` of the seed.
        noise: List of the arrays from which the stages start, or `None` to draw them.
        labels: Int array `(num_images,)`, or `None` for a model without labels.
        given: `GivenImages`.
        images_on: `"device"` or `"host"`: where the images are while they are sampled.
    """

    model: TiledModel
    levels: list
    solver: Solver
    num_images: int
    indices: range | list
    seed: int
    batch_size: int
    noise: list | None
    dtype: str
    labels: np.ndarray | None
    given: GivenImages
    guidance: Guidance | None
    decode: typing.Callable | None
    patches_per_call: int = dataclasses.field(metadata=SAME_IMAGES)
    images_on: str = dataclasses.field(metadata=SAME_IMAGES)

    def __post_init__(self):
        self.num_batches = -(-self.num_images // self.batch_size)
        self.largest_batch = -(-self.num_images // self.num_batches)
        self.stages = self.model.stages
        sampled = len(self.stages) - len(self.given.smaller)
        self.steps_per_batch = sampled * (len(self.levels) - 1)
        self.steps = self.num_batches * self.steps_per_batch
        self.on_device = self.images_on == "device"
        self.calls = functools.cache(self._calls)

    def _calls(self, network, function_of=None):
        """Function of a stage and a `NoiseLevel` to `NetworkCalls` or `GuidedCalls`."""
        calls = NetworkCalls(network, function_of)
        if self.guidance is None:
            return lambda stage, level: calls
        worse = NetworkCalls(self._networks(network)[-1], function_of)
        guided = GuidedCalls(
            calls, worse, guidance=self.guidance, num_classes=self.model.num_classes
        )

        def of(stage, level):
            return guided if self.guidance.used(stage, level) else calls

        return of

    def _networks(self, network):
        """`network`, and with guidance the network of the worse prediction."""
        if self.guidance is None:
            return (network,)
        return (network, *(self.guidance.networks or (network,)))

    def batches(self):
        """Yields the numbers of the images of each batch, a list of ints.

        The batches have nearly equal sizes, the largest first, so that the network is
        compiled for few sizes.
        """
        size, larger = divmod(self.num_images, self.num_batches)
        start = 0
        for number in range(self.num_batches):
            end = start + size + (number < larger)
            yield list(range(start, end))
            start = end

    def images(self, progress, checkpoint=None, saved=()):
        """Yields the images in their order; called by `PatchSampler.stream`.

        Args:
            progress: `Progress`.
            checkpoint: `Checkpoint`. Default `None`: nothing is saved.
            saved: Result of `checkpoint.load`. Default: nothing was saved.
        """
        finished = list(saved["images"]) if saved else []
        yield from finished
        saving = Saving(checkpoint, finished, self.solver.uses_clean_before)
        for numbers in self.batches():
            if numbers[-1] < len(finished):
                progress.skip(self.steps_per_batch)
                continue
            batch = Batch.of(saved) if saved else Batch(self.given.finished(numbers))
            saved = ()  # The later batches begin with their first step.
            self.get_ready()
            images = self._finished(
                self._make(numbers, batch, progress=progress, saving=saving)
            )
            saving.end_batch(images)
            yield from images

    def get_ready(self):
        """Prepares the networks; called before each batch.

        Since the last call, the user may have trained the model or forked the process.
        """
        runtime.check_process()
        self.model.attach_state()
        if self.guidance is not None and not self.guidance.by_label:
            self.guidance.guide.attach_state()

    def _make(self, numbers, batch, *, progress, saving):
        """Generates the images of the given numbers, stage by stage.

        Starts at the progress that `batch` has.
        """
        indices = [self.indices[number] for number in numbers]
        steps = len(self.levels) - 1
        before = (len(batch.finished) - len(self.given.smaller)) * steps
        before += batch.state.step if batch.state else 0
        progress.skip(before)
        count = itertools.count(before + 1)
        for number in range(len(batch.finished), len(self.stages)):
            stage = self.stages[number]
            previous = stage.previous(
                batch.finished,
                lambda source, stage=number: previous_rngs(
                    self.seed, indices, stage=stage, source=source
                ),
            )
            conditions = {"stage": stage, "numbers": numbers, "previous": previous}
            state = batch.state or State(
                self.given.start(
                    self._noise(numbers, number), self.levels[0], **conditions
                )
            )
            batch.state = self._placed(state)
            denoise = self._denoiser(number, numbers, previous)
            rng = functools.partial(image_rngs, self.seed, indices, stage=number)
            saving.mark(batch)
            try:
                for _ in walk(
                    denoise,
                    state,
                    self.levels,
                    solver=self.solver,
                    level_of=self.model.schedule.at_strength,
                    noise=rng,
                    update=self._update,
                    keep=self.given.keeping(**conditions),
                    repeats=self.given.repeats,
                ):
                    saving.mark(batch)
                    estimate = functools.partial(
                        _estimate,
                        stage,
                        state,
                        previous=previous,
                        check=denoise.check,
                    )
                    progress.step(next(count), estimate)
                    saving.save(batch, denoise.check)
                denoise.check()
            except OSError:  # The checkpoint could not be written.
                raise
            except BaseException:
                saving.stopped(batch, denoise.check)
                raise
            if denoise.memory_ran_out:  # It would again in the next stage or batch.
                self.on_device = False
            batch.finished.append(stage.finish(on_host(state.noisy), previous))
            batch.state = None
        return batch.finished[-1]

    @property
    def _update(self):
        """The function that computes the images of the next level."""
        return on_device.update if self.on_device else update_in_place

    def _placed(self, state):
        """Moves the images of a state to the device, if they are to be there."""
        if self.on_device:
            state.noisy = ops.convert_to_tensor(state.noisy)
            if state.clean is not None:
                state.clean = ops.convert_to_tensor(state.clean)
        return state

    def _denoiser(self, number, numbers, previous):
        """The function that denoises images in the stage of a number."""

        def of(model, *, stage, patches_per_call):
            calls = functools.partial(self.calls, model.network)
            on_host = PatchDenoiser(
                predict=functools.partial(calls(), number),
                schedule=self.model.schedule,
                stage=stage,
                patches_per_call=patches_per_call,
                clip=not self.model.latents,
                batch_size=self.largest_batch,
                seed=self.seed,
                previous=previous,
                labels=None if self.labels is None else self.labels[numbers],
            )
            measurement = self.given.measurement
            if measurement is not None:
                return MeasuredDenoiser(
                    on_host,
                    functools.partial(calls(runtime.gradient_call), number),
                    measurement=measurement,
                    numbers=numbers,
                    later=self.stages[number + 1 :],
                )
            if not self.on_device:
                return on_host
            networks, guided = self._networks(model.network), self.guidance

            def guidance(level):
                return guided if guided and guided.used(number, level) else None

            return DeviceDenoiser(
                networks,
                guidance=guidance,
                on_host=on_host,
                num_classes=self.model.num_classes,
            )

        stage = self.stages[number]
        by_patches = of(self.model, stage=stage, patches_per_call=self.patches_per_call)
        whole = self.model.whole
        if whole is None:
            return by_patches
        as_one = of(whole, stage=whole.stages[-1], patches_per_call=1)
        return WholeAbove(as_one, by_patches, self.model.whole_above)

    def _finished(self, result):
        """Decodes and converts the finished images, which are overwritten."""
        if self.decode is not None:
            # One image at a time: a decoder needs more memory than a patch.
            result = np.concatenate(
                [
                    np.array(ops.convert_to_numpy(self.decode(image[None])), "float32")
                    for image in result
                ]
            )
        check_finite("The result of the sampling", result)
        if self.model.latents and self.decode is None:
            return result
        return to_dtype(result, self.dtype)

    def _noise(self, numbers, number):
        """The noise from which the stage of a number starts."""
        if self.noise is None:
            shape = self.stages[number].image_shape
            indices = [self.indices[image] for image in numbers]
            return starting_noise(self.seed, indices, shape, stage=number)
        return np.array(self.noise[number][numbers], "float32", order="C")


def _estimate(stage, state, *, previous, check):
    """The clean estimate of the last step as images, in a new array."""
    check()
    return stage.finish(np.array(ops.convert_to_numpy(state.clean)), previous)
