"""The memory of the images during a sampling."""

import math

FLOAT = 4  # Bytes of a float32 or an int32.


def images_bytes(model, *, images_held, images_on, patches_per_call=1):
    """Bytes of one image in a sampling: the image, its copies and its patches.

    Args:
        model: `TiledModel`.
        images_held: Positive int, the solver's `image_buffers`.
        images_on: `"host"` or `"device"`. On the device, the inputs of a network call
            are counted too.
        patches_per_call: Positive int. Default 1.

    Returns:
        Int.
    """
    on_device = images_on == "device"
    *smaller, pixels = (math.prod(stage.image_shape) for stage in model.stages)
    floats = images_held * pixels + sum(smaller)
    if model.stages[-1].previous_noise:  # The noisy ones are copies.
        floats += sum(smaller)
    floats += model.stages[-1].images_floats(on_device)
    if on_device:
        inputs = model.network.input.values()
        floats += patches_per_call * sum(math.prod(x.shape[1:]) for x in inputs)
        floats += sum(smaller)
    return FLOAT * floats
