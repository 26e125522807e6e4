"""The order of each solver, on a mixture of Gaussians whose best denoiser is known."""

import functools
import itertools

import numpy as np
import pytest

from keras_patchdpm.samplers.loop import State, walk
from keras_patchdpm.schedules import NoiseLevel
from keras_patchdpm.solvers import as_solver

pytestmark = pytest.mark.once

MEANS, STD = np.array([-0.6, 0.1, 0.7]), 0.2
SHARES = np.array([0.5, 0.2, 0.3])
START = np.linspace(-2.2, 2.2, 12).reshape(1, 3, 4, 1)


def mixture_clean(noisy, level, out=None):
    """The mean of the clean pixel, given the noisy one."""
    variance = (level.alpha * STD) ** 2 + level.sigma**2
    away = noisy[..., None] - level.alpha * MEANS
    likely = SHARES * np.exp(-(away**2) / (2 * variance))
    means = MEANS + level.alpha * STD**2 / variance * away
    return (likely * means).sum(-1) / likely.sum(-1)


def levels_of(process, steps):
    """Smooth levels, down to a little noise: no last step that ends a solver."""
    time = np.linspace(0, 1, steps + 1)
    if process == "variance exploding":
        ends = np.array([20.0, 0.05]) ** (1 / 7)
        sigmas = (ends[0] + time * (ends[1] - ends[0])) ** 7
        return [NoiseLevel(1.0, sigma) for sigma in sigmas]
    angles = (0.98 - 0.94 * time) * np.pi / 2
    return [NoiseLevel(np.cos(angle), np.sin(angle)) for angle in angles]


@functools.cache
def end(name, process, steps):
    levels = levels_of(process, steps)
    state = State(START * levels[0].sigma)  # Float64: no rounding in the way.
    for _ in walk(mixture_clean, state, levels, solver=as_solver(name)):
        pass
    return state.noisy


@pytest.mark.parametrize("process", ["variance preserving", "variance exploding"])
@pytest.mark.parametrize("name", ["ddim", "heun", "dpmpp_2m"])
def test_order_of_convergence(name, process):
    order = as_solver(name).order
    exact = end("heun", process, 4000)
    errors = [
        np.abs(end(name, process, steps) - exact).max() for steps in (80, 160, 320)
    ]
    for few, many in itertools.pairwise(errors):
        assert np.log2(few / many) == pytest.approx(order, abs=0.25)
    assert errors[-1] < (0.05 if order == 1 else 1e-3)


def test_all_solvers_go_to_one_image():
    ends = [end(name, "variance preserving", 2000) for name in ("ddim", "dpmpp_2m")]
    exact = end("heun", "variance preserving", 2000)
    for found, near in zip(ends, (5e-3, 1e-4), strict=True):
        np.testing.assert_allclose(found, exact, atol=near)


def test_sde_draws_the_mixture():
    """Stochastic: the distribution is right, not the path."""
    rng = np.random.default_rng(0)
    levels = levels_of("variance preserving", 60)
    state = State(rng.normal(size=(1, 200, 200, 1)) * levels[0].sigma)
    solver = as_solver("dpmpp_2m_sde")
    for _ in walk(
        mixture_clean, state, levels, solver=solver, noise=lambda step: [rng]
    ):
        pass
    x = state.noisy / levels[-1].alpha
    noise = (levels[-1].sigma / levels[-1].alpha) ** 2
    mean = SHARES @ MEANS
    variance = SHARES @ MEANS**2 - mean**2 + STD**2 + noise
    assert x.mean() == pytest.approx(mean, abs=0.02)
    assert x.var() == pytest.approx(variance, rel=0.03)
