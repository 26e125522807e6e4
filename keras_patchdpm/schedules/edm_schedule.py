"""The continuous process of EDM, "Elucidating the Design Space"."""

import math

import keras
import numpy as np
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm._registration import serializable
from keras_patchdpm.schedules import spacings
from keras_patchdpm.schedules.base import CLEAN, NoiseLevel, Schedule

STEPS = 18
MOST_STEPS = 100_000  # `levels` returns a list of that length.
SPACINGS = ("karras",)
WEAKEST, STRONGEST = 1e-6, 1e6  # The squares of these strengths fit into float32.


@serializable
class EDMSchedule(Schedule):
    """The EDM process: noise of any strength `s`, with inputs and outputs scaled to it.

    In EDM `x = clean + s * noise`, and the denoiser is

        D(x; s) = c_skip * x + c_out * F(c_in * x; ln(s) / 4).

    In this library `noisy` is what the network receives, here `c_in * x`. So `alpha =
    c_in = 1 / sqrt(s**2 + sigma_data**2)` and `sigma = s * c_in`. The network should
    return `F = (clean - c_skip * x) / c_out`. With this target EDM's weight of the
    loss, `1 / c_out**2` on the clean image, is 1 at every level.

    The defaults are those of Karras et al.

    Args:
        sigma_min: Float in [1e-6, 1e6]. Strength of the noise at which sampling ends,
            for images in [-1, 1]. Default 0.002.
        sigma_max: Float in [1e-6, 1e6]. Strength of the noise at which sampling starts.
            Default 80.
        sigma_data: Float in [1e-6, 1e6]. Standard deviation of the clean images.
            Default 0.5.
        log_mean, log_std: Floats in [-14, 14] and [1e-6, 5]. Mean and standard
            deviation of the normal distribution of `ln(s)` in training. Default -1.2
            and 1.2.
        rho: Float in [0.1, 1000]. The larger it is, the more steps are near the clean
            image. Default 7.

    Raises:
        TypeError: If an argument is not a number.
        ValueError: If a number is out of range, or `sigma_min` is not below
            `sigma_max`.

    Example:

    >>> schedule = EDMSchedule()
    >>> network = networks.unet(64, patching, schedule=schedule)
    >>> model = PatchDPM(network, schedule, patching)
    >>> sampler = PatchSampler(model, "heun", steps=18)

    Source: Karras et al. 2022 (arXiv:2206.00364), table 1 and section 5.
    """

    timestep_dtype = "float32"

    def __init__(
        self,
        *,
        sigma_min=0.002,
        sigma_max=80.0,
        sigma_data=0.5,
        log_mean=-1.2,
        log_std=1.2,
        rho=7.0,
    ):
        self.sigma_min = _checks.real(
            "sigma_min", sigma_min, minimum=WEAKEST, maximum=STRONGEST
        )
        self.sigma_max = _checks.real(
            "sigma_max", sigma_max, minimum=WEAKEST, maximum=STRONGEST
        )
        self.sigma_data = _checks.real(
            "sigma_data", sigma_data, minimum=WEAKEST, maximum=STRONGEST
        )
        self.log_mean = _checks.real("log_mean", log_mean, minimum=-14, maximum=14)
        self.log_std = _checks.real("log_std", log_std, minimum=1e-6, maximum=5)
        self.rho = _checks.real("rho", rho, minimum=0.1, maximum=1000)
        if self.sigma_min >= self.sigma_max:
            raise ValueError(
                "`sigma_min` must be below `sigma_max`. Received: "
                f"sigma_min={sigma_min}, sigma_max={sigma_max}."
            )

    def draw(self, count, seed_generator):
        """Draws `count` noise levels, as the network receives them: `ln(s) / 4`.

        Args:
            count: Int or int scalar tensor.
            seed_generator: `keras.random.SeedGenerator`.

        Returns:
            Float32 tensor of shape `(count,)`.
        """
        mean, std = self.log_mean / 4, self.log_std / 4
        return keras.random.normal(
            (count,), mean, std, dtype="float32", seed=seed_generator
        )

    def alpha_sigma(self, timestep):
        """Signal and noise scale at a noise level.

        Args:
            timestep: Float tensor of any shape, `ln(s) / 4`.

        Returns:
            `(alpha, sigma)`, two float32 tensors of that shape.
        """
        strength = ops.exp(4 * ops.cast(timestep, "float32"))
        alpha = ops.rsqrt(strength**2 + self.sigma_data**2)
        return alpha, strength * alpha

    def target(self, clean, noise, *, alpha, sigma):
        return sigma / self.sigma_data * clean - alpha * self.sigma_data * noise

    def clean(self, prediction, noisy, level):
        """The clean image that follows from a prediction: `D`.

        Args:
            prediction, noisy: Arrays or tensors of shape `(B, H, W, C)`.
            level: `NoiseLevel` of both.

        Returns:
            Array or tensor of the shape of `noisy`.
        """
        skip = level.alpha * self.sigma_data**2  # c_skip / c_in
        return skip * noisy + level.sigma * self.sigma_data * prediction

    def levels(self, steps=None, spacing=None):
        """The noise levels of a sampling.

        Sampling starts from noise of unit variance: that is the variance of `alpha *
        clean + sigma * noise`, if the clean images have the standard deviation
        `sigma_data`. Karras et al. start from `sigma * noise`, which is weaker by 2e-5
        at the default `sigma_max`.

        Args:
            steps: Int from 1 to 100,000; or the strengths `s` themselves, a falling
                sequence of floats in [1e-6, 1e6]. A sequence that starts far below
                `sigma_max` is for sampling from a noisy image (argument `noise` of the
                sampler). Default `None`: 18.
            spacing: `"karras"`: the steps are even in `s ** (1 / rho)`. A sequence
                needs none. Default `None`: `"karras"`.

        Returns:
            List of `steps + 1` `NoiseLevel`s; the last is `CLEAN`.

        Raises:
            ValueError: If the spacing is unknown or given together with a sequence,
                `steps` is out of range, or strengths do not fall or are out of range.

        Source: Karras et al. 2022, equation 5.
        """
        _checks.one_of("spacing", spacing, (None, *SPACINGS))
        if spacings.is_sequence(steps):
            spacings.check_no_spacing(spacing)
            strengths = [
                _checks.real("steps", step, minimum=WEAKEST, maximum=STRONGEST)
                for step in steps
            ]
        else:
            steps = STEPS if steps is None else steps
            steps = _checks.integer("steps", steps, minimum=1, maximum=MOST_STEPS)
            ends = np.array([self.sigma_max, self.sigma_min]) ** (1 / self.rho)
            strengths = (np.linspace(*ends, steps) ** self.rho).tolist()
        if not strengths or any(np.diff(strengths) >= 0):
            raise ValueError(
                "The strengths of the noise must fall from step to step, and there "
                f"must be at least one. Received: steps={steps!r}, with the strengths "
                f"{strengths[:10]}."
            )
        return [self.at_strength(strength) for strength in strengths] + [CLEAN]

    def at_strength(self, strength):
        """The `NoiseLevel` of a strength `s`, a positive float."""
        strength = _checks.real(
            "strength", strength, minimum=WEAKEST / 2, maximum=2 * STRONGEST
        )
        alpha = 1 / math.sqrt(strength**2 + self.sigma_data**2)
        return NoiseLevel(alpha, strength * alpha, math.log(strength) / 4)

    def get_config(self):
        return {
            "sigma_min": self.sigma_min,
            "sigma_max": self.sigma_max,
            "sigma_data": self.sigma_data,
            "log_mean": self.log_mean,
            "log_std": self.log_std,
            "rho": self.rho,
        }
