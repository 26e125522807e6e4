"""Images from the weights that come with the package, in one call."""

from keras_patchdpm import _checks
from keras_patchdpm.models import PatchDPM, presets
from keras_patchdpm.samplers import PatchSampler


def sample(
    n=2,
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
        n: Positive int, the paper's N: images are made in `n` x `n` patches.
        num_images: Positive int.
        rule: A step rule, see `PatchSampler`.
        steps: Int from 1 to 1000. Network calls per patch.
        seed: Non-negative int. Image k of one seed is always the same.
        patches_per_call: Int from 1 to the patches of a step, which are `n * n`, or
            `(n + 1) ** 2` of a moving grid. More are faster and take more memory.
        preset: Name of a trained model, or path of a folder with one; `None` takes
            the package's own for `n`, of a cascade (`CascadePatching`) if there is one.
        verbose: 1 shows a progress bar.
        memory_budget: Int of bytes or a string such as `"300MB"`, which chooses
            `patches_per_call`; see `PatchSampler`.
        precision: Keras dtype policy, such as `"mixed_float16"`, or `None`.
        batch_size: Positive int, images that are computed together; `None` for 16, or
            as many as `memory_budget` allows.
        checkpoint: Path of a file in which the state is saved, from which the same
            call resumes, or `None`; see `PatchSampler`.

    Returns:
        Uint8 array of shape `(num_images, H, W, 3)`, in [0, 255].

    Raises:
        TypeError: If `n` or another count is not an int.
        ValueError: If an argument is out of range, or there is no model for `n`; the
            message lists those there are.

    Example:

    >>> keras_patchdpm.sample(n=2).shape
    (2, 64, 64, 3)

    Source: Arakawa et al. 2023 (arXiv:2304.07087).
    """
    n = _checks.positive_int("n", n)
    if preset is None:
        preset = _preset_of(n)
    model = PatchDPM.from_preset(preset, precision)
    options = {}
    if hasattr(model.patching, "at"):  # One model for any number of patches.
        options = {"divisions": n, "moving": n > 1}
    elif model.patching.grid.divisions != (n, n):
        rows, cols = model.patching.grid.divisions
        raise ValueError(
            f"The preset {preset!r} makes images in {rows}x{cols} patches. Pass its "
            f"`n`, or choose another preset. Received: n={n}."
        )
    sampler = PatchSampler(
        model, rule, steps, patches_per_call, memory_budget=memory_budget, **options
    )
    return sampler(num_images, seed, batch_size, verbose=verbose, checkpoint=checkpoint)


def _preset_of(n):
    """The preset of the package for `n` x `n` patches: a cascade, if there is one."""
    configs = {name: presets.read_config(name) for name in presets.names()}
    known = {name: _numbers_of(config) for name, config in configs.items()}
    fitting = [name for name, numbers in known.items() if n in numbers]
    if not fitting:
        raise ValueError(
            "The package has no trained model for that `n`. Its models, and their `n`: "
            f"{known}. Train one (`python -m keras_patchdpm train --help`), or pass a "
            f"`preset` of your own. Received: n={n}."
        )
    # Its patches belong together.
    cascades = [
        name
        for name in fitting
        if configs[name]["patching"]["name"] == "CascadePatching"
    ]
    return (cascades or fitting)[0]


def _numbers_of(config):
    """The `n` that a preset makes images for: several if it was trained on crops."""
    patching = config["patching"]
    if patching["name"] == "RandomPatching":
        sizes = presets.parts(config)["patching"].fractions
        return sorted(round(1 / fraction) for fraction in sizes)
    return [patching["divisions"]]
