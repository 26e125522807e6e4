"""The package's solvers."""

import math

from keras_patchdpm import _checks
from keras_patchdpm._registration import serializable
from keras_patchdpm.solvers.base import Coefficients, Solver

LONGEST_TEXTBOOK_STEP = 4.0  # Of Heun's method, as a ratio of `sigma / alpha`.
# `S_min`, `S_max` and `S_noise` of Karras et al. 2022, table 5, ImageNet.
CHURN_FROM, CHURN_TO, CHURN_SCALE = 0.05, 50.0, 1.003


@serializable
class DDPM(Solver):
    """Ancestral sampling of Ho et al., the solver of both published systems.

    It needs many steps. No noise is added in the last step.

    Args:
        variance: Variance of the added noise. `"small"`: exact if the clean image is
            known, as in the code of Arakawa et al. `"large"`: exact for clean images of
            unit variance, as in their text.

    Raises:
        ValueError: If `variance` is unknown.

    Example:

    >>> sampler = PatchSampler(model, solvers.DDPM(variance="large"))

    Source: Ho et al. 2020 (arXiv:2006.11239), algorithm 2 and section 3.2.
    """

    def __init__(self, variance="small"):
        self.variance = _checks.one_of("variance", variance, ("small", "large"))

    def coefficients(self, now, then, before=None):
        noisy, clean, small, large = posterior(now, then)
        added = {"small": small, "large": large}[self.variance] if then.sigma else 0.0
        return Coefficients(noisy, clean, noise=math.sqrt(added))

    def get_config(self):
        return {"variance": self.variance}


@serializable
class DDIM(Solver):
    """DDIM. With `eta` 0 it is Euler's method on the probability flow.

    Args:
        eta: Float in [0, 1]. Share of fresh noise. 0: deterministic. 1: as much as
            `DDPM("small")`.

    Raises:
        TypeError: If `eta` is not a number.
        ValueError: If `eta` is out of range.

    Example:

    >>> sampler = PatchSampler(model, solvers.DDIM(eta=0.5), steps=50)

    Source: Song et al. 2021 (arXiv:2010.02502), equations 12 and 16; with `eta` 0 also
    Karras et al. 2022 (arXiv:2206.00364), algorithm 1 without lines 6 to 8.
    """

    def __init__(self, eta=0.0):
        self.eta = _checks.real("eta", eta, minimum=0, maximum=1)

    def coefficients(self, now, then, before=None):
        left = remaining(now, then)
        share = self.eta**2 * (1 - left) * (1 + left)  # Of fresh noise, as variance.
        noisy = then.sigma * math.sqrt(1 - share) / now.sigma
        clean = then.alpha - noisy * now.alpha
        return Coefficients(noisy, clean, noise=then.sigma * math.sqrt(share))

    def get_config(self):
        return {"eta": self.eta}


@serializable
class DPMSolver2M(Solver):
    """DPM-Solver++(2M): of second order with one network call a step.

    The first step is of first order, and so is every step that is more than twice as
    long as the previous one, in the logarithm of `sigma / alpha`: there extrapolation
    leaves grain in the image. The step to the clean image is infinitely long.

    Example:

    >>> sampler = PatchSampler(model, solvers.DPMSolver2M(), steps=20)

    Source: Lu et al. 2022 (arXiv:2211.01095), algorithm 2.
    """

    order = 2
    uses_clean_before = True

    def coefficients(self, now, then, before=None):
        clean = then.alpha * (1 - remaining(now, then))
        noisy = then.sigma / now.sigma
        return Coefficients(
            noisy, *_extrapolated(clean, now=now, then=then, before=before)
        )


@serializable
class DPMSolver2MSDE(Solver):
    """SDE-DPM-Solver++(2M): as `DPMSolver2M`, with fresh noise in every step.

    Example:

    >>> sampler = PatchSampler(model, solvers.DPMSolver2MSDE(), steps=20)

    Source: Lu et al. 2022 (arXiv:2211.01095), section 5. `diffusers` calls it
    "sde-dpmsolver++" of order 2 and type "midpoint".
    """

    order = 2
    uses_clean_before = True

    def coefficients(self, now, then, before=None):
        left = remaining(now, then)
        removed = (1 - left) * (1 + left)  # 1 - e^(-2h)
        estimates = _extrapolated(
            then.alpha * removed, now=now, then=then, before=before
        )
        noise = then.sigma * math.sqrt(removed)
        return Coefficients(left * then.sigma / now.sigma, *estimates, noise=noise)


@serializable
class Heun(Solver):
    """Heun's method: of second order, two network calls a step but the last.

    Where `sigma / alpha` falls to a quarter or less in one step, the textbook's
    correction is far too large, and worse than none: the first step of a cosine
    schedule has a ratio of 1000. Such steps use the slopes along `alpha / sigma`
    instead, which are of second order too. The 18 steps of Karras et al. have ratios up
    to 3.8 and are the textbook's.

    Args:
        churn: Non-negative float, `S_churn`: noise that is added before the steps, as a
            total over all of them. 0: deterministic. Karras et al. use 40. It needs a
            schedule of continuous levels, such as `EDMSchedule`.

    Raises:
        TypeError: If `churn` is not a number.
        ValueError: If `churn` is negative.

    Example:

    >>> sampler = PatchSampler(model, solvers.Heun(churn=40), steps=18)

    Source: Karras et al. 2022 (arXiv:2206.00364), algorithms 1 and 2, in the
    coordinates `noisy / alpha` and `sigma / alpha`.
    """

    order = 2
    corrects = True

    def __init__(self, churn=0.0):
        self.churn = _checks.real("churn", churn, minimum=0)

    def coefficients(self, now, then, before=None):
        noisy = then.sigma / now.sigma
        return Coefficients(noisy, then.alpha - noisy * now.alpha)

    def correction(self, now, then):
        left = remaining(now, then)
        if left * LONGEST_TEXTBOOK_STEP < 1:
            return then.alpha * (left - 1) / 2
        return then.alpha * (1 - 1 / left) / 2

    def noise_first(self, now, level_of, num_steps):
        low, high = CHURN_FROM * now.alpha, CHURN_TO * now.alpha
        if not self.churn or not low <= now.sigma <= high:
            return None
        strength = now.sigma / now.alpha
        rise = min(self.churn / num_steps, math.sqrt(2) - 1)
        raised = level_of(strength * (1 + rise))
        added = math.sqrt((raised.sigma / raised.alpha) ** 2 - strength**2)
        noise = raised.alpha * CHURN_SCALE * added
        return raised, Coefficients(raised.alpha / now.alpha, 0.0, noise=noise)

    def check_schedule(self, schedule):
        if self.churn and "float" not in schedule.timestep_dtype:
            raise ValueError(
                "`churn` needs noise levels between the steps, which a schedule of "
                "timesteps does not have. Choose an `EDMSchedule`, or "
                f"leave `churn` out. Received: churn={self.churn} with a "
                f"{type(schedule).__name__}."
            )

    def get_config(self):
        return {"churn": self.churn}


def remaining(now, then):
    """Share of the strength `sigma / alpha` that is left after a step, from 0 to 1.

    It is 0 for a step from pure noise (`now.alpha` 0) and for one to the clean image
    (`then.sigma` 0). All solvers are written in it, so both limits hold.
    """
    return now.alpha * then.sigma / (now.sigma * then.alpha)


def posterior(now, then):
    """Mean and variance of the image at `then`, given the noisy and the clean image.

    Returns:
        `(noisy_scale, clean_scale, small, large)`: the mean is `noisy_scale * noisy +
        clean_scale * clean`. The variance is `small` if the clean image is known
        ("fixed small"), and `large` for clean images of unit variance ("fixed large").

    Source: Ho et al. 2020 (arXiv:2006.11239), equations 6 and 7.
    """
    left = remaining(now, then)
    removed = (1 - left) * (1 + left)  # 1 - left**2, without cancellation.
    noisy_scale, clean_scale = left * then.sigma / now.sigma, then.alpha * removed
    return noisy_scale, clean_scale, then.sigma**2 * removed, now.sigma**2 * removed


def _length(now, then):
    """Length of a step: by how much the logarithm of `sigma / alpha` falls."""
    left = remaining(now, then)
    return -math.log(left) if left else math.inf


def _extrapolated(coefficient, *, now, then, before):
    """Coefficients of two clean estimates that extrapolate half a step ahead."""
    if before is None or not before.alpha:
        return coefficient, 0.0
    ratio = _length(now, then) / _length(before, now)
    share = ratio / 2 if ratio <= 2 else 0.0
    return coefficient * (1 + share), -coefficient * share
