"""Images from the weights that come with the package, in one call."""

from keras_patchdpm import _checks
from keras_patchdpm.models import PatchDPM, presets
from keras_patchdpm.patching import CascadePatching, RandomPatching

N = 2  # Unless the preset has another.
DEFAULTS = {"solver": "ddim", "steps": 50}  # Of a preset that has no settings.


def sample(
    n=None,
    num_images=2,
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
):
    """Makes images with trained weights, patch by patch.

    Args:
        n: Positive int, N of Arakawa et al.: images are made in `n` x `n` patches.
            `None` for the preset's own, and 2 without a `preset`. Of a cascade a
            smaller `n` makes smaller images, of patches of the same size: of the
            package's, 1, 2 and 4 make 32, 64 and 128 pixels. A preset of
            `RandomPatching` serves any `n` that divides the image; `None` is then 2
            if it was trained for that, and otherwise the largest that it was.
        num_images: Positive int.
        solver: See `PatchSampler`. `None` for the preset's, or `"ddim"`.
        steps: Int from 1 to 1000, network calls per patch. `None` for the preset's, or
            50.
        seed: Non-negative int. Image k of one seed is always the same.
        patches_per_call: Int from 1 to the patches of a step, which are `n * n`, or
            `(n + 1) ** 2` of a moving grid. More are faster and take more memory.
        preset: Name of a trained model (`PatchDPM.presets()` lists them), or path of a
            folder with one; `None` for the package's own for `n`, of a cascade
            (`CascadePatching`) if there is one.
        verbose: 1 shows a progress bar, and the plan for a `memory_budget`.
        memory_budget: Int of bytes or a string such as `"300MB"`, which chooses
            `patches_per_call`; see `PatchSampler`.
        precision: Keras dtype policy, such as `"mixed_float16"`, or `None`.
        batch_size: Positive int, images that are computed together; `None` for 16, or
            as many as `memory_budget` allows.
        checkpoint: Path of a file in which the state is saved, from which the same
            call resumes, or `None`; see `PatchSampler`.

    Returns:
        Uint8 array of shape `(num_images, H, W, C)`, in [0, 255].

    Raises:
        TypeError: If `n` or another count is not an int.
        ValueError: If an argument is out of range, `n` is not the preset's, there is no
            model for `n` (the message lists those there are), or the preset is of
            latents.

    Example:

    >>> keras_patchdpm.sample(n=2).shape
    (2, 64, 64, 3)
    >>> images = keras_patchdpm.sample(preset="runs/photos/preset", num_images=16)

    Source: Arakawa et al. 2023 (arXiv:2304.07087).
    """
    if n is not None:
        n = _checks.positive_int("n", n)
    if preset is None:
        n = N if n is None else n
        preset = _preset_of(n)
    model = PatchDPM.from_preset(preset, precision)
    if model.latents:
        raise ValueError(
            "The preset is a model of latents, whose images need a decoder: "
            "`PatchSampler(PatchDPM.from_preset(preset), decode=decode)`. "
            f"Received: preset={str(preset)!r}."
        )
    options = {
        name: value
        for name, value in {"solver": solver, "steps": steps}.items()
        if value is not None
    }
    if not model.sampling.arguments:
        options = {**DEFAULTS, **options}
    sampler = model.sampler(
        patches_per_call=patches_per_call,
        memory_budget=memory_budget,
        **options,
        **_grid(model.patching, n, preset),
    )
    return sampler(num_images, seed, batch_size, verbose=verbose, checkpoint=checkpoint)


def image_shape(n=None, preset=None):
    """`(height, width, channels)` of the images that `sample` makes.

    Raises:
        ValueError: If there is no such preset, or none for `n`.
    """
    if preset is None:
        n = N if n is None else n
        preset = _preset_of(n)
    config = presets.read_config(preset)
    patching, shape = presets.patching_of(config), presets.image_shape(config)
    if n is None or not isinstance(patching, CascadePatching):
        return shape
    patch = patching.input_specs(shape)["noisy"][0]
    return patching.first_stages(n).image_shape(patch)


def _grid(patching, n, preset):
    """Arguments of the sampler, so that images are made in `n` x `n` patches."""
    numbers = presets.numbers_of(patching)
    if isinstance(patching, RandomPatching):  # One model for any number.
        n = n or (N if N in numbers else numbers[-1])
        return {"divisions": n, "moving": n > 1}
    if n is None or numbers == [n]:
        return {}
    if n in numbers:  # A cascade that ends earlier.
        return {"divisions": n}
    rows, cols = patching.grid.divisions
    smaller = f", or in fewer: `n` is one of {numbers}" if len(numbers) > 1 else ""
    raise ValueError(
        f"The preset {str(preset)!r} makes images in {rows}x{cols} patches{smaller}. "
        f"Leave `n` out, or choose another preset. Received: n={n}."
    )


def _preset_of(n):
    """The preset of the package for `n` x `n` patches: a cascade, if there is one."""
    patchings = {
        name: presets.patching_of(presets.read_config(name)) for name in presets.names()
    }
    known = {name: presets.numbers_of(found) for name, found in patchings.items()}
    fitting = [name for name, numbers in known.items() if n in numbers]
    if not fitting:
        raise ValueError(
            "The package has no trained model for that `n`. Its models, and their `n`: "
            f"{known}. Train one (`python -m keras_patchdpm train --help`), or pass a "
            f"`preset` of your own. Received: n={n}."
        )
    # Its patches belong together.
    cascades = [
        name for name in fitting if isinstance(patchings[name], CascadePatching)
    ]
    return (cascades or fitting)[0]
