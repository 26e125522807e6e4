"""Averaged weights: over a share of the training, or with a half-life in images."""

import keras
import numpy as np
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm._registration import serializable

WIDEST = 0.28  # Of an average whose exponent is 0: of all steps alike.


@serializable
class AveragingAdam(keras.optimizers.Adam):
    """Adam that averages the weights over a share of all steps so far.

    An average with a momentum always reaches back as many steps. Early in a training
    that is too far, since the weights are still bad, and in a long one it is too short.
    This one reaches back by a share of the training. Otherwise it is Keras' own: `fit`
    ends with the averaged weights, and `PatchDPM.ema_weights` shows them.

    Args:
        learning_rate: Number of at least 0, a schedule of Keras, or a function of no
            arguments. Default 1e-3.
        ema_share: Number in [0.001, 0.28]. The standard deviation of the steps in the
            average, each weighted as it counts there, over their number. Default 0.05.
        **options: Further arguments of `keras.optimizers.Adam`.

    Raises:
        TypeError, ValueError: If `learning_rate` or `ema_share` is no such value.

    Example:

    >>> model.compile(optimizer=kp.training.AveragingAdam(4e-4, ema_share=0.1))

    Source: Karras et al. 2024 (arXiv:2312.02696), section 3.1 and appendix C.
    """

    def __init__(self, learning_rate=1e-3, ema_share=0.05, **options):
        ema_share = share("ema_share", ema_share)
        if not callable(learning_rate):
            learning_rate = _checks.real("learning_rate", learning_rate, minimum=0)
        super().__init__(learning_rate, **{**options, "use_ema": True})
        self.ema_share = ema_share

    @property
    def ema_momentum(self):
        """The momentum of the next step, equation (6) there: Keras reads it."""
        step = ops.cast(self.iterations, "float32") + 1.0
        return (1.0 - 1.0 / step) ** (_exponent(self.ema_share) + 1.0)

    @ema_momentum.setter
    def ema_momentum(self, value):
        """Keras sets a constant, which is not used."""

    def get_config(self):
        config = {**super().get_config(), "ema_share": self.ema_share}
        del config["ema_momentum"]
        return config


def share(name, value):
    """Validates the width of an average; returns it as a float."""
    return _checks.real(name, value, minimum=1e-3, maximum=WIDEST)


def _exponent(share):
    """The exponent of the average with a relative width of `share`.

    The positive root of share² (g + 2)² (g + 3) = g + 1, equation (125) there.
    """
    inverse = share**-2
    roots = np.roots([1, 7, 16 - inverse, 12 - inverse])
    return float(roots.real.max())


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

    Example:

    >>> images_per_step(model_of_crops, batch_size=256)    # of 1/4, 1/2 and all
    486.4
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
