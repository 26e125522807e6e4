"""Step rules: pure functions from one noise level to the next.

A rule takes the noisy image, the clean estimate, fresh noise of the image's shape, and
the levels `now` and `then`; it returns the image at `then`. Levels hold
`alpha**2 + sigma**2 = 1` here.
"""

import numpy as np


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


def ddpm_step(noisy, clean, noise, now, then, variance="small"):
    """One ancestral update; no noise is added on the last step.

    Source: Ho et al. 2020 (arXiv:2006.11239), algorithm 2 and section 3.2.
    """
    noisy_scale, clean_scale, small, large = posterior(now, then)
    mean = noisy_scale * noisy + clean_scale * clean
    if then.sigma == 0:
        return mean
    return mean + np.sqrt({"small": small, "large": large}[variance]) * noise


def ddim_step(noisy, clean, noise, now, then, eta=0.0):
    """One DDIM update; `eta` 0 adds no noise, 1 as much as the ancestral rule.

    Source: Song et al. 2021 (arXiv:2010.02502), equations 12 and 16.
    """
    _, _, small, _ = posterior(now, then)
    added = eta**2 * small
    predicted = (noisy - now.alpha * clean) / now.sigma
    mean = then.alpha * clean + np.sqrt(then.sigma**2 - added) * predicted
    return mean + np.sqrt(added) * noise if added else mean
