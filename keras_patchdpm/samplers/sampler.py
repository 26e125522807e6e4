"""The loop of every sampler: from pure noise down the levels to an image."""

import dataclasses
import typing

import numpy as np

from keras_patchdpm.samplers.rules import Weights

BLOCK = 2**18  # Numbers that an update works on at a time.


class Rule(typing.NamedTuple):
    """How a step is made.

    Attributes:
        weights: Function `(now, then, before) -> rules.Weights`.
        remembers: Bool. Whether it needs the estimate of the step before.
        correction: Function `(now, then) -> float`, see `rules.heun_correction`, or
            `None`.
        churn: Function `now -> (Level, rules.Weights)`, see `rules.churn`, or `None`.
    """

    weights: typing.Callable
    remembers: bool = False
    correction: typing.Callable | None = None
    churn: typing.Callable | None = None


@dataclasses.dataclass
class State:
    """Where the making of some images stands.

    Attributes:
        noisy: Float32 array of shape `(B, H, W, C)`, which each step overwrites.
        step: Int. Steps that have been made.
        clean: Estimate of the clean images in the last step, of the same shape, or
            `None` before the first one. A step may overwrite it too.
    """

    noisy: np.ndarray
    step: int = 0
    clean: np.ndarray | None = None


def walk(denoise, state, levels, rule, noise=None, update=None):
    """Walks `state` down `levels`, from where it stands.

    Two arrays of the size of the images are held, three for rules that remember, four
    while a step is corrected.

    Args:
        denoise: Function `(noisy, level, out) -> clean`, which writes into `out` and
            returns it, or makes a new array for `None`.
        state: `State`, at the level `levels[state.step]`. It is changed.
        levels: List of `Level`s, from the noisiest to the clean one.
        rule: `Rule`.
        noise: Function of the step, from 1, to one `numpy.random.Generator` for each
            image. Not asked where a rule adds no noise.
        update: Replaces `update_in_place` for images on the device. Default `None`.

    Yields:
        `state`, after each step.
    """
    update = update_in_place if update is None else update
    while state.step < len(levels) - 1:
        now, then = levels[state.step : state.step + 2]
        before = levels[state.step - 1] if state.step else None
        if rule.churn is not None:
            now, weights = rule.churn(now)
            draws = noise(state.step + 1) if weights.noise else None
            state.noisy = update(state.noisy, weights, state.noisy, draws=draws)
        weights = rule.weights(now, then, before)
        clean = denoise(state.noisy, now, None if rule.remembers else state.clean)
        draws = noise(state.step + 1) if weights.noise else None
        state.noisy = update(state.noisy, weights, clean, state.clean, draws)
        if rule.correction is not None and then.sigma:
            ahead = denoise(state.noisy, then, None)
            weight = rule.correction(now, then)
            change = Weights(1.0, weight, -weight)
            state.noisy = update(state.noisy, change, clean, ahead)
        state.clean, state.step = clean, state.step + 1
        yield state


def update_in_place(noisy, weights, clean, before=None, draws=None):
    """One update of a rule, in the place of `noisy`.

    Args:
        noisy, clean, before: Float32 arrays of shape `(B, H, W, C)`. `before` is
            another estimate, and may be `None` where its weight is 0.
        weights: `rules.Weights`.
        draws: One `numpy.random.Generator` for each image, or `None` for no noise.

    Returns:
        `noisy`.
    """
    for image, x in enumerate(noisy):
        for part in _blocks(x):
            total = np.float32(weights.noisy) * _flat(x)[part]
            total += np.float32(weights.clean) * _flat(clean[image])[part]
            if weights.before:
                total += np.float32(weights.before) * _flat(before[image])[part]
            if draws is not None:
                fresh = draws[image].standard_normal(len(total), "float32")
                total += np.float32(weights.noise) * fresh
            _flat(x)[part] = total
    return noisy


def _blocks(image):
    """Slices of the flat image, so that sums of it need little room."""
    for start in range(0, image.size, BLOCK):
        yield slice(start, start + BLOCK)


def _flat(image):
    """A view of an image as one axis."""
    return image.reshape(-1)
