"""The settings of `train`."""

import dataclasses

from keras_patchdpm import _checks, presets
from keras_patchdpm.training import averaging


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """The settings of `train`, validated when the object is created.

    Attributes:
        batch_size: Positive int, at most the number of images. Images of a step.
            Default 64.
        learning_rate: Number of at least 0. Highest learning rate of Adam. Default
            1e-3.
        warmup_steps: Int of at least 0. First steps, in which the learning rate rises
            from 0. Default 100.
        cooldown: Number in [0, 1]. The share of the training, at its end, in which the
            learning rate falls to 0. With 0 it stays constant. Default 0.3.
        ema_share: Number in [0.001, 0.28]. The width of the average of the weights, as
            a share of all steps: see `AveragingAdam`. Default 0.05.
        steps_per_epoch: Positive int. Steps of an epoch, after which a backup is
            written. Default 100.
        precision: Keras dtype policy. Default `"mixed_bfloat16"`, faster than float32
            where the device has bfloat16 arithmetic. Choose `"float32"` on other
            devices, and with JAX on a CPU.
        flip: Bool. Whether each image is mirrored left to right with probability 1/2.
            Default: yes.
        seed: Int in [0, 2**31). Seed of the weights, the order of the images, noise
            levels, noise and patches. Default 0.
        start_from: Name, folder or address (`"hf://user/name"`) of a preset, from whose
            weights the training starts. Its network must be that of the training, or
            the same for whole images: see `networks.start_from`. Default `None`: random
            weights.

    Raises:
        TypeError, ValueError: If a value is none of these.

    Example:

    >>> settings = TrainingSettings(batch_size=32, precision="float32")
    """

    batch_size: int = 64
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    cooldown: float = 0.3
    ema_share: float = 0.05
    steps_per_epoch: int = 100
    precision: str = "mixed_bfloat16"
    flip: bool = True
    seed: int = 0
    start_from: str | None = None

    def __post_init__(self):
        for name, check in _CHECKS.items():
            value = getattr(self, name)
            if value is not None or name != "start_from":
                object.__setattr__(self, name, check(name, value))


def _policy(name, value):
    return _checks.one_of(name, value, _POLICIES)


_POLICIES = (
    "float32",
    "mixed_bfloat16",
    "mixed_float16",
    "bfloat16",
    "float16",
    "float64",
)

_CHECKS = {
    "batch_size": _checks.positive_int,
    "learning_rate": lambda name, value: _checks.real(name, value, minimum=0),
    "warmup_steps": lambda name, value: _checks.integer(
        name, value, minimum=0, maximum=2**31 - 1
    ),
    "cooldown": lambda name, value: _checks.real(name, value, minimum=0, maximum=1),
    "ema_share": averaging.share,
    "steps_per_epoch": _checks.positive_int,
    "precision": _policy,
    "flip": _checks.boolean,
    "seed": lambda name, value: _checks.integer(
        name, value, minimum=0, maximum=2**31 - 1
    ),
    "start_from": lambda name, value: presets.as_text(name, value),
}
