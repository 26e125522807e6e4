"""How many images and patches are computed together, and where the images are."""

import typing

from keras_patchdpm import _checks, memory, runtime
from keras_patchdpm.memory.images import images_bytes
from keras_patchdpm.samplers.arguments import fits_device

BATCH_SIZE = 16
ROOM = 2**28  # Bytes for images on a device that does not report its free memory.


class Sizes(typing.NamedTuple):
    """The sizes of one sampling.

    Attributes:
        batch_size: Int. Images that are computed together, at most.
        patches_per_call: Int. Patches of each image in a network call.
        images_on: `"device"` or `"host"`.
        plan: `MemoryPlan` of a memory budget, or `None`.
    """

    batch_size: int
    patches_per_call: int
    images_on: str
    plan: typing.Any = None


def sizes(sampler, num_images, *, given, batch_size, verbose):
    """The `Sizes` of a call of a sampler.

    Args:
        sampler: `PatchSampler`.
        given: `GivenImages` of the call.
        num_images, batch_size, verbose: Of the call.

    Raises:
        ValueError: If there is both a `batch_size` and a memory budget, or the budget
            is too small.
    """
    held = sampler.solver.image_buffers + given.image_buffers
    measured = given.measurement is not None
    if measured and sampler.images_on == "device":
        raise ValueError(
            "With a `measurement` the images are in the host's memory. Leave "
            "`images_on` out. Received: images_on='device'."
        )
    if sampler.memory_budget is not None:
        return _planned(
            sampler,
            num_images,
            held=held,
            batch_size=batch_size,
            measured=measured,
            verbose=verbose,
        )
    size = BATCH_SIZE if batch_size is None else batch_size
    size = _checks.positive_int("batch_size", size)
    place = "host" if measured else sampler.images_on
    place = place or _place(sampler, min(size, num_images), held)
    return Sizes(size, sampler.patches_per_call, place)


def _planned(sampler, num_images, *, held, batch_size, measured, verbose):
    """The sizes that a memory budget allows."""
    if batch_size is not None:
        raise ValueError(
            "`memory_budget` determines `batch_size`. Leave one of the two out. "
            f"Received: batch_size={batch_size!r}, "
            f"memory_budget={sampler.memory_budget}."
        )
    guidance = sampler.guidance
    on_host = measured or not fits_device(sampler.model)
    plan = memory.plan(
        sampler.model,
        sampler.memory_budget,
        num_images,
        images_held=held,
        verbose=verbose,
        guides=() if guidance is None else guidance.networks,
        images_on="host" if on_host else sampler.images_on,
        gradients=measured,
    )
    return Sizes(plan.batch_size, plan.patches_per_call, plan.images_on, plan)


def _place(sampler, batch_size, held):
    """Where that many images are while they are sampled."""
    if not fits_device(sampler.model):
        return "host"
    free = runtime.free_bytes()
    room = ROOM if free is None else free // 4
    used = images_bytes(
        sampler.model,
        images_held=held,
        images_on="device",
        patches_per_call=sampler.patches_per_call,
    )
    return "device" if batch_size * used <= room else "host"
