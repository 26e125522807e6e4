"""`check_schedule`: what every schedule must do."""

import keras
import numpy as np
from keras import ops

from keras_patchdpm.schedules import CLEAN, NoiseLevel, Schedule
from keras_patchdpm.testing._require import (
    require,
    require_close,
    require_configuration,
)

COUNT = 8
SHAPE = (COUNT, 4, 4, 2)


def check_schedule(schedule):
    """Checks a schedule: its levels, and that training and sampling agree.

    Checked are: the configuration; that the levels of a sampling fall to the clean
    image; that timesteps of a training have the type `timestep_dtype`; that
    `add_noise` adds noise as `alpha_sigma` says; that `clean` restores the clean image
    from the target; that `clean` is linear; and the weight and the loss.

    Args:
        schedule: `Schedule`.

    Raises:
        AssertionError: If the schedule breaks the contract; the message says how.

    Example:

    >>> testing.check_schedule(DDPMSchedule("cosine", prediction="velocity"))
    """
    require_configuration(schedule, Schedule)
    for steps in (1, 5):
        _check_levels(schedule.levels(steps), steps)
    rng = np.random.default_rng(0)
    clean, noise = rng.normal(size=(2, *SHAPE)).astype("float32")
    drawn = schedule.draw(COUNT, keras.random.SeedGenerator(0))
    found = keras.backend.standardize_dtype(drawn.dtype)
    require(
        found == schedule.timestep_dtype,
        f"`draw` returns {found}, `timestep_dtype` says {schedule.timestep_dtype}",
    )
    require(
        tuple(drawn.shape) == (COUNT,),
        f"`draw` returns the shape {drawn.shape}, expected {(COUNT,)}",
    )
    noisy, target = (
        ops.convert_to_numpy(x) for x in schedule.add_noise(clean, noise, drawn)
    )
    scales = zip(*map(ops.convert_to_numpy, schedule.alpha_sigma(drawn)), strict=True)
    for image, (alpha, sigma) in enumerate(scales):
        level = NoiseLevel(float(alpha), float(sigma))
        expected = level.alpha * clean[image] + level.sigma * noise[image]
        where = f"at alpha={level.alpha:.4g}, sigma={level.sigma:.4g}"
        require_close(noisy[image], expected, f"`add_noise` {where}", tolerance=1e-3)
        restored = schedule.clean(target[image], noisy[image], level)
        # An error of the target grows as much as one of the network.
        gain = abs(float(schedule.clean(1.0, 0.0, level)))
        require_close(
            np.asarray(restored),
            clean[image],
            f"`clean` of noisy image and target {where}",
            tolerance=1e-4 * max(gain, 10),
        )
        both = schedule.clean(2.0 + 3.0, 2.0 + 3.0, level)
        parts = 2 * schedule.clean(1.0, 1.0, level) + 3 * schedule.clean(
            1.0, 1.0, level
        )
        require_close(
            both, parts, f"`clean` is not linear {where}", tolerance=1e-6 * (1 + gain)
        )
    weight = schedule.weight(drawn)
    if weight is not None:
        weight = ops.convert_to_numpy(weight)
        good = weight.shape == (COUNT,) and np.isfinite(weight).all()
        require(
            good and (weight >= 0).all(),
            f"`weight` returns {weight}, expected {COUNT} finite numbers of at least 0",
        )
    require(
        isinstance(schedule.make_loss(), keras.losses.Loss),
        "`make_loss` must return a `keras.losses.Loss`",
    )


def _check_levels(levels, steps):
    """The levels of a sampling."""
    require(
        len(levels) == steps + 1,
        f"`levels({steps})` has {len(levels)} levels, expected {steps + 1}",
    )
    require(
        tuple(levels[-1])[:2] == tuple(CLEAN)[:2],
        f"`levels` must end at `CLEAN`, not at {levels[-1]}",
    )
    with np.errstate(divide="ignore"):
        strengths = [np.float64(one.sigma) / np.float64(one.alpha) for one in levels]
    require(
        all(b < a for a, b in zip(strengths, strengths[1:], strict=False)),
        f"`sigma / alpha` of the levels must fall: {strengths}",
    )
