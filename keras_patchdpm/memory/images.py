"""The memory of the images themselves, while they are sampled."""

import math

FLOAT = 4  # Bytes, and of an int.


def images_bytes(model, *, images_held, images_on, patches_per_call=1):
    """Bytes of all arrays of the size of one image, or of its patches, in a sampling.

    Args:
        model: `TiledModel`.
        images_held: Positive int, the solver's `image_buffers`.
        images_on: `"host"` or `"device"`, where the inputs of a call count too.
        patches_per_call: Positive int.

    Returns:
        Int.
    """
    on_device = images_on == "device"
    *smaller, pixels = (math.prod(stage.image_shape) for stage in model.stages)
    floats = images_held * pixels + sum(smaller)
    floats += model.stages[-1].images_floats(on_device)
    if on_device:
        inputs = model.network.input.values()
        floats += patches_per_call * sum(math.prod(x.shape[1:]) for x in inputs)
        floats += sum(smaller)
    return FLOAT * floats
