"""`check_solver`: what every solver must do."""

import itertools
import math
import tracemalloc

import numpy as np

from keras_patchdpm.samplers.loop import State, walk
from keras_patchdpm.schedules import DDPMSchedule, EDMSchedule, NoiseLevel
from keras_patchdpm.solvers import Solver
from keras_patchdpm.testing._require import (
    require,
    require_close,
    require_configuration,
)

# A mixture of Gaussians, whose best denoiser is known.
MEANS, SHARES, STD = np.array([-0.6, 0.1, 0.7]), np.array([0.5, 0.2, 0.3]), 0.2
START = np.linspace(-2.2, 2.2, 12).reshape(1, 3, 4, 1)


def check_solver(solver):
    """Checks a solver: its coefficients, its limits, its order and its memory.

    Checked are: the configuration; that a step keeps the share of the clean image,
    `noisy * now.alpha + clean + clean_before = then.alpha`, from pure noise on; that
    the last step returns the clean estimate; that all coefficients are finite; that the
    error falls as `1 / steps**order`, of solvers without noise; and that sampling
    holds no more than `image_buffers` arrays of the size of the images.

    Args:
        solver: `Solver`.

    Raises:
        AssertionError: If the solver breaks the contract; the message says how.

    Example:

    >>> testing.check_solver(solvers.DDIM(eta=0.5))
    """
    require_configuration(solver, Solver)
    for schedule in (DDPMSchedule("cosine"), EDMSchedule()):
        _check_steps(solver, schedule.levels(12))
    flow = [NoiseLevel(1 - t, t) for t in np.linspace(1, 0, 9).tolist()]
    _check_steps(solver, flow)
    _check_order(solver)
    _check_buffers(solver)


def _check_steps(solver, levels):
    """The coefficients of all steps."""
    triples = zip([None, *levels], levels, levels[1:], strict=False)
    for before, now, then in triples:
        found = solver.coefficients(now, then, before)
        where = f"coefficients from {tuple(now)[:2]} to {tuple(then)[:2]}: {found}"
        require(np.isfinite(found).all(), f"{where} are not finite")
        require(found.noise >= 0, f"{where}: `noise` is negative")
        signal = found.noisy * now.alpha + found.clean + found.clean_before
        require(
            math.isclose(signal, then.alpha, rel_tol=1e-6, abs_tol=1e-9),
            f"{where} scale the clean image by {signal}, expected {then.alpha}",
        )
        require(
            solver.uses_clean_before or not found.clean_before,
            f"{where} use the previous estimate: set `uses_clean_before = True`",
        )
    require_close(
        (found.noisy, found.noise), (0, 0), "the last step adds noise", tolerance=1e-9
    )
    if solver.corrects:
        for now, then in itertools.pairwise(levels[:-1]):
            require(
                np.isfinite(solver.correction(now, then)),
                f"`correction` from {now} to {then} is not finite",
            )


def _denoise(noisy, level, out=None):
    """The mean of the clean pixel of the mixture, given the noisy one."""
    variance = (level.alpha * STD) ** 2 + level.sigma**2
    away = noisy[..., None] - level.alpha * MEANS
    likely = SHARES * np.exp(-(away**2) / (2 * variance))
    means = MEANS + level.alpha * STD**2 / variance * away
    return (likely * means).sum(-1) / likely.sum(-1)


def _end(solver, steps):
    """Where a solver ends at a little noise, from one start."""
    angles = (0.98 - 0.94 * np.linspace(0, 1, steps + 1)) * np.pi / 2
    levels = [NoiseLevel(math.cos(angle), math.sin(angle)) for angle in angles]
    state = State(START * levels[0].sigma)  # Float64: no rounding in the way.
    level_of = EDMSchedule().at_strength
    for _ in walk(
        _denoise, state, levels, solver=solver, level_of=level_of, noise=_no_noise
    ):
        pass
    return state.noisy


def _check_order(solver):
    """The error halves, or quarters, with twice the steps."""
    try:
        ends = [_end(solver, steps) for steps in (80, 160, 320)]
    except _Noise:  # Its images are random.
        return
    first, second = (np.abs(a - b).max() for a, b in itertools.pairwise(ends))
    order = math.log2(first / second)
    require(
        order > solver.order - 0.3,
        f"the error falls as 1 / steps**{order:.2f}, `order` says {solver.order}",
    )


class _Noise(Exception):
    """A solver has asked for noise."""


def _no_noise(step):
    raise _Noise


def _check_buffers(solver):
    """Memory of a sampling, over that of its images."""
    shape = (1, 1024, 1024, 1)
    size = 4 * math.prod(shape)
    schedule = EDMSchedule()
    levels = schedule.levels(4)

    def denoise(noisy, level, out=None):
        out = np.empty_like(noisy) if out is None else out
        np.multiply(noisy, np.float32(0.5), out=out)
        return out

    def run():
        state = State(np.ones(shape, "float32"))
        rngs = [np.random.default_rng(0)]
        for _ in walk(
            denoise,
            state,
            levels,
            solver=solver,
            level_of=schedule.at_strength,
            noise=lambda step: rngs,
        ):
            pass

    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        run()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        if not tracing:
            tracemalloc.stop()
    # What an update works on is a block of an image.
    held = (peak - before) / size
    require(
        held < solver.image_buffers + 1,
        f"sampling holds {held:.1f} images, `image_buffers` says "
        f"{solver.image_buffers}",
    )
