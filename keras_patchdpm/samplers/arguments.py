"""Validates the arguments of a sampler."""

import contextlib
import math
import numbers
import reprlib

import keras
import numpy as np
import psutil

from keras_patchdpm import _checks, memory, runtime
from keras_patchdpm.samplers.guidance import Guidance

MOST_IMAGES = 2**53  # A stream has no other end.


def check_budget(budget, patches_per_call, model):
    """Validates `memory_budget`; returns bytes, or `None`."""
    if budget is None:
        return None
    if model.whole is not None:
        raise ValueError(
            "`memory_budget` cannot be combined with `whole_above`: the plan is for "
            "patches, and `whole_above` denoises the whole image at once. Leave one of "
            f"the two out. Received: memory_budget={budget!r}, "
            f"whole_above={model.whole_above}."
        )
    if patches_per_call != 1:
        raise ValueError(
            "`memory_budget` determines `patches_per_call`. Leave one of the two out. "
            f"Received: patches_per_call={patches_per_call}, memory_budget={budget!r}."
        )
    return memory.parse_bytes("memory_budget", budget)


def check_guidance(guidance, model):
    """Validates `guidance`; returns `None` if its scale is 1, which changes nothing."""
    if guidance is None:
        return None
    if not isinstance(guidance, Guidance):
        raise TypeError(
            '`guidance` must be a `Guidance`, such as `Guidance("label", 1.5)`, or '
            f"`None`. Received: guidance={guidance!r} "
            f"(of type {type(guidance).__name__})."
        )
    guidance.check_fits(model)
    return None if guidance.scale == 1 else guidance


def check_images_on(images_on, model):
    """Validates `images_on`.

    Raises:
        ValueError: If the model cannot be sampled with its images on the device.
    """
    _checks.one_of("images_on", images_on, (None, "device", "host"))
    if images_on == "device" and not fits_device(model):
        raise ValueError(
            "The images can stay on the device only if the network is a `keras.Model` "
            "that may be compiled (without `run_eagerly`, on JAX with `jit_compile`), "
            f"the backend is one of {', '.join(runtime.SUPPORTED)}, and no "
            "`keras.distribution` is set. Leave `images_on` out. "
            "Received: images_on='device'."
        )
    return images_on


def fits_device(model):
    """Whether a model can be sampled with its images on the device."""
    return (
        isinstance(model.network, keras.Model)
        and runtime.may_compile(model.network)
        and keras.distribution.distribution() is None
    )


def check_decode(decode, latents):
    """Validates `decode`."""
    if decode is not None and not latents:
        raise ValueError(
            "`decode` is only for models of latents, `PatchDPM(..., latents=True)`. "
            f"Leave it out. Received: decode={decode!r}."
        )
    if decode is not None and not callable(decode):
        raise TypeError(f"`decode` must be a function. Received: decode={decode!r}.")
    return decode


def check_noise(noise, num_images, image_shapes):
    """Validates the argument `noise` of the sampler.

    Args:
        noise: Array, list of arrays, or `None`.
        num_images: Positive int.
        image_shapes: List of `(height, width, channels)`, one for each stage.

    Returns:
        List of one array for each stage, or `None`: the noise is drawn.

    Raises:
        TypeError: If `noise` holds no numbers.
        ValueError: If `noise` has another shape, or values that are not finite.
    """
    if noise is None:
        return None
    shapes = [(num_images, *shape) for shape in image_shapes]
    several = len(shapes) > 1
    each = noise if several and isinstance(noise, list | tuple) else [noise]
    arrays = [_float_array(stage) for stage in each]
    found = [array.shape for array in arrays]
    if found != shapes:
        asked = f"have the shape {shapes[0]}"
        if several:
            asked = (
                "be a list of one array for each stage of the cascade, the thumbnail's "
                f"first, with the shapes {shapes}. `sampler.draw_noise({num_images})` "
                "returns such a list"
            )
        received = found if several else found[0]
        raise ValueError(f"`noise` must {asked}. Received: noise of shape={received}.")
    for array in arrays:
        wrong = sum(image.size - np.isfinite(image).sum() for image in array)
        if wrong:
            raise ValueError(
                "`noise` must be finite. Received: noise in which "
                f"{wrong} values are NaN or infinite."
            )
    return arrays


def _float_array(noise):
    """Converts `noise` to an array of real numbers."""
    try:
        is_tensor = keras.ops.is_tensor(noise)
        array = keras.ops.convert_to_numpy(noise) if is_tensor else np.asarray(noise)
    except ValueError:  # Lists of different lengths.
        array = np.empty(0, object)
    if array.dtype.kind not in "fiu":
        raise TypeError(
            "`noise` must be an array of numbers, such as `sampler.draw_noise(...)` "
            f"returns. Received: noise of type {type(noise).__name__}."
        )
    return array


def check_floats(dtype, latents, decode):
    """Refuses latents as uint8."""
    if latents and decode is None and dtype != "float32":
        raise ValueError(
            'Latents are floats. Pass `dtype="float32"` to get latents, or give the '
            f"sampler `decode` to get images. Received: dtype={dtype!r} with a model "
            "of latents."
        )


def check_patches_per_call(value, num_patches):
    """Validates `patches_per_call`, an int."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(
            f"`patches_per_call` must be an int from 1 to {num_patches}, the number of "
            f"patches of a step. Received: patches_per_call={value!r} (of type "
            f"{type(value).__name__})."
        )
    return _checks.integer("patches_per_call", value, minimum=1, maximum=num_patches)


def check_seed(seed):
    """Validates `seed`, an int."""
    if seed is None:
        raise TypeError(
            "`seed` must be an int, so that the same images can be generated again. "
            "For different images in each call, pass `seed=random.randrange(2**32)`. "
            "Received: seed=None."
        )
    return _checks.integer("seed", seed, minimum=0)


def check_indices(indices, num_images):
    """Validates the arguments that say which images are generated.

    Args:
        indices: Sequence of ints, or `None`.
        num_images: Int, or `None`: 1, or as many as `indices`.

    Returns:
        `(num_images, indices)`: an int, and a range or a list of as many ints.

    Raises:
        TypeError: If `indices` is no sequence of ints.
        ValueError: If an index is negative, too large or there twice, there is none, or
            `num_images` is another number.
    """
    if num_images is not None:
        num_images = _checks.integer(
            "num_images", num_images, minimum=1, maximum=MOST_IMAGES
        )
    if indices is None:
        num_images = 1 if num_images is None else num_images
        return num_images, range(num_images)
    if not isinstance(indices, range):
        indices = _int_list(indices)
    count = len(indices)
    ends = indices  # To compare all ints of a range could take for ever.
    if count and isinstance(indices, range):
        ends = indices[0], indices[-1]
    if not count or min(ends) < 0 or max(ends) >= MOST_IMAGES:
        found = f"from {min(ends)} to {max(ends)}" if count else "no index"
        raise ValueError(
            "`indices` must contain at least one int, each from 0 to 2**53 - 1. "
            f"Received: indices with {found}."
        )
    if not isinstance(indices, range) and len(set(indices)) < count:
        twice = sorted(index for index in set(indices) if indices.count(index) > 1)
        raise ValueError(
            "Each of `indices` must be there once: image k would be generated twice. "
            f"Received: indices with {twice[:5]} more than once."
        )
    if num_images not in (None, count):
        raise ValueError(
            f"`indices` are those of {count} images. Leave `num_images` out. "
            f"Received: num_images={num_images}."
        )
    return count, indices


def _int_list(indices):
    """Converts a list, a tuple or an array of ints to a list."""
    array = np.empty((0, 0))
    if isinstance(indices, list | tuple | np.ndarray):
        with contextlib.suppress(ValueError):  # Lists of different lengths.
            array = np.asarray(indices)
    if array.ndim != 1 or (len(array) and array.dtype.kind not in "iu"):
        raise TypeError(
            "`indices` must be a range, or a list of ints, such as `range(64, 128)`. "
            f"Received: indices={reprlib.repr(indices)} "
            f"(of type {type(indices).__name__})."
        )
    return array.tolist()


def check_dtype(dtype):
    """Validates `dtype`; returns its name."""
    for name in ("uint8", "float32"):
        known = (np.dtype(name), np.dtype(name).type)
        if any(dtype is same for same in known) or (
            isinstance(dtype, str | np.dtype) and dtype == name
        ):
            return name
    raise _checks.wrong_value("dtype", "be 'uint8' or 'float32'", dtype)


def check_fits(num_images, image_shape, dtype):
    """Refuses more images than fit in the machine's memory; returns their bytes."""
    size = num_images * math.prod(image_shape) * np.dtype(dtype).itemsize
    memory_size = psutil.virtual_memory().total
    if size > memory_size:
        raise ValueError(
            f"{num_images} images of the shape {tuple(image_shape)} need {size} bytes "
            f"of memory, and this machine has {memory_size}. Generate fewer images at "
            "a time, or use `sampler.stream` without a checkpoint. "
            f"Received: num_images={num_images}."
        )
    return size
