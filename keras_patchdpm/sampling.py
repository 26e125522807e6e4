"""Generates images with the weights in the package, in one call."""

from keras_patchdpm import _checks, presets
from keras_patchdpm.models import PatchDPM

N = 2  # If neither `n` nor a preset is given.
NUM_IMAGES = 2
DEFAULTS = {"solver": "ddim", "steps": 50}  # For a preset without settings.


def sample(
    n=None,
    num_images=None,
    *,
    indices=None,
    solver=None,
    steps=None,
    seed=0,
    patches_per_call=1,
    preset=None,
    verbose=0,
    memory_budget=None,
    precision=None,
    batch_size=None,
    checkpoint=None,
    labels=None,
    **given,
):
    """Generates images with a trained model, patch by patch.

    Args:
        n: Positive int, N of Arakawa et al.: images are generated in `n` x `n` patches.
            For a cascade a smaller `n` gives smaller images, with patches of the same
            size: for that of the package, 1, 2 and 4 give 32, 64 and 128 pixels.
            Default `None`: 2 without a `preset`, otherwise the preset's largest.
        num_images: Positive int. Default `None`: 2, or as many as `indices`.
        indices: Range or list of ints of at least 0: which images of the seed are
            generated; see `PatchSampler.stream`. Default `None`: the first ones.
        solver: See `PatchSampler`. Default `None`: that of the preset, or `"ddim"`.
        steps: Int from 1 to 1000. Steps of the solver: the fewer, the faster. Default
            `None`: that of the preset, or 50.
        seed: Non-negative int. Image k of one seed is always the same. Default 0.
        patches_per_call: Int from 1 to the patches of a step: `n * n`, or
            `(n + 1) ** 2` of a shifted grid. More are faster and need more memory.
            Default 1.
        preset: Name of a trained model (`PatchDPM.presets()` lists them), or path of
            the folder of one. Default `None`: the first in that list that can generate
            images in `n` x `n` patches.
        verbose: 1 shows a progress bar, and the plan for a `memory_budget`. Default 0:
            nothing is shown.
        memory_budget: Int of bytes, or a string such as `"300MB"`. It chooses
            `patches_per_call`; see `PatchSampler`. Default `None`: no limit.
        precision: Keras dtype policy, such as `"mixed_float16"`. Default `None`: the
            global policy.
        batch_size: Positive int. Images that are computed together, at most. Default
            `None`: 16, or as many as `memory_budget` allows.
        checkpoint: Path of a file for the progress, from which the same call resumes;
            see `PatchSampler`. Default `None`: no checkpoint.
        labels: Int, or one for each image, of a preset that was trained on labels.
            Default `None`: images of any label.
        **given: `init_images`, `strength`, `mask`, `repeats`, `thumbnails`,
            `measurement` and `noise`: what the images start from or agree with; see
            `PatchSampler.stream`.

    Returns:
        Uint8 array of shape `(num_images, H, W, C)`, in [0, 255].

    Raises:
        TypeError: If `n` or another count is not an int.
        ValueError: If an argument is out of range, the preset cannot be sampled in
            `n` x `n` patches, no built-in preset can (the message lists all), or the
            preset is a model of latents.

    Example:

    >>> keras_patchdpm.sample(n=2).shape
    (2, 64, 64, 3)
    >>> images = keras_patchdpm.sample(preset="runs/photos/preset", num_images=16)
    >>> enlarged = keras_patchdpm.sample(n=4, num_images=1, thumbnails=small_face)

    Source: Arakawa et al. 2023 (arXiv:2304.07087).
    """
    n, preset = _choice(n, preset)
    if indices is None and num_images is None:
        num_images = NUM_IMAGES
    model = PatchDPM.from_preset(preset, precision)
    if model.latents:
        raise ValueError(
            "The preset is a model of latents, which need a decoder. Use "
            "`PatchSampler(PatchDPM.from_preset(preset), decode=decode)`. "
            f"Received: preset={str(preset)!r}."
        )
    options = {
        name: value
        for name, value in {"solver": solver, "steps": steps}.items()
        if value is not None
    }
    if "solver" not in model.sampling.arguments:
        options = {**DEFAULTS, **model.sampling.arguments, **options}
    sampler = model.sampler(
        _tiled(model, n, preset),
        patches_per_call=patches_per_call,
        memory_budget=memory_budget,
        **options,
    )
    return sampler(
        num_images,
        seed,
        indices=indices,
        batch_size=batch_size,
        verbose=verbose,
        checkpoint=checkpoint,
        labels=labels,
        **given,
    )


def image_shapes(n=None, preset=None):
    """`(height, width, channels)` of the images of each stage; the last is the result.

    Raises:
        ValueError: If there is no such preset, or no preset for `n`.
    """
    n, preset = _choice(n, preset)
    config = presets.read_config(preset)
    patching, shape = presets.patching_of(config), presets.image_shape(config)
    options = _options(patching, shape, n=n, preset=preset)
    return [stage.image_shape for stage in patching.tiled(shape, **options)]


def _choice(n, preset):
    """`(n, preset)`; `n` is `None` if only the preset was given."""
    if n is not None:
        n = _checks.positive_int("n", n)
    if preset is not None:
        return n, preset
    n = N if n is None else n
    return n, _preset_of(n)


def _tiled(model, n, preset):
    """The model, tiled in `n` x `n` patches."""
    options = _options(model.patching, model.image_shape, n=n, preset=preset)
    return model.tiled(**options)


def _options(patching, image_shape, *, n, preset):
    """Options of `tiled` for `n` x `n` patches, a dict.

    Raises:
        ValueError: If the preset cannot be sampled in as many patches.
    """
    known = patching.sampling_divisions(image_shape)
    n = known[-1] if n is None else n
    if n not in known:
        raise ValueError(
            f"The preset {str(preset)!r} supports only these values of `n`: {known}. "
            "Choose one of them, leave `n` out, or choose another preset. "
            f"Received: n={n}."
        )
    return patching.options_of(n)


def _preset_of(n):
    """The first built-in preset that can be sampled in `n` x `n` patches.

    Raises:
        ValueError: If there is no such preset; the message lists all.
    """
    known = {preset["name"]: preset["n"] for preset in PatchDPM.presets()}
    for name, numbers in known.items():
        if n in numbers:
            return name
    raise ValueError(
        "The package has no trained model for this `n`. Its models and their values "
        f"of `n`: {known}. Choose one of these values, train a model "
        "(`python -m keras_patchdpm train --help`), or pass your own `preset`. "
        f"Received: n={n}."
    )
