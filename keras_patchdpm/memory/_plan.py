"""A memory budget in, a plan of sampling out."""

import dataclasses
import functools
import math
import weakref

import numpy as np

from keras_patchdpm import _checks
from keras_patchdpm.memory._profile import profile, weights_bytes
from keras_patchdpm.memory.amounts import parse_bytes
from keras_patchdpm.memory.images import images_bytes
from keras_patchdpm.memory.report import amount
from keras_patchdpm.patching.tiled_model import as_tiled

FIRST = 2  # Patches in a call that is measured first: one is a case of its own.
CLOSE = 0.05  # How near a prediction must come to what is measured.
TRIALS = 4
_measured = weakref.WeakKeyDictionary()  # Of a network: its memory for some patches.


@dataclasses.dataclass(frozen=True)
class MemoryPlan:
    """How to sample within a budget.

    Attributes:
        patches_per_call: Int. Patches of each image in a call of the network.
        batch_size: Int. Images that are made together.
        peak: Int, bytes. Predicted: `weights + activations + images`.
        weights: Int, bytes. The network's variables.
        activations: Int, bytes. A call's peak above them.
        images: Int, bytes. The images that are being made, and those that are done.
        budget: Int, bytes.
        images_on: `"device"`, or `"host"` where that leaves too little for the network.
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
    images_held=2,
    verbose=0,
    guides=(),
    images_on=None,
):
    """Finds the fastest way to sample that a budget allows.

    The memory of a call grows with the number of its patches, in one straight line or
    in a few: a small call is measured, then the one that would fill the budget by what
    is known so far, until both agree. What was measured of a network is remembered.
    Where one patch of one image is all there is to choose, that call alone is measured,
    so that a budget that is too small is still refused. The
    budget goes to the patches of one image first, since they need no further image, and
    then to more images.

    Counted are the network's weights, what a call of it takes above them, the images
    that are being made and the uint8 images that are done. Not counted are Python, the
    backend's libraries and the copy of the weights that some kernels keep.

    Args:
        model: `PatchDPM`, or what its `tiled` returns.
        budget: Positive int of bytes, or a string such as `"300MB"`.
        num_images: Positive int. Images to be made.
        images_held: Positive int. Float arrays of an image's size that the sampler
            holds, the solver's `image_buffers`.
        verbose: 1 prints a line before each measurement, which on TensorFlow on a CPU
            starts a process and takes many seconds, and the plan.
        guides: Networks whose weights are held too: those of a `Guidance`.
        images_on: `"device"`, which is faster, or `"host"`, which needs less memory;
            `None` for the device if anything fits there.

    Returns:
        `MemoryPlan`.

    Raises:
        TypeError: If `model` is no such model, or a count is not an int.
        ValueError: If the budget does not hold one patch; the message says the smallest
            that works, and which N would fit.
        RuntimeError: If nothing can be measured on the backend.

    Example:

    >>> plan = kp.memory.plan(model, "300MB", num_images=16)
    >>> print(plan.patches_per_call, plan.batch_size, plan.peak)
    """
    model = as_tiled(model)
    budget = parse_bytes("budget", budget)
    verbose = _checks.one_of("verbose", verbose, (0, 1, False, True))
    num_images = _checks.positive_int("num_images", num_images)
    held = _checks.positive_int("images_held", images_held)
    guides = _checks.sequence("guides", guides, _network, least=0)
    _checks.one_of("images_on", images_on, (None, "device", "host"))
    done = num_images * math.prod(model.image_shape)
    measure = functools.partial(_measure, model, verbose=verbose)
    sizes = _sizes(model.num_patches, num_images)
    trials = TRIALS if len(sizes) > 1 else 0
    weights, _ = measure(FIRST if trials else 1)
    weights += sum(weights_bytes(network) for network in guides)

    def planned(place, size):
        patches, images = size
        activations = _predicted(model, patches * images)
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
            model,
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


def _best(planned, measure, model, *, sizes, trials):
    """The fastest `MemoryPlan` that a budget allows, `None` if there is none.

    Args:
        planned: Function of sizes to their `MemoryPlan`, as far as is known.
        measure: Function of patches to the memory of a call of the network.
        model: Of the plan.
        sizes: `(patches_per_call, batch_size)`, the fastest first.
        trials: Int, how often to measure at most.
    """
    for _ in range(trials):
        fitting = (found for found in map(planned, sizes) if found.peak <= found.budget)
        best = next(fitting, None)
        if best is None:
            break
        rows = best.patches_per_call * best.batch_size
        if len(_known(model) - {1}) == 1:  # No slope is known yet.
            measure(max(rows, 2 * FIRST))
            continue
        _, found = measure(rows)
        if abs(best.activations / found - 1) <= CLOSE:
            break
    measured = (planned(size) for size in sizes if math.prod(size) in _known(model))
    found = next((one for one in measured if one.peak <= one.budget), None)
    if found is None:
        measure(1)
        found = planned((1, 1))
    return found if found.peak <= found.budget else None


def _network(name, value):
    return _checks.like(name, value, asked=("variables",), example="model.network")


def _known(model):
    """The numbers of patches whose call has been measured, a set."""
    return set(_measured[model.network])


def _sizes(patches, images):
    """`(patches_per_call, batch_size)` that make sense, the fastest first."""
    several = [(patches, count) for count in range(images, 1, -1)]
    # As many calls as must be, each as small as can be.
    one = sorted({math.ceil(patches / calls) for calls in range(1, patches + 1)})
    return several + [(count, 1) for count in reversed(one)]


def _predicted(model, patches):
    """Activations of a call on that many patches, by what has been measured."""
    known = {count: found for count, (_, found) in _measured[model.network].items()}
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


def _measure(model, patches, verbose):
    """`(weights, activations)` of a call on that many patches, in bytes."""
    known = _measured.setdefault(model.network, {})
    if patches not in known:
        if verbose:
            print(f"Measuring a call of the network, patches: {patches}", flush=True)
        report = profile(model.network, batch_size=patches, timed=False)
        known[patches] = report.weights, report.activations
    return known[patches]


def _too_small(model, least):
    """What to say of a budget below the floor."""
    floor = (
        f"A budget of {least.budget} bytes holds no sampling of this model. The "
        f"smallest that works is {least.peak} bytes ({amount(least.peak)}): "
        f"{least.weights} of weights, {least.activations} for one patch, "
        f"{least.images} of images."
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
        advice = "Smaller patches alone would not do: use a smaller network or image."
    else:
        advice = f"A model of N = {found} would fit, by the size of its patches."
    return f"{floor} {advice} Received: budget={least.budget}."
