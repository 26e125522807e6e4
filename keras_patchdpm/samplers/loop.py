"""The loop of every sampler: from noise down the noise levels to an image."""

import dataclasses
import functools

import numpy as np

from keras_patchdpm.solvers import Coefficients

BLOCK = 2**18  # Numbers that an update works on at a time.


@dataclasses.dataclass
class State:
    """How far the sampling of some images is.

    Attributes:
        noisy: Float32 array of shape `(B, H, W, C)`, which each step overwrites.
        step: Int. Finished steps.
        clean: Clean estimate of the last step, of the same shape. `None` before the
            first step. A step may overwrite it too.
    """

    noisy: np.ndarray
    step: int = 0
    clean: np.ndarray | None = None


def walk(
    denoise,
    state,
    levels,
    *,
    solver,
    level_of=None,
    noise=None,
    update=None,
    keep=None,
    repeats=1,
):
    """Takes `state` down the noise levels, from the level where it is.

    It holds `solver.image_buffers` arrays of the size of the images.

    Args:
        denoise: Function `(noisy, level, out) -> clean`, which writes into `out` and
            returns it. `out` is `None` for a new array.
        state: `State` at the level `levels[state.step]`. It is changed.
        levels: List of `NoiseLevel`s, from the noisiest to the clean one.
        solver: `Solver`.
        level_of: Function of a strength to its `NoiseLevel`, see `Solver.noise_first`.
        noise: Function of the step, from 1, to one `numpy.random.Generator` for each
            image; `repeat` and `use` tell apart several of a step. It is called only
            for steps that add noise.
        update: Replaces `update_in_place` for images on the device. Default `None`.
        keep: Function `(noisy, level, rngs)` that returns the images with some pixels
            replaced, called after each step. Default `None`.
        repeats: Positive int. Times that each step is made; before each repetition,
            noise is added up to the level at its start. Default 1.

    Yields:
        `state`, after each step.

    Source of the repetitions: Lugmayr et al. 2022 (arXiv:2201.09865), algorithm 1.
    """
    update = update_in_place if update is None else update
    while state.step < len(levels) - 1:
        now, then = levels[state.step : state.step + 2]
        before = levels[state.step - 1] if state.step else None
        for repeat in range(repeats):
            if repeat:
                before = None
                noisier = _noisier(then, now)
                rng = noise(state.step + 1, repeat=repeat, use=2)
                state.noisy = update(state.noisy, noisier, state.noisy, rng=rng)
            rngs = functools.partial(noise, state.step + 1) if noise else None
            if repeat:
                rngs = functools.partial(rngs, repeat=repeat)
            _step(
                denoise,
                state,
                (now, then, before),
                solver=solver,
                noise_first=solver.noise_first(now, level_of, len(levels) - 1),
                rngs=rngs,
                update=update,
            )
            if keep is not None:
                state.noisy = keep(state.noisy, then, functools.partial(rngs, use=1))
        state.step += 1
        yield state


def _step(denoise, state, levels, *, solver, noise_first, rngs, update):
    """One step of the solver, between two levels.

    Args:
        denoise, state, solver, update: As in `walk`.
        levels: `(now, then, before)`; `before` is `None` if there is no step before.
        noise_first: What `Solver.noise_first` returned.
        rngs: Function that returns the generators of the step.
    """
    now, then, before = levels
    rng = None
    if noise_first is not None:
        now, coefficients = noise_first
        rng = rngs()
        state.noisy = update(state.noisy, coefficients, state.noisy, rng=rng)
    coefficients = solver.coefficients(now, then, before)
    if coefficients.clean_before and not solver.uses_clean_before:
        raise ValueError(
            f"{type(solver).__name__} uses the clean estimate of the previous "
            "step, but the sampler has not kept it. Set `uses_clean_before = True` "
            f"in the class of the solver. Received: {coefficients}."
        )
    out = None if solver.uses_clean_before else state.clean
    clean = denoise(state.noisy, now, out)
    if not coefficients.noise:
        rng = None
    elif rng is None:
        rng = rngs()
    state.noisy = update(
        state.noisy, coefficients, clean, other_clean=state.clean, rng=rng
    )
    if solver.corrects and then.sigma:
        clean_then = denoise(state.noisy, then, None)
        share = solver.correction(now, then)
        coefficients = Coefficients(1.0, share, -share)
        state.noisy = update(state.noisy, coefficients, clean, other_clean=clean_then)
    state.clean = clean


def _noisier(level, noisier):
    """The coefficients that take images from a level to a noisier one."""
    alpha = noisier.alpha / level.alpha
    variance = noisier.sigma**2 - (alpha * level.sigma) ** 2
    return Coefficients(alpha, 0.0, noise=max(variance, 0.0) ** 0.5)


def update_in_place(noisy, coefficients, clean, *, other_clean=None, rng=None):
    """Overwrites the noisy images with those of the next level.

    Args:
        noisy, clean, other_clean: Float32 arrays of shape `(B, H, W, C)`.
            `other_clean` is that of the step before, or of a correction; `None` if its
            coefficient is 0.
        coefficients: `Coefficients`.
        rng: One `numpy.random.Generator` for each image, or `None` for no noise.

    Returns:
        `noisy`.
    """
    for image, x in enumerate(noisy):
        for block in _blocks(x):
            total = np.float32(coefficients.noisy) * _flat(x)[block]
            total += np.float32(coefficients.clean) * _flat(clean[image])[block]
            if coefficients.clean_before:
                old = _flat(other_clean[image])[block]
                total += np.float32(coefficients.clean_before) * old
            if rng is not None:
                noise = rng[image].standard_normal(len(total), "float32")
                total += np.float32(coefficients.noise) * noise
            _flat(x)[block] = total
    return noisy


def _blocks(image):
    """Slices of the flat image: the temporary arrays of a sum are that small."""
    for start in range(0, image.size, BLOCK):
        yield slice(start, start + BLOCK)


def _flat(image):
    """A view of an image as one axis."""
    return image.reshape(-1)
