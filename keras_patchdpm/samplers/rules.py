"""Step rules: pure functions of noise levels, how an image goes to the next one.

Every rule is a sum: of the noisy image, the clean estimate, the estimate of the step
before and fresh noise, each times a weight that depends on the levels alone. So a rule
is a function `(now, then, before) -> Weights` of `Level`s. `before` is the level of the
step before, or `None` in the first step. Levels may be those of any process: `sigma /
alpha` falls, from as much as infinity (`alpha` 0, pure noise) to 0 (`sigma` 0, clean).
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


LONGEST_TEXTBOOK_STEP = 4.0  # Of Heun's method, in ratios of strength.


def remaining(now, then):
    """Part of the strength `sigma / alpha` that a step leaves, from 0 to 1.

    It is 0 for a step from pure noise (`now.alpha` 0) and for one to the clean image
    (`then.sigma` 0): all rules below are written in it, and have both as limits.
    """
    return now.alpha * then.sigma / (now.sigma * then.alpha)


def posterior(now, then):
    """Mean and variance of the image at `then`, given the noisy and the clean one.

    Returns:
        `(noisy_scale, clean_scale, small, large)`: the mean is `noisy_scale * noisy +
        clean_scale * clean`; the variance is `small` for known clean images ("fixed
        small") and `large` for clean images of unit variance ("fixed large").

    Source: Ho et al. 2020 (arXiv:2006.11239), equations 6 and 7.
    """
    left = remaining(now, then)
    removed = (1 - left) * (1 + left)  # 1 - left**2, without cancellation.
    noisy_scale, clean_scale = left * then.sigma / now.sigma, then.alpha * removed
    return noisy_scale, clean_scale, then.sigma**2 * removed, now.sigma**2 * removed


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
    left = remaining(now, then)
    share = eta**2 * (1 - left) * (1 + left)  # Of the variance, what is fresh noise.
    noisy = then.sigma * math.sqrt(1 - share) / now.sigma
    noise = then.sigma * math.sqrt(share)
    return Weights(noisy, then.alpha - noisy * now.alpha, noise=noise)


def dpmpp_2m(now, then, before=None):
    """DPM-Solver++(2M): of second order with one call of the network a step.

    The first step is of first order, and so is every step more than twice as long as
    the one before it, in the logarithm of the strength: the line through two
    estimates would be followed further than they lie apart, which leaves grain next
    to the clean image. The step to the clean image is infinitely long.

    Source: Lu et al. 2022 (arXiv:2211.01095), algorithm 2.
    """
    left = remaining(now, then)
    estimate = then.alpha * (1 - left)
    return Weights(then.sigma / now.sigma, *_extrapolated(estimate, now, then, before))


def dpmpp_2m_sde(now, then, before=None):
    """SDE-DPM-Solver++(2M): as `dpmpp_2m`, with fresh noise at every step.

    Source: Lu et al. 2022 (arXiv:2211.01095), section 5 (`diffusers` calls it
    "sde-dpmsolver++", of order 2 and type "midpoint").
    """
    left = remaining(now, then)
    removed = (1 - left) * (1 + left)  # 1 - e^(-2h)
    weights = _extrapolated(then.alpha * removed, now, then, before)
    noise = then.sigma * math.sqrt(removed)
    return Weights(left * then.sigma / now.sigma, *weights, noise=noise)


def heun_correction(now, then):
    """How far the second half of a step of Heun's method goes, after one of `ddim`.

    It asks the network at `then` as well: `noisy += heun_correction(now, then) * (clean
    - ahead)`, where `ahead` is the estimate there. That is the mean of both slopes, of
    second order. A step to the clean image has none.

    The textbook's slopes are those along the strength `s = sigma / alpha`. Where `s`
    is far above the detail of the images, that correction is `s_now / s_then` times
    too large, and worse than none from a ratio of 2 on: the first step of a cosine
    schedule has a ratio of 1000. Steps of a ratio above 4 therefore take the slopes
    along `1 / s`: of second order too, and never more than half of `clean - ahead`.
    The 18 steps of Karras et al. have ratios up to 3.8, and are the textbook's.

    Source: Karras et al. 2022 (arXiv:2206.00364), algorithm 1, lines 9 to 11, in the
    coordinates `noisy / alpha` and `sigma / alpha`.
    """
    left = remaining(now, then)
    if left * LONGEST_TEXTBOOK_STEP < 1:
        return then.alpha * (left - 1) / 2
    return then.alpha * (1 - 1 / left) / 2


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
    if not low * now.alpha <= now.sigma <= high * now.alpha:
        return now, Weights(1.0, 0.0)
    strength = now.sigma / now.alpha
    raised = level(strength * (1 + min(amount / steps, math.sqrt(2) - 1)))
    added = math.sqrt((raised.sigma / raised.alpha) ** 2 - strength**2)
    weights = Weights(raised.alpha / now.alpha, 0.0, noise=raised.alpha * scale * added)
    return raised, weights


def _length(now, then):
    """Length of a step: by how much the logarithm of the strength falls."""
    left = remaining(now, then)
    return -math.log(left) if left else math.inf


def _extrapolated(weight, now, then, before):
    """Weights of two estimates, so that they tell the one half a step ahead."""
    if before is None or not before.alpha:
        return weight, 0.0
    ratio = _length(now, then) / _length(before, now)
    share = ratio / 2 if ratio <= 2 else 0.0
    return weight * (1 + share), -weight * share
