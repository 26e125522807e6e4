"""Step rules: pure functions of noise levels, how an image goes to the next one.

Every rule is a sum: of the noisy image, the clean estimate, the estimate of the step
before and fresh noise, each times a weight that depends on the levels alone. So a rule
is a function `(now, then, before) -> Weights` of `Level`s. `before` is the level of the
step before, or `None` in the first step. Levels may be those of any process: `sigma /
alpha` falls.
"""

import math
import typing


class Weights(typing.NamedTuple):
    """What the image at the next level is the sum of.

    Attributes:
        noisy: Weight of the noisy image.
        clean: Weight of the clean estimate.
        before: Weight of the clean estimate of the step before.
        noise: Weight of fresh noise.
    """

    noisy: float
    clean: float
    before: float = 0.0
    noise: float = 0.0


def posterior(now, then):
    """Mean and variance of the image at `then`, given the noisy and the clean one.

    Returns:
        `(noisy_scale, clean_scale, small, large)`: the mean is `noisy_scale * noisy +
        clean_scale * clean`; the variance is `small` for known clean images ("fixed
        small") and `large` for clean images of unit variance ("fixed large").

    Source: Ho et al. 2020 (arXiv:2006.11239), equations 6 and 7.
    """
    ratio = now.alpha / then.alpha
    variance = now.sigma**2 - ratio**2 * then.sigma**2  # beta_t of one step
    share = then.sigma**2 / now.sigma**2
    noisy_scale, clean_scale = ratio * share, then.alpha * variance / now.sigma**2
    return noisy_scale, clean_scale, variance * share, variance


def ddpm(now, then, before=None, variance="small"):
    """Ancestral sampling; no noise is added on the last step.

    Source: Ho et al. 2020 (arXiv:2006.11239), algorithm 2 and section 3.2.
    """
    noisy, clean, small, large = posterior(now, then)
    added = {"small": small, "large": large}[variance] if then.sigma else 0.0
    return Weights(noisy, clean, noise=math.sqrt(added))


def ddim(now, then, before=None, eta=0.0):
    """DDIM; `eta` 0 adds no noise, 1 as much as the ancestral rule with "small".

    With `eta` 0 it is Euler's method on the probability flow, in the coordinates of
    Karras et al. 2022 (arXiv:2206.00364), algorithm 1 without its lines 6 to 8.

    Source: Song et al. 2021 (arXiv:2010.02502), equations 12 and 16.
    """
    _, _, small, _ = posterior(now, then)
    added = eta**2 * small
    noisy = math.sqrt(then.sigma**2 - added) / now.sigma
    return Weights(noisy, then.alpha - noisy * now.alpha, noise=math.sqrt(added))


def dpmpp_2m(now, then, before=None):
    """DPM-Solver++(2M): of second order with one call of the network a step.

    The first step and the last, to the clean image, are of first order.

    Source: Lu et al. 2022 (arXiv:2211.01095), algorithm 2.
    """
    if not then.sigma:
        return Weights(0.0, then.alpha)
    noisy = then.sigma / now.sigma
    estimate = -then.alpha * math.expm1(_log_snr(now) - _log_snr(then))
    return Weights(noisy, *_extrapolated(estimate, now, then, before))


def dpmpp_2m_sde(now, then, before=None):
    """SDE-DPM-Solver++(2M): as `dpmpp_2m`, with fresh noise at every step.

    Source: Lu et al. 2022 (arXiv:2211.01095), section 5 (`diffusers` calls it
    "sde-dpmsolver++", of order 2 and type "midpoint").
    """
    if not then.sigma:
        return Weights(0.0, then.alpha)
    step = _log_snr(then) - _log_snr(now)
    noisy = then.sigma / now.sigma * math.exp(-step)
    kept = -math.expm1(-2 * step)  # 1 - e^(-2h)
    weights = _extrapolated(then.alpha * kept, now, then, before)
    return Weights(noisy, *weights, noise=then.sigma * math.sqrt(kept))


def heun_correction(now, then):
    """How far the second half of a step of Heun's method goes, after one of `ddim`.

    It asks the network at `then` as well: `noisy += heun_correction(now, then) * (clean
    - ahead)`, where `ahead` is the estimate there. That is the mean of both slopes, of
    second order. A step to the clean image has none.

    Source: Karras et al. 2022 (arXiv:2206.00364), algorithm 1, lines 9 to 11, in the
    coordinates `noisy / alpha` and `sigma / alpha`.
    """
    ratio = now.sigma / now.alpha * then.alpha / then.sigma
    return then.alpha * (1 - ratio) / 2


def churn(now, level, amount, steps, low=0.05, high=50.0, scale=1.003):
    """Noise that is added before a step.

    Args:
        now: `Level` of the noisy image.
        level: Function from a strength `sigma / alpha` to its `Level`.
        amount: Float, `S_churn`. Shared out among the steps.
        steps: Positive int.
        low, high: Floats, `S_min` and `S_max`: strengths outside are left alone.
        scale: Float, `S_noise`, of the added noise.

    Returns:
        `(raised, weights)`: the `Level` from which the step is made, and the `Weights`
        that take the noisy image there.

    Source: Karras et al. 2022 (arXiv:2206.00364), algorithm 2, lines 4 to 6.
    """
    strength = now.sigma / now.alpha
    if not low <= strength <= high:
        return now, Weights(1.0, 0.0)
    raised = level(strength * (1 + min(amount / steps, math.sqrt(2) - 1)))
    added = math.sqrt((raised.sigma / raised.alpha) ** 2 - strength**2)
    weights = Weights(raised.alpha / now.alpha, 0.0, noise=raised.alpha * scale * added)
    return raised, weights


def _log_snr(level):
    """Half the logarithm of the signal to noise ratio: `lambda` of Lu et al."""
    return math.log(level.alpha / level.sigma)


def _extrapolated(weight, now, then, before):
    """Weights of two estimates, so that they tell the one half a step ahead."""
    if before is None:
        return weight, 0.0
    step = _log_snr(then) - _log_snr(now)
    share = step / (_log_snr(now) - _log_snr(before)) / 2
    return weight * (1 + share), -weight * share
