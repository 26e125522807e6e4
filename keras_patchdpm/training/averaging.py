"""The momentum of averaged weights, from a half-life in images."""

from keras_patchdpm import _checks


def images_per_step(model, batch_size):
    """The mean number of images, or crops of images, in a training step.

    Args:
        model: `PatchDPM`.
        batch_size: Positive int, that of `fit`.

    Returns:
        Float: `batch_size`; more for `RandomPatching`, whose steps with small crops
        have larger batches.

    Raises:
        TypeError: If `model` is no `PatchDPM`, or `batch_size` no int.
        ValueError: If `batch_size` is below 1.
    """
    _checks.like("model", model, asked=("patching",), example="PatchDPM(...)")
    batch_size = _checks.positive_int("batch_size", batch_size)
    return batch_size * model.patching.mean_batch_multiplier


def ema_momentum(half_life, images_per_step):
    """The momentum of averaged weights with a given half-life.

    Args:
        half_life: Positive number of images (or crops), after which the weights of a
            step count half in the average.
        images_per_step: Positive number, see `images_per_step`.

    Returns:
        Float in (0, 1), for `keras.optimizers.Adam(..., use_ema=True, ema_momentum=)`.

    Raises:
        ValueError: If a number is not positive.

    Example:

    >>> momentum = ema_momentum(500_000, images_per_step(model, batch_size=256))

    Source: Karras et al. 2022 (arXiv:2206.00364), appendix F.2.
    """
    half_life = _checks.real("half_life", half_life, minimum=1e-6)
    images_per_step = _checks.real("images_per_step", images_per_step, minimum=1e-6)
    return 0.5 ** (images_per_step / half_life)
