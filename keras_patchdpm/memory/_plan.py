"""Plans a sampling or a training for a memory budget."""

import dataclasses
import functools
import math

import numpy as np

from keras_patchdpm import _checks
from keras_patchdpm.memory import _training
from keras_patchdpm.memory._call_bytes import known_calls, measured_call
from keras_patchdpm.memory._measuring import variables_bytes
from keras_patchdpm.memory._training_plan import plan_training
from keras_patchdpm.memory.amounts import parse_bytes
from keras_patchdpm.memory.images import images_bytes
from keras_patchdpm.memory.report import amount
from keras_patchdpm.patching.tiled_model import as_tiled

FIRST = 2  # Patches of the first measured call. A call of one patch is a special case.
CLOSE = 0.05  # Largest relative error of a prediction that is accepted.
TRIALS = 4


@dataclasses.dataclass(frozen=True)
class MemoryPlan:
    """How to sample within a budget.

    Attributes:
        patches_per_call: Int. Patches of each image in a call of the network.
        batch_size: Int. Images that are generated together.
        peak: Int, bytes. The predicted peak: `weights + activations + images`.
        weights: Int, bytes. The network's variables.
        activations: Int, bytes. Peak of a call above the weights, and on JAX on a CPU a
            reserve for what the kernels need besides.
        images: Int, bytes. The images that are being generated and the finished ones.
        budget: Int, bytes.
        images_on: `"device"`; or `"host"`, if no plan fits with the images on the
            device.

    Example:

    >>> plan = kp.memory.plan(model, "300MB", num_images=16)
    >>> plan.peak <= plan.budget
    True
    """

    patches_per_call: int
    batch_size: int
    weights: int
    activations: int
    images: int
    budget: int
    images_on: str = "device"

    @property
    def peak(self):
        """Int, bytes. Weights, activations and images together."""
        return self.weights + self.activations + self.images

    def __str__(self):
        return (
            f"patches_per_call={self.patches_per_call}, batch_size={self.batch_size}: "
            f"peak {amount(self.peak)} of {amount(self.budget)} (weights "
            f"{amount(self.weights)}, activations {amount(self.activations)}, "
            f"images {amount(self.images)}, on the {self.images_on})"
        )


def plan(
    model,
    budget,
    num_images=1,
    *,
    training=False,
    optimizer=None,
    images_held=2,
    verbose=0,
    guides=(),
    images_on=None,
    gradients=False,
):
    """Finds the fastest way to sample, or the largest batch to train, within a budget.

    Called by `PatchSampler` for a `memory_budget`. The memory of a network call grows
    about linearly with the number of its patches. A small call is measured first, then
    the largest call that should fit, until prediction and measurement agree to 5 %. The
    measurements of a network are kept for further plans. The budget is used for more
    patches of one image first, since they need no memory for more images, and then for
    more images.

    The plan counts the network's weights, the activations of one call, the images that
    are being generated, and the finished uint8 images. It does not count Python, the
    libraries of the backend, and the copy of the weights that some kernels keep.

    With `training=True` the plan is for `fit`: the largest `batch_size` that was
    measured to fit. It counts weights, the variables of the optimizer, activations and
    gradients.

    Args:
        model: `PatchDPM`, or the result of its `tiled`, or a `TiledDenoiser` with
            `images_on="host"`. For a training: a `PatchDPM`.
        budget: Positive int of bytes, or a string such as `"300MB"`.
        num_images: Positive int. Images to generate. Default 1.
        training: Bool. Whether to plan a training. Default: a sampling.
        optimizer: Keras optimizer of the training. Default `None`: that of `compile`.
        images_held: Positive int. Float arrays of an image's size that the sampler
            holds: the solver's `image_buffers`. Default 2.
        verbose: 1 prints the plan, and a line before each measurement (on TensorFlow on
            a CPU, a measurement starts a subprocess and needs many seconds). Default
            0: nothing is printed.
        guides: Further networks whose weights are in memory: those of a `Guidance`.
            Default: none.
        images_on: `"device"`, which is faster, or `"host"`, which needs less memory.
            Default `None`: the device, if any plan fits there, otherwise the host.
        gradients: Bool. Whether the calls also compute gradients, as sampling with a
            `Measurement` does, with its images on the host. Default: no.

    Returns:
        `MemoryPlan`, or `TrainingPlan` for a training.

    Raises:
        TypeError: If `model` is no such model, or a count is not an int.
        ValueError: If the budget is too small for one patch; the message states the
            smallest budget that works, and an N that would fit.
        RuntimeError: If memory cannot be measured on the backend.

    Example:

    >>> plan = kp.memory.plan(model, "300MB", num_images=16)
    >>> print(plan.patches_per_call, plan.batch_size, plan.peak)
    >>> plan = kp.memory.plan(model, "8GB", training=True)
    >>> model.fit(images, batch_size=plan.batch_size)
    """
    budget = parse_bytes("budget", budget)
    verbose = _checks.one_of("verbose", verbose, (0, 1, False, True))
    if _checks.boolean("training", training):
        _training.refuse_sampling(
            num_images=(num_images, 1),
            images_held=(images_held, 2),
            guides=(guides, ()),
            images_on=(images_on, None),
            gradients=(gradients, False),
        )
        return plan_training(model, budget, optimizer=optimizer, verbose=verbose)
    _training.refuse_optimizer(optimizer)
    model = as_tiled(model)
    num_images = _checks.positive_int("num_images", num_images)
    held = _checks.positive_int("images_held", images_held)
    guides = _checks.sequence("guides", guides, _network, least=0)
    _checks.one_of("images_on", images_on, (None, "device", "host"))
    gradients = _checks.boolean("gradients", gradients)
    known = known_calls(model.network, gradients)
    done = num_images * math.prod(model.image_shape)
    measure = functools.partial(
        measured_call, model.network, gradients=gradients, verbose=verbose
    )
    sizes = _sizes(model.num_patches, num_images)
    trials = TRIALS if len(sizes) > 1 else 0
    weights, _ = measure(FIRST if trials else 1)
    weights += sum(variables_bytes(network.variables) for network in guides)

    def planned(place, size):
        patches, images = size
        activations = _predicted(known, patches * images)
        kept = done + images * images_bytes(
            model, images_held=held, images_on=place, patches_per_call=patches
        )
        return MemoryPlan(
            patches_per_call=patches,
            batch_size=images,
            weights=weights,
            activations=activations,
            images=kept,
            budget=budget,
            images_on=place,
        )

    places = ("device", "host") if images_on is None else (images_on,)
    for place in places:
        found = _best(
            functools.partial(planned, place),
            measure,
            known,
            sizes=sizes,
            trials=trials,
        )
        if found is not None:
            break
    else:
        raise ValueError(_too_small(model, planned(places[-1], (1, 1))))
    if verbose:
        print(f"Plan: {found}", flush=True)
    return found


def _best(planned, measure, known, *, sizes, trials):
    """The fastest `MemoryPlan` within the budget, or `None` if there is none.

    Args:
        planned: Function of `(patches_per_call, batch_size)` to its `MemoryPlan`, from
            the measurements so far.
        measure: Function that measures a call on a number of patches.
        known: Result of `known_calls`.
        sizes: List of `(patches_per_call, batch_size)`, the fastest first.
        trials: Int, the largest number of measurements. 0 for a single size.
    """
    for _ in range(trials):
        fitting = (found for found in map(planned, sizes) if found.peak <= found.budget)
        best = next(fitting, None)
        if best is None:
            break
        rows = best.patches_per_call * best.batch_size
        if len(known.keys() - {1}) == 1:  # One measurement gives no slope.
            measure(max(rows, 2 * FIRST))
            continue
        _, found = measure(rows)
        if abs(best.activations / found - 1) <= CLOSE:
            break
    measured = (planned(size) for size in sizes if math.prod(size) in known)
    found = next((one for one in measured if one.peak <= one.budget), None)
    if found is None:
        measure(1)
        found = planned((1, 1))
    return found if found.peak <= found.budget else None


def _network(name, value):
    return _checks.like(name, value, asked=("variables",), example="model.network")


def _sizes(patches, images):
    """The useful `(patches_per_call, batch_size)`, the fastest first."""
    several = [(patches, count) for count in _shares(images) if count > 1]
    return several + [(count, 1) for count in _shares(patches)]


def _shares(count):
    """For each number of parts of `count`, the size of the largest: falling, to 1."""
    sizes = {math.ceil(count / parts) for parts in range(1, count + 1)}
    return sorted(sizes, reverse=True)


def _predicted(known, patches):
    """Activations of a call on that many patches, predicted from the measurements."""
    known = {count: found for count, (_, found) in known.items()}
    if patches in known:
        return known[patches]
    if patches == 1:
        return known[FIRST]
    counts = sorted(count for count in known if count > 1)
    if len(counts) == 1:
        return math.ceil(known[FIRST] * patches / FIRST)
    if patches < counts[-1]:
        return math.ceil(np.interp(patches, counts, [known[c] for c in counts]))
    before, last = counts[-2:]
    slope = (known[last] - known[before]) / (last - before)
    return math.ceil(known[last] + max(slope, 0) * (patches - last))


def _too_small(model, least):
    """The message for a budget below the smallest that works."""
    floor = (
        f"This model cannot be sampled with a budget of {least.budget} bytes. The "
        f"smallest budget that works is {least.peak} bytes ({amount(least.peak)}): "
        f"{least.weights} for the weights, {least.activations} for one patch and "
        f"{least.images} for the images."
    )
    left = least.budget - least.weights - least.images
    n, size = max(model.stages[-1].tiling.grid.divisions), model.image_shape[:2]
    fitting = (
        number
        for number in (n * 2**k for k in range(1, 10))
        if not np.remainder(size, number).any()
        and least.activations * (n / number) ** 2 <= left
    )
    found = next(fitting, None)
    if found is None:
        advice = "Smaller patches are not enough: use a smaller network or image."
    else:
        advice = f"A model with N = {found} would fit, since its patches are smaller."
    return f"{floor} {advice} Received: budget={least.budget}."
