"""The loop of every sampler: from pure noise down the levels to an image."""

import itertools


def sample(denoise, noisy, levels, rule, noise=None, callback=None):
    """Walks `noisy` down `levels`.

    Args:
        denoise: Function `(noisy, level) -> clean`.
        noisy: Array of shape `(B, H, W, C)` at the first of `levels`.
        levels: List of `Level`s, from the noisiest to the clean one.
        rule: Function `(noisy, clean, noise, now, then) -> noisy`.
        noise: Function of the step, from 1, to fresh noise of the shape of `noisy`,
            or `None` for a rule that needs none.
        callback: Called as `callback(step, clean)` after each step, from 1, with the
            estimate of the clean images.

    Returns:
        Array of shape `(B, H, W, C)` at the last of `levels`.
    """
    for step, (now, then) in enumerate(itertools.pairwise(levels), start=1):
        clean = denoise(noisy, now)
        fresh = None if noise is None else noise(step)
        noisy = rule(noisy, clean, fresh, now, then)
        if callback is not None:
            callback(step, clean)
    return noisy
