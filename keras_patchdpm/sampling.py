"""Images from the weights that come with the package, in one call."""

from keras_patchdpm import _checks
from keras_patchdpm.models import PatchDPM, presets
from keras_patchdpm.patching import CascadePatching, RandomPatching
from keras_patchdpm.samplers import PatchSampler

N = 2  # Unless the preset has another.


def sample(
    n=None,
    num_images=2,
    rule="ddim",
    steps=50,
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
            `None` for the preset's own, which is 2 without a `preset`. A preset of
            `RandomPatching` serves any `n` that divides the image; `None` is then 2
            if it was trained for that, and otherwise the largest that it was.
        num_images: Positive int.
        rule: A step rule, see `PatchSampler`.
        steps: Int from 1 to 1000. Network calls per patch.
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
        preset = _preset_of(N if n is None else n)
    model = PatchDPM.from_preset(preset, precision)
    if model.latents:
        raise ValueError(
            "The preset is a model of latents, whose images need a decoder: "
            "`PatchSampler(PatchDPM.from_preset(preset), decode=decode)`. "
            f"Received: preset={str(preset)!r}."
        )
    numbers, options = presets.numbers_of(model.patching), {}
    if isinstance(model.patching, RandomPatching):  # One model for any number.
        n = n or (N if N in numbers else numbers[-1])
        options = {"divisions": n, "moving": n > 1}
    elif n is not None and numbers != [n]:
        rows, cols = model.patching.grid.divisions
        raise ValueError(
            f"The preset {str(preset)!r} makes images in {rows}x{cols} patches. Leave "
            f"`n` out, or choose another preset. Received: n={n}."
        )
    sampler = PatchSampler(
        model, rule, steps, patches_per_call, memory_budget=memory_budget, **options
    )
    return sampler(num_images, seed, batch_size, verbose=verbose, checkpoint=checkpoint)


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
