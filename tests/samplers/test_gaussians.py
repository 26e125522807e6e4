"""What is left of normal pixels by every solver, spacing and schedule, exactly.

The figures are those of `benchmarks/quality/solvers.py`. A deviation below the truth is
a smooth image, above it grain.
"""

import numpy as np
import pytest
from samplers.fakes import numpy_model

from benchmarks.quality.gaussians import propagate
from keras_patchdpm import DDPMSchedule, EDMSchedule, PatchSampler, WholeImage
from keras_patchdpm.schedules import NoiseLevel
from keras_patchdpm.schedules.spacings import SPACINGS
from keras_patchdpm.solvers import NAMES, Heun, as_solver

pytestmark = pytest.mark.once

SCHEDULES = {
    "cosine": DDPMSchedule("cosine"),
    "linear": DDPMSchedule("linear"),
    "EDM": EDMSchedule(),
}
# Deviation over the truth, at 20 steps of the default spacing: lowest and highest.
BANDS = {
    "ddpm": (0.74, 0.77),
    "ddim": (0.85, 0.87),
    "dpmpp_2m": (1.03, 1.06),
    "dpmpp_2m_sde": (1.08, 1.13),
    "heun": (1.03, 1.06),
}


@pytest.fixture(autouse=True)
def fresh_keras():
    """Nothing here uses Keras: nothing to clean up after a thousand small cases."""


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("solver", NAMES)
def test_the_default_spacing_is_good(solver, name):
    mean, std = propagate(SCHEDULES[name].levels(20), as_solver(solver))
    low, high = BANDS[solver]
    assert low < std / 0.3 < high
    assert mean == pytest.approx(0.2, abs=2e-3)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("solver", NAMES)
def test_more_steps_come_nearer(solver, name):
    errors = [
        abs(propagate(SCHEDULES[name].levels(steps), as_solver(solver))[1] / 0.3 - 1)
        for steps in (20, 50, 200)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < (0.04 if solver in ("ddpm", "ddim") else 0.005)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("solver", NAMES)
def test_no_spacing_leaves_grain(solver, name):
    """On coarse and on fine detail, at any number of steps that one would choose."""
    spacings = ("karras",) if name == "EDM" else SPACINGS
    for spacing in spacings:
        for steps in (1, 2, 3, 5, 10, 20, 50):
            levels = SCHEDULES[name].levels(steps, spacing)
            for std in (0.05, 0.3, 1.0):
                mean, found = propagate(levels, as_solver(solver), std=std)
                where = f"{spacing}, {steps} steps, {std}: {found / std}, {mean}"
                assert found / std < 1.2, where
                assert abs(mean - 0.2) < 3e-3, where


@pytest.mark.parametrize("name", SCHEDULES)
def test_one_step_gives_the_estimate_of_pure_noise(name):
    """Of every solver the same: the mean, for noise that hides the image."""
    found = {
        propagate(SCHEDULES[name].levels(1), as_solver(solver)) for solver in NAMES
    }
    assert np.ptp(list(found), axis=0) == pytest.approx([0, 0], abs=1e-12)
    assert found.pop()[0] == pytest.approx(0.2, abs=1e-3)


@pytest.mark.parametrize("steps", [1, 2, 3, 20, 200])
@pytest.mark.parametrize("solver", NAMES)
def test_rectified_flow(solver, steps):
    """`(1 - t) * clean + t * noise`: alpha is 0 at the start."""
    levels = [NoiseLevel(1 - t, t) for t in np.linspace(1, 0, steps + 1).tolist()]
    mean, std = propagate(levels, as_solver(solver))
    assert mean == pytest.approx(0.2, abs=1e-6)
    assert std / 0.3 < 1.2
    if steps == 200:
        assert std / 0.3 == pytest.approx(1, abs=0.06)


class ZeroTerminal(DDPMSchedule):
    """Rescaled so that the last timestep is pure noise.

    Source: Lin et al. 2023 (arXiv:2305.08891), algorithm 1.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        first, last = self.alphas[0], self.alphas[-1]
        self.alphas = (self.alphas - last) * first / (first - last)
        self.sigmas = np.sqrt(1 - self.alphas**2)


@pytest.mark.parametrize("spacing", [None, *SPACINGS])
@pytest.mark.parametrize("solver", NAMES)
def test_zero_terminal_snr(solver, spacing):
    schedule = ZeroTerminal("linear", prediction="velocity")
    levels = schedule.levels(20, spacing)
    assert levels[0].alpha == 0
    expected = propagate(DDPMSchedule("linear").levels(20, spacing), as_solver(solver))
    assert propagate(levels, as_solver(solver)) == pytest.approx(expected, rel=0.05)

    def predict(inputs):  # The velocity of images that are 0.25 everywhere.
        level = schedule.level(int(inputs["timestep"][0]))
        if not level.sigma:
            return np.zeros_like(inputs["noisy"])
        noise = (inputs["noisy"] - level.alpha * 0.25) / level.sigma
        return (level.alpha * noise - level.sigma * 0.25).astype("float32")

    model = numpy_model(predict, WholeImage(), schedule)
    images = PatchSampler(model, solver, 20, spacing=spacing)(1, dtype="float32")
    np.testing.assert_allclose(images, 0.25, atol=1e-4)


def test_a_prediction_of_noise_says_nothing_of_pure_noise():
    schedule = ZeroTerminal("linear")
    model = numpy_model(lambda inputs: inputs["noisy"], WholeImage(), schedule)
    with pytest.raises(ValueError, match="pure noise.*velocity.*alpha=0.0"):
        PatchSampler(model, "ddim", 5)(1)


@pytest.mark.parametrize("name", ["linear", "cosine"])
@pytest.mark.parametrize("timesteps", [1, 2, 10, 1000, 20_000])
def test_a_prediction_of_noise_stays_finite(name, timesteps):
    """`alpha` is at its smallest, and nothing is clipped."""
    schedule = DDPMSchedule(name, timesteps)
    model = numpy_model(lambda inputs: inputs["noisy"], WholeImage(), schedule)
    model.latents = True
    for solver in NAMES:
        sampler = PatchSampler(model, solver, min(timesteps, 3))
        assert np.isfinite(sampler(1, dtype="float32")).all()


@pytest.mark.parametrize("steps", [1, 2, 18])
@pytest.mark.parametrize("churn", [1.0, 40.0, 1e9])
def test_churn_at_its_ends(steps, churn):
    schedule = EDMSchedule()
    model = numpy_model(
        lambda inputs: 0 * inputs["noisy"], WholeImage(), schedule, (4, 6)
    )
    model.latents = True
    sampler = PatchSampler(model, Heun(churn), steps)
    assert np.isfinite(sampler(1, dtype="float32")).all()
    data = schedule.sigma_data
    moments = propagate(
        sampler.levels,
        sampler.solver,
        mean=0.0,
        std=data,
        level_of=schedule.at_strength,
    )
    assert moments[1] / data < 1.2
