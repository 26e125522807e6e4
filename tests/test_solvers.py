"""The solvers in closed form: on images whose pixels are normal, all is known.

With pixels of `mean` and `std` the best network is linear, so a solver keeps them
normal: mean and variance are followed exactly, without drawing anything.
"""

import itertools

import numpy as np
import pytest
from samplers.fakes import gaussian_clean

from keras_patchdpm import DDPMSchedule, EDMSchedule
from keras_patchdpm.schedules import NoiseLevel
from keras_patchdpm.solvers import (
    DDIM,
    DDPM,
    NAMES,
    DPMSolver2M,
    DPMSolver2MSDE,
    Heun,
    as_solver,
    posterior,
    remaining,
)

pytestmark = pytest.mark.once

MEAN = 0.3
FIRST_ORDER = [DDPM(), DDIM()]
SECOND_ORDER = [DPMSolver2M(), DPMSolver2MSDE()]


def apply(solver, noisy, clean, noise, now, then):
    """The first step of a solver."""
    found = solver.coefficients(now, then)
    added = found.noise * noise if found.noise else 0.0
    return found.noisy * noisy + found.clean * clean + added


def follow(schedule, solver, std, steps=None):
    """Mean and variance at each level, for a start at the right ones."""
    levels = schedule.levels(steps)
    mean = levels[0].alpha * MEAN
    variance = (levels[0].alpha * std) ** 2 + levels[0].sigma ** 2
    moments = [(mean, variance)]
    for now, then in itertools.pairwise(levels):

        def step(noisy, noise, now=now, then=then):
            clean = gaussian_clean(noisy, now, MEAN, std)
            return apply(solver, noisy, clean, noise, now, then)

        shift = step(0.0, 0.0)
        slope, spread = step(1.0, 0.0) - shift, step(0.0, 1.0) - shift
        mean, variance = slope * mean + shift, slope**2 * variance + spread**2
        moments.append((mean, variance))
    return levels, np.array(moments)


@pytest.mark.parametrize("steps", [10, 1000])
@pytest.mark.parametrize("name", ["linear", "cosine"])
@pytest.mark.parametrize(("variance", "std"), [("small", 0.0), ("large", 1.0)])
def test_ancestral_is_exact_where_its_variance_is(name, steps, variance, std):
    """ "small" for known images, "large" for pixels of variance 1, at every level.

    The last step returns the estimate without noise, whose variance is short of that
    of the images by what the first timestep hides: `alpha**2` remains.
    """
    schedule = DDPMSchedule(name)
    levels, moments = follow(schedule, DDPM(variance), std, steps)
    alphas, sigmas = np.array([level[:2] for level in levels[:-1]]).T
    np.testing.assert_allclose(moments[:-1, 0], alphas * MEAN, atol=1e-9)
    total = (alphas * std) ** 2 + sigmas**2
    np.testing.assert_allclose(moments[:-1, 1], total, rtol=1e-9)
    assert moments[-1, 0] == pytest.approx(MEAN)
    assert moments[-1, 1] == pytest.approx((schedule.alphas[0] * std) ** 2, rel=1e-9)


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_ancestral_draws_normal_pixels_at_1000_timesteps(name):
    schedule = DDPMSchedule(name)
    _, moments = follow(schedule, DDPM("large"), std=1.0)
    assert moments[-1, 0] == pytest.approx(MEAN, abs=1e-9)
    assert moments[-1, 1] == pytest.approx(1, abs=1.1e-4)


def test_the_true_variance_lies_between_small_and_large():
    """Both come to it as there are more steps: twice the steps, half the error."""
    errors = {}
    for variance, timesteps in itertools.product(("small", "large"), (500, 1000)):
        schedule = DDPMSchedule("cosine", timesteps)
        _, moments = follow(schedule, DDPM(variance), std=0.5)
        assert moments[-1, 0] == pytest.approx(MEAN)
        errors[variance, timesteps] = moments[-1, 1] / 0.25 - 1
    assert -0.01 < errors["small", 1000] < 0 < errors["large", 1000] < 0.002
    for variance in ("small", "large"):
        assert 1.8 < errors[variance, 500] / errors[variance, 1000] < 2.2


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_ddim_error_halves_when_steps_double(name):
    errors = []
    for steps in (50, 100, 200):
        _, moments = follow(DDPMSchedule(name), DDIM(), 0.5, steps)
        assert moments[-1, 0] == pytest.approx(MEAN)
        errors.append(np.sqrt(moments[-1, 1]) - 0.5)
    assert 1.8 < errors[0] / errors[1] < 2.2
    assert 1.8 < errors[1] / errors[2] < 2.2
    assert abs(errors[2]) < 0.01


@pytest.fixture
def images(rng):
    return rng.normal(size=(3, 2, 4, 4, 1))


@pytest.mark.parametrize("steps", [7, 50])
def test_ddim_with_eta_1_is_ancestral(images, steps):
    for now, then in itertools.pairwise(DDPMSchedule().levels(steps)):
        found = apply(DDIM(eta=1.0), *images, now, then)
        expected = apply(DDPM("small"), *images, now, then)
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_ddim_keeps_the_noise_it_finds(rng):
    """With the right clean image a step is a move along one line of noise."""
    clean, noise = rng.normal(size=(2, 1, 4, 4, 1))
    for now, then in itertools.pairwise(DDPMSchedule().levels(20)):
        noisy = now.alpha * clean + now.sigma * noise
        found = apply(DDIM(), noisy, clean, None, now, then)
        expected = then.alpha * clean + then.sigma * noise
        np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_keeps_the_variance_for_known_images(eta):
    levels, moments = follow(DDPMSchedule(), DDIM(eta), std=0.0, steps=20)
    variance = [level.sigma**2 for level in levels]
    np.testing.assert_allclose(moments[:, 1], variance, atol=1e-9)


def test_one_timestep_at_a_time_the_posterior_is_that_of_ho_et_al():
    schedule = DDPMSchedule("linear")
    betas = np.linspace(1e-4, 0.02, 1000)
    alpha_bars = np.cumprod(1 - betas)
    for t in (1, 500, 999):
        found = posterior(schedule.level(t), schedule.level(t - 1))
        before = alpha_bars[t - 1]
        rest = 1 - alpha_bars[t]
        expected = (
            np.sqrt(1 - betas[t]) * (1 - before) / rest,
            np.sqrt(before) * betas[t] / rest,
            betas[t] * (1 - before) / rest,
            betas[t],
        )
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_eta_is_the_share_of_the_ancestral_noise():
    now, then = DDPMSchedule().levels(20)[10:12]
    *_, small, _ = posterior(now, then)
    for eta in (0.0, 0.3, 1.0):
        found = DDIM(eta).coefficients(now, then).noise
        assert found == pytest.approx(eta * np.sqrt(small))


@pytest.mark.parametrize("solver", FIRST_ORDER + SECOND_ORDER, ids=str)
def test_the_last_step_returns_the_estimate(images, solver):
    noisy, clean, noise = images
    *_, now, then = DDPMSchedule().levels(5)
    found = apply(solver, noisy, clean, noise, now, then)
    np.testing.assert_allclose(found, clean, atol=1e-9)


@pytest.mark.parametrize("solver", SECOND_ORDER, ids=str)
def test_steps_keep_the_image_that_both_estimates_agree_on(solver):
    """The scale of signal and noise is right at every level."""
    before, *levels = DDPMSchedule().levels(12)[:-1]
    for now, then in itertools.pairwise(levels):
        found = solver.coefficients(now, then, before)
        signal = found.noisy * now.alpha + found.clean + found.clean_before
        assert signal == pytest.approx(then.alpha)
        noise = np.hypot(found.noisy * now.sigma, found.noise)
        assert noise == pytest.approx(then.sigma)
        before = now


def test_euler_of_karras_et_al_is_ddim(images):
    """In their coordinates: `x / alpha` and `sigma / alpha`."""
    noisy, clean, _ = images
    for now, then in itertools.pairwise(DDPMSchedule().levels(9)[:-1]):
        s, s_then = now.sigma / now.alpha, then.sigma / then.alpha
        x = noisy / now.alpha
        expected = (x + (s_then - s) * (x - clean) / s) * then.alpha
        found = apply(DDIM(), noisy, clean, None, now, then)
        np.testing.assert_allclose(found, expected, atol=1e-9)


def textbook_heun(noisy, clean, ahead, now, then):
    """Lines 4 to 11 of algorithm 1 of Karras et al., without churn."""
    s, s_then = now.sigma / now.alpha, then.sigma / then.alpha
    x = noisy / now.alpha
    slope = (x - clean) / s
    euler = x + (s_then - s) * slope
    slope_ahead = (euler - ahead) / s_then
    return (x + (s_then - s) * (slope + slope_ahead) / 2) * then.alpha


@pytest.mark.parametrize("levels", [EDMSchedule().levels(18), DDPMSchedule().levels()])
def test_heun_of_karras_et_al(images, levels):
    """To the letter in their own 18 steps, and wherever steps are no longer."""
    noisy, clean, ahead = images
    for now, then in itertools.pairwise(levels[1:-1]):
        if remaining(now, then) < 1 / 4:
            continue
        found = apply(DDIM(), noisy, clean, None, now, then)
        found = found + Heun().correction(now, then) * (clean - ahead)
        expected = textbook_heun(noisy, clean, ahead, now, then)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    shortest = min(remaining(*pair) for pair in itertools.pairwise(levels[1:-1]))
    assert len(levels) != 19 or shortest > 1 / 4


def test_a_long_step_of_heun_does_not_blow_up():
    """From a strength of 20,000 to 10, where the textbook's correction is -1000."""
    now, then = NoiseLevel(5e-5, 1.0), NoiseLevel(0.0995, 0.995)
    std = 0.3
    start = np.sqrt((now.alpha * std) ** 2 + now.sigma**2)
    clean = gaussian_clean(start, now, 0.0, std)
    euler = apply(DDIM(), start, clean, None, now, then)
    ahead = gaussian_clean(euler, then, 0.0, std)
    weight = Heun().correction(now, then)
    exact = np.sqrt((then.alpha * std) ** 2 + then.sigma**2)
    assert -then.alpha / 2 <= weight < 0
    assert abs(euler + weight * (clean - ahead) - exact) < 0.01 * abs(euler - exact)
    textbook = textbook_heun(start, clean, ahead, now, then)
    assert abs(textbook - exact) > 100 * abs(euler - exact)


def test_no_extrapolation_beyond_what_two_estimates_tell():
    """A step more than twice as long as the one before is of first order."""
    before, now = NoiseLevel(1.0, 4.0), NoiseLevel(1.0, 2.0)
    for solver in SECOND_ORDER:
        assert solver.coefficients(now, NoiseLevel(1.0, 0.51), before).clean_before < 0
        for then in (
            NoiseLevel(1.0, 0.49),
            NoiseLevel(1.0, 1e-9),
            NoiseLevel(1.0, 0.0),
        ):
            found = solver.coefficients(now, then, before)
            assert found == solver.coefficients(now, then) and not found.clean_before


ALL = [DDPM(), DDPM("large"), DDIM(), DDIM(eta=1.0), *SECOND_ORDER, Heun()]


@pytest.mark.parametrize("solver", ALL, ids=str)
def test_pure_noise_is_the_limit_of_almost_pure_noise(solver):
    """`alpha` 0, as in rectified flow and a schedule of zero terminal SNR."""
    pure, almost = NoiseLevel(0.0, 1.0), NoiseLevel(1e-13, 1.0)
    then, later = NoiseLevel(0.1, 0.9), NoiseLevel(0.7, 0.4)
    for path in ((then,), (then, NoiseLevel(1.0, 0.0))):
        for left, right, exact in (
            ((pure, path[0]), (almost, path[0]), 1e-11),
            ((path[0], later, pure), (path[0], later, almost), 0.1),
        ):
            found, near = solver.coefficients(*left), solver.coefficients(*right)
            np.testing.assert_allclose(found, near, atol=exact)
            assert np.isfinite(found).all()
    end = solver.coefficients(pure, NoiseLevel(1.0, 0.0))
    assert end == (0, 1, 0, 0)
    last = solver.coefficients(then, NoiseLevel(1.0, 0.0), pure)
    assert last[:2] == pytest.approx((0, 1))


def test_heun_from_pure_noise():
    then = NoiseLevel(0.1, 0.9)
    found = Heun().correction(NoiseLevel(0.0, 1.0), then)
    assert found == -then.alpha / 2
    assert Heun().correction(NoiseLevel(1e-13, 1.0), then) == pytest.approx(found)


def test_churn_leaves_pure_noise_alone():
    pure = NoiseLevel(0.0, 1.0)
    assert Heun(churn=40).noise_first(pure, None, 18) is None


@pytest.mark.parametrize("solver", ALL, ids=str)
def test_levels_that_touch_have_real_coefficients(solver):
    """What rounds to nothing or below is no square root of a negative number."""
    for alpha in (1e-12, 0.3, 1.0):
        now = NoiseLevel(alpha, 0.5)
        then = NoiseLevel(alpha, float(np.nextafter(0.5, 0)))
        assert np.isfinite(solver.coefficients(now, then)).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_the_solver_with_its_defaults(name):
    solver = as_solver(name)
    assert type(solver) is NAMES[name]
    assert as_solver(solver) is solver
    again = type(solver).from_config(solver.get_config())
    assert again.get_config() == solver.get_config()


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: DDPM("medium"), ValueError, "`variance` must be one of.*'medium'"),
        (lambda: DDIM(eta=1.5), ValueError, "`eta` must be in.*1.5"),
        (lambda: DDIM(eta="1"), TypeError, "`eta` must be a number"),
        (lambda: Heun(churn=-1), ValueError, "`churn` must"),
        (lambda: as_solver("euler"), ValueError, "'ddpm', 'ddim'.*solver='euler'"),
        (lambda: as_solver(DDIM), TypeError, "a `Solver` such as.*DDIM"),
    ],
)
def test_refuses(build, error, message):
    with pytest.raises(error, match=message):
        build()
