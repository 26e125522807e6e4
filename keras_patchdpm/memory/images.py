"""The memory of the images themselves, while they are sampled."""

import math

FLOAT = 4  # Bytes.


def images_bytes(model, images_held, images_on):
    """Bytes of all arrays of the size of one image, or of its patches, in a sampling.

    Args:
        model: `PatchDPM`, or the `model` of a `PatchSampler`.
        images_held: Positive int, of the solver: see `plan`.
        images_on: `"host"` or `"device"`. On the device a step writes its results into
            new arrays, holds all windows of an image twice before they are put
            together, and images that are enlarged as a whole.

    Returns:
        Int.
    """
    stages = model.patching.stages(model.image_shape)
    *smaller, pixels = (math.prod(shape) for _, shape in stages)
    floats = images_held * pixels + sum(smaller)
    if images_on == "device":
        patching, shape = stages[-1]
        window = math.prod(patching.input_specs(shape)["noisy"][0])
        enlarged = pixels * (len(stages) > 1)
        floats += 2 * pixels + 2 * patching.num_patches * window + enlarged
        floats += sum(smaller)
    return FLOAT * floats
