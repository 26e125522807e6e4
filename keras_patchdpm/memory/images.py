"""The memory of the images themselves, while they are sampled."""

import math

FLOAT = 4  # Bytes, and of an int.


def images_bytes(model, images_held, images_on, patches_per_call=1):
    """Bytes of all arrays of the size of one image, or of its patches, in a sampling.

    Args:
        model: `PatchDPM`, or the `model` of a `PatchSampler`.
        images_held: Positive int, of the solver: see `plan`.
        images_on: `"host"` or `"device"`. On the device a step writes its results into
            new arrays, holds all windows of an image twice before they are put
            together, tables that say where they belong, images that are enlarged as a
            whole, and the inputs of a call.
        patches_per_call: Positive int.

    Returns:
        Int.
    """
    stages = model.patching.stages(model.image_shape)
    *smaller, pixels = (math.prod(shape) for _, shape in stages)
    floats = images_held * pixels + sum(smaller)
    if images_on == "device":
        specs = model.patching.input_specs(model.image_shape)
        floats += patches_per_call * sum(math.prod(size) for size, _ in specs.values())
        floats += _on_device(*stages[-1])
        floats += pixels * (len(stages) > 1)  # The stage before, enlarged.
        floats += sum(smaller)
    return FLOAT * floats


def _on_device(patching, shape):
    """Numbers that a step on the device holds beside those of the solver."""
    pixels, positions = math.prod(shape), math.prod(shape[:2])
    window = math.prod(patching.input_specs(shape)["noisy"][0])
    layers = math.prod(patching.layers(shape[:2]))
    results = 2 if layers == 1 else 4  # Of windows that overlap, sums.
    tables = 2 * layers * positions
    windows = 2 * patching.num_patches * window
    return results * pixels + windows + tables
