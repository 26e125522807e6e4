"""The discrete process of denoising diffusion probabilistic models (DDPM)."""

import math

import keras
import numpy as np
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm._registration import serializable
from keras_patchdpm.schedules import predictions, spacings
from keras_patchdpm.schedules.base import CLEAN, NoiseLevel, Schedule

MOST = 100_000  # Timesteps, since the schedule holds tables of them.
_LOSSES = {
    "l2": keras.losses.MeanSquaredError,
    "l1": keras.losses.MeanAbsoluteError,
    "huber": keras.losses.Huber,
}


def linear_betas(num_timesteps):
    """Variances from 1e-4 to 0.02 for 1000 steps, scaled for another number.

    Source: Ho et al. 2020 (arXiv:2006.11239), section 4.
    """
    scale = 1000 / num_timesteps
    return np.minimum(np.linspace(1e-4 * scale, 0.02 * scale, num_timesteps), 0.999)


def cosine_betas(num_timesteps, offset=0.008):
    """Variances for which `alpha**2` is a squared cosine, at most 0.999.

    Source: Nichol & Dhariwal 2021 (arXiv:2102.09672), equation 17.
    """
    time = np.arange(num_timesteps + 1) / num_timesteps
    signal = np.cos((time + offset) / (1 + offset) * np.pi / 2) ** 2
    return np.minimum(1 - signal[1:] / signal[:-1], 0.999)


_BETAS = {"linear": linear_betas, "cosine": cosine_betas}


def _beta_schedule(value):
    """Validates `beta_schedule`: a name, or variances, returned as a tuple."""
    if isinstance(value, str):
        return _checks.one_of("beta_schedule", value, _BETAS)
    try:
        betas = np.asarray(value)
    except ValueError:  # Lists of different lengths.
        betas = np.empty((0, 0))
    numbers = betas.ndim == 1 and 0 < betas.size <= MOST and betas.dtype.kind in "fiu"
    if not numbers or not ((betas > 0) & (betas <= 1)).all():
        wanted = (
            'be "cosine", "linear", or the variances of the timesteps, a sequence of '
            f"1 to {MOST} floats above 0 and at most 1"
        )
        raise _checks.wrong_value("beta_schedule", wanted, value)
    return tuple(betas.astype(float).tolist())


@serializable
class DDPMSchedule(Schedule):
    """The DDPM process: discrete noise levels, the network's prediction, and the loss.

    `noisy = alpha * clean + sigma * noise` with `alpha**2 + sigma**2 = 1`, at
    timesteps from 0 (almost clean) to `num_timesteps - 1` (almost noise alone).

    Args:
        beta_schedule: `"cosine"` (the default, and that of the code of Arakawa et al.),
            `"linear"` (1e-4 to 0.02), or the variances themselves, a sequence of T
            floats above 0 and at most 1.
        num_timesteps: Int T from 1 to 100,000. Default `None`: 1000, or the length of
            `beta_schedule` if that is a sequence.
        prediction: What the network returns: `"noise"` (the default, as in Ho et al.
            and Arakawa et al.), `"velocity"` (`alpha * noise - sigma * clean`) or
            `"clean"`. `"noise"` cannot be used at levels of pure noise (`alpha` 0).
        loss: `"l2"` (the default, as in the paper of Arakawa et al.), `"l1"` (as in
            their code) or `"huber"`.
        min_snr_gamma: Positive float. The loss on the clean image is weighted by
            `min(snr, min_snr_gamma)`, where `snr` is the signal to noise ratio; Hang
            et al. use 5. Default `None`: all timesteps have the weight 1.
        logit_normal_share: Float in [0, 1]. Share of the training's timesteps that is
            drawn from a logit-normal distribution around the timestep where the image
            and the noise are equally strong; the rest is uniform. There the network
            learns the most, so 0.5 saves training time. Default 0: all are uniform.

    Raises:
        TypeError, ValueError: If an argument is none of these.

    Example:

    >>> schedule = DDPMSchedule("cosine", prediction="velocity")
    >>> schedule.levels(50)[0]
    NoiseLevel(alpha=4.9...e-05, sigma=0.99..., timestep=999)

    Source: Ho et al. 2020 (arXiv:2006.11239); velocity: Salimans & Ho 2022
    (arXiv:2202.00512), appendix D; weight: Hang et al. 2023 (arXiv:2303.09556);
    logit-normal timesteps: Esser et al. 2024 (arXiv:2403.03206), section 3.1.
    """

    timestep_dtype = "int32"

    def __init__(
        self,
        beta_schedule="cosine",
        num_timesteps=None,
        *,
        prediction="noise",
        loss="l2",
        min_snr_gamma=None,
        logit_normal_share=0.0,
    ):
        self.beta_schedule = _beta_schedule(beta_schedule)
        named = isinstance(self.beta_schedule, str)
        if num_timesteps is None:
            num_timesteps = 1000 if named else len(self.beta_schedule)
        self.num_timesteps = _checks.integer(
            "num_timesteps", num_timesteps, minimum=1, maximum=MOST
        )
        self.prediction = _checks.one_of("prediction", prediction, predictions.TYPES)
        self.loss = _checks.one_of("loss", loss, _LOSSES)
        self.min_snr_gamma = min_snr_gamma
        if min_snr_gamma is not None:
            self.min_snr_gamma = _checks.real(
                "min_snr_gamma", min_snr_gamma, minimum=1e-6
            )
        self.logit_normal_share = _checks.real(
            "logit_normal_share", logit_normal_share, minimum=0, maximum=1
        )
        # NumPy in float64: exact, and independent of graph, device and precision.
        betas = self._betas()
        alpha_squared = np.cumprod(1 - betas)
        self.alphas = np.sqrt(alpha_squared)
        self.sigmas = np.sqrt(1 - alpha_squared)

    def _betas(self):
        """The variances, a float64 array `(num_timesteps,)`."""
        if isinstance(self.beta_schedule, str):
            return _BETAS[self.beta_schedule](self.num_timesteps)
        if len(self.beta_schedule) != self.num_timesteps:
            raise ValueError(
                "`beta_schedule` must have one variance for each timestep. Leave "
                "`num_timesteps` out. Received: "
                f"num_timesteps={self.num_timesteps} with {len(self.beta_schedule)} "
                "values of `beta_schedule`."
            )
        return np.array(self.beta_schedule)

    def draw(self, count, seed_generator):
        """Draws `count` timesteps: uniform, or a share of them logit-normal.

        Args:
            count: Int or int scalar tensor.
            seed_generator: `keras.random.SeedGenerator`.

        Returns:
            Int32 tensor of shape `(count,)`.
        """
        uniform = keras.random.randint(
            (count,), 0, self.num_timesteps, dtype="int32", seed=seed_generator
        )
        if not self.logit_normal_share:
            return uniform
        middle = (np.abs(self.alphas - self.sigmas).argmin() + 0.5) / self.num_timesteps
        logits = keras.random.normal(
            (count,),
            mean=math.log(middle / (1 - middle)),
            dtype="float32",
            seed=seed_generator,
        )
        timesteps = ops.floor(ops.sigmoid(logits) * self.num_timesteps)
        timesteps = ops.clip(timesteps, 0, self.num_timesteps - 1)
        keys = keras.random.uniform((count,), dtype="float32", seed=seed_generator)
        crowded = keys < self.logit_normal_share
        return ops.where(crowded, ops.cast(timesteps, "int32"), uniform)

    def alpha_sigma(self, timestep):
        """Signal and noise scale at a discrete `timestep`.

        Args:
            timestep: Int tensor of any shape, from 0 (almost clean) to
                `num_timesteps - 1` (almost noise alone).

        Returns:
            `(alpha, sigma)`, two float32 tensors of the shape of `timestep`.

        Raises:
            ValueError: If a timestep is out of range; only checked if `timestep` is no
                tensor.

        Source: Nichol & Dhariwal 2021 (arXiv:2102.09672), section 3.2. Their
        `alpha_bar` is our `alpha**2`.
        """
        return self._look_up(self.alphas, timestep), self._look_up(
            self.sigmas, timestep
        )

    def target(self, clean, noise, *, alpha, sigma):
        return predictions.target(
            self.prediction, clean, noise, alpha=alpha, sigma=sigma
        )

    def clean(self, prediction, noisy, level):
        """The clean image that follows from a prediction.

        Args:
            prediction, noisy: Arrays or tensors of shape `(B, H, W, C)`.
            level: `NoiseLevel` of both.

        Returns:
            Array or tensor of the shape of `noisy`.
        """
        return predictions.clean(
            self.prediction, prediction, noisy, alpha=level.alpha, sigma=level.sigma
        )

    def weight(self, timestep):
        """The weight of the loss at `timestep`, or `None` if all weights are 1.

        Args:
            timestep: Int tensor of shape `(B,)`.

        Returns:
            Float32 tensor of shape `(B,)`, or `None`.

        Source: Hang et al. 2023 (arXiv:2303.09556), section 3.4.
        """
        if self.min_snr_gamma is None:
            return None
        snr = (self.alphas / self.sigmas) ** 2
        clipped = np.minimum(snr, self.min_snr_gamma)
        scale = {"clean": 1.0, "noise": snr, "velocity": snr + 1}[self.prediction]
        return self._look_up(clipped / scale, timestep)

    def make_loss(self):
        """The `keras.losses.Loss` that compares a prediction with its target."""
        return _LOSSES[self.loss]()

    def levels(self, steps=None, spacing=None):
        """The noise levels of a sampling.

        Args:
            steps: Int from 1 to `num_timesteps`; or the timesteps themselves, a falling
                sequence of ints. A sequence that starts below the last timestep is for
                sampling from a noisy image of that level (argument `noise` of the
                sampler), not from pure noise. Default `None`: all timesteps.
            spacing: How fewer steps are spread over the timesteps: `"karras"`,
                `"uniform"`, `"leading"` or `"trailing"` (see `schedules.spacings`). A
                sequence needs none. Default `None`: `"karras"`.

        Returns:
            List of `steps + 1` `NoiseLevel`s; the last is `CLEAN`.

        Raises:
            ValueError: If there are more steps than timesteps, the spacing is unknown
                or given together with a sequence, or timesteps do not fall or are out
                of range.
        """
        with np.errstate(divide="ignore"):  # If the schedule ends in pure noise.
            strengths = self.sigmas / self.alphas
        timesteps = spacings.timesteps(strengths, steps, spacing)
        return [self.level(timestep) for timestep in timesteps] + [CLEAN]

    def level(self, timestep):
        """The `NoiseLevel` of an int `timestep`.

        Raises:
            ValueError: If `timestep` is not in `[0, num_timesteps)`.
        """
        timestep = _checks.integer(
            "timestep", timestep, minimum=0, maximum=self.num_timesteps - 1
        )
        return NoiseLevel(
            float(self.alphas[timestep]), float(self.sigmas[timestep]), timestep
        )

    def get_config(self):
        betas = self.beta_schedule
        return {
            "beta_schedule": betas if isinstance(betas, str) else list(betas),
            "num_timesteps": self.num_timesteps,
            "prediction": self.prediction,
            "loss": self.loss,
            "min_snr_gamma": self.min_snr_gamma,
            "logit_normal_share": self.logit_normal_share,
        }

    def _look_up(self, table, timestep):
        # The values of a tensor are unknown while a graph is built.
        if not ops.is_tensor(timestep):
            for value in np.unique(timestep):
                _checks.integer(
                    "timestep", value, minimum=0, maximum=self.num_timesteps - 1
                )
        return ops.take(ops.convert_to_tensor(table.astype("float32")), timestep)
