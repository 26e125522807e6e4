"""How to train: values that are checked when they are given."""

import dataclasses

from keras_patchdpm import _checks, _files


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Attributes:
        batch_size: Images, one patch of each, that a step sees. Positive int, at most
            the number of images.
        learning_rate: Of Adam. Number, at least 0.
        warmup_steps: First steps, in which the learning rate rises from 0. Rates
            above 1e-3 do not learn without it. Int, at least 0.
        decay_steps: Steps after them in which it falls to 0, along a cosine, or `None`
            to keep it. A training whose length is known learns more with it.
        ema_momentum: Of the averaged weights, in [0, 1).
        steps_per_epoch: Steps between two backups. Positive int.
        precision: Keras dtype policy: on CPUs with bfloat16 arithmetic
            `"mixed_bfloat16"` is fastest.
        flip: Whether images are mirrored left to right half of the time.
        seed: Of the order of the images, of weights, levels, noise and patches. Int in
            [0, 2**31).
        start_from: Preset whose weights the training starts from, a name or a folder,
            or `None` for random ones.

    Raises:
        TypeError, ValueError: If a value is not as above.
    """

    batch_size: int = 64
    learning_rate: float = 4e-4
    warmup_steps: int = 0
    decay_steps: int | None = None
    ema_momentum: float = 0.999
    steps_per_epoch: int = 250
    precision: str = "mixed_bfloat16"
    flip: bool = True
    seed: int = 0
    start_from: str | None = None

    def __post_init__(self):
        for name, check in _CHECKS.items():
            value = getattr(self, name)
            if value is not None or name not in ("decay_steps", "start_from"):
                object.__setattr__(self, name, check(name, value))


def _momentum(name, value):
    value = _checks.real(name, value, minimum=0, maximum=1)
    if value == 1:
        raise ValueError(
            f"With `{name}=1` the averaged weights would stay the random ones. Use a "
            f"number below 1, such as 0.999. Received: {name}={value}."
        )
    return value


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
    "decay_steps": _checks.positive_int,
    "ema_momentum": _momentum,
    "steps_per_epoch": _checks.positive_int,
    "precision": _policy,
    "flip": _checks.boolean,
    "seed": lambda name, value: _checks.integer(
        name, value, minimum=0, maximum=2**31 - 1
    ),
    "start_from": lambda name, value: str(_files.path_of(name, value)),
}
