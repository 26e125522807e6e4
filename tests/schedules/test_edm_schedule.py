"""The EDM process against the paper's own formulas, written as the paper has them."""

import itertools
import math

import keras
import numpy as np
import pytest
from keras import ops
from samplers.fakes import in_reverse
from tiny_models import tiny_images, tiny_network

from keras_patchdpm import (
    DDPMSchedule,
    EDMSchedule,
    GridPatching,
    PatchDPM,
    PatchSampler,
    WholeImage,
)
from keras_patchdpm.networks import unet
from keras_patchdpm.samplers.loop import State, walk
from keras_patchdpm.solvers import Heun

DATA = 0.5


def scales(strength, data=DATA):
    """`c_skip, c_out, c_in` as in table 1."""
    total = strength**2 + data**2
    return (
        data**2 / total,
        strength * data / math.sqrt(total),
        1 / math.sqrt(total),
    )


@pytest.mark.parametrize("strength", [0.002, 0.5, 3.0, 80.0])
def test_input_target_and_estimate_are_the_papers(strength):
    rng = np.random.default_rng(0)
    clean, noise, answer = rng.normal(size=(3, 2, 4, 4, 1)).astype("float32")
    schedule = EDMSchedule()
    skip, out, scale = scales(strength)
    x = clean + strength * noise
    condition = np.full(2, math.log(strength) / 4, "float32")
    noisy, target = schedule.add_noise(clean, noise, condition)
    np.testing.assert_allclose(noisy, scale * x, rtol=1e-4, atol=1e-5)
    atol = 1e-4 if strength > 0.01 else 1e-2  # `clean - skip * x` cancels.
    np.testing.assert_allclose(target, (clean - skip * x) / out, rtol=1e-3, atol=atol)
    found = schedule.clean(answer, scale * x, schedule.at_strength(strength))
    np.testing.assert_allclose(found, skip * x + out * answer, rtol=1e-5, atol=1e-5)


def test_the_loss_is_the_papers_weighted_loss():
    """`lambda(s) * |D - clean|**2` is what plain squares of the target are."""
    rng = np.random.default_rng(1)
    clean, noise, answer = rng.normal(size=(3, 1, 4, 4, 1)).astype("float32")
    schedule = EDMSchedule()
    for strength in (0.05, 1.0, 20.0):
        condition = np.full(1, math.log(strength) / 4, "float32")
        noisy, target = map(
            ops.convert_to_numpy, schedule.add_noise(clean, noise, condition)
        )
        estimate = schedule.clean(answer, noisy, schedule.at_strength(strength))
        weight = (strength**2 + DATA**2) / (strength * DATA) ** 2
        expected = weight * np.mean((estimate - clean) ** 2)
        np.testing.assert_allclose(np.mean((answer - target) ** 2), expected, rtol=1e-3)
    assert schedule.weight(condition) is None


def test_levels_are_drawn_log_normal():
    drawn = EDMSchedule().draw(20_000, keras.random.SeedGenerator(3))
    logs = 4 * ops.convert_to_numpy(drawn)
    assert logs.mean() == pytest.approx(-1.2, abs=0.03)
    assert logs.std() == pytest.approx(1.2, abs=0.03)


def test_steps_are_the_papers():
    *levels, last = EDMSchedule().levels()
    strengths = [level.sigma / level.alpha for level in levels]
    count, rho = 18, 7
    expected = [
        (80 ** (1 / rho) + i / (count - 1) * (0.002 ** (1 / rho) - 80 ** (1 / rho)))
        ** rho
        for i in range(count)
    ]
    np.testing.assert_allclose(strengths, expected, rtol=1e-9)
    assert (last.alpha, last.sigma) == (1.0, 0.0)
    for level, strength in zip(levels, expected, strict=True):
        assert level.timestep == pytest.approx(math.log(strength) / 4)
        data = (level.alpha * DATA) ** 2 + level.sigma**2
        assert data == pytest.approx(1)  # What the network sees has unit variance.


def gaussian(noisy, level, out=None):
    """The best denoiser of images that are normal noise of deviation `DATA`."""
    return level.alpha * DATA**2 * noisy / ((level.alpha * DATA) ** 2 + level.sigma**2)


def test_an_untrained_network_is_the_best_denoiser_of_normal_noise():
    schedule = EDMSchedule()
    network = unet(8, WholeImage(), width=8, multipliers=(1,), schedule=schedule)
    model = PatchDPM(network, schedule, WholeImage(), latents=True)
    sampler = PatchSampler(model, "heun", 4)
    found = []
    noise = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    sampler(
        2,
        noise=noise,
        dtype="float32",
        callback=lambda step, clean: found.append(clean.copy()),
    )
    np.testing.assert_allclose(
        found[0], gaussian(noise, sampler.levels[0]), rtol=1e-4, atol=1e-6
    )


def test_heun_is_of_second_order_on_normal_noise():
    """The exact flow keeps `x / sqrt(s**2 + sigma_data**2)`: our `noisy`."""
    start = np.linspace(-2, 2, 12).reshape(1, 2, 6, 1)
    errors = []
    for steps in (40, 80, 160):
        levels = EDMSchedule(sigma_min=0.05, sigma_max=20).levels(steps)[:-1]
        state = State(start.copy())
        for _ in walk(gaussian, state, levels, solver=Heun()):
            pass
        errors.append(np.abs(state.noisy - start).max())
    for few, many in itertools.pairwise(errors):
        assert np.log2(few / many) == pytest.approx(2, abs=0.2)


def model(schedule=None, patching=None):
    """A tiny model of random weights."""
    schedule = EDMSchedule() if schedule is None else schedule
    patching = GridPatching(2) if patching is None else patching
    network = tiny_network(patching, schedule=schedule)
    found = PatchDPM(network, schedule, patching)
    rng = np.random.default_rng(1)
    for weight in network.weights:
        weight.assign(rng.normal(0, 0.3, weight.shape).astype("float32"))
    return found


def test_trains_saves_and_samples(tmp_path):
    built = model()
    built.compile(keras.optimizers.Adam(1e-3))
    history = built.fit(tiny_images(8), epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    built.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.schedule.get_config() == built.schedule.get_config()
    expected = PatchSampler(built, "heun", 3)(2, dtype="float32")
    found = PatchSampler(loaded, "heun", 3)(2, dtype="float32")
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("per_call", [1, 4])
def test_patches_in_any_call_and_order_make_one_image(per_call, monkeypatch):
    built = model()
    expected = PatchSampler(built, Heun(churn=10), 3)(3, dtype="float32")
    in_reverse(monkeypatch)
    sampler = PatchSampler(built, Heun(churn=10), 3, patches_per_call=per_call)
    found = sampler(3, batch_size=2, dtype="float32")
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_churn_adds_what_raises_the_noise():
    schedule = EDMSchedule()
    now = schedule.at_strength(1.0)
    raised, coefficients = Heun(churn=40).noise_first(now, schedule.at_strength, 256)
    strength = 1 + 40 / 256
    assert raised.sigma / raised.alpha == pytest.approx(strength)
    # The noise in `x = noisy / alpha`: what was there, and what is added.
    added = coefficients.noise / raised.alpha
    assert added == pytest.approx(1.003 * math.sqrt(strength**2 - 1))
    assert coefficients.noisy / raised.alpha == pytest.approx(1 / now.alpha)
    steep, _ = Heun(churn=40).noise_first(now, schedule.at_strength, 10)
    assert steep.sigma / steep.alpha == pytest.approx(math.sqrt(2))
    for strength in (0.04, 60.0):
        level = schedule.at_strength(strength)
        assert Heun(churn=40).noise_first(level, schedule.at_strength, 10) is None


def test_churn_keeps_the_distribution():
    """Of normal noise: its deviation at the end is that of the data."""
    rng = np.random.default_rng(0)
    schedule = EDMSchedule(sigma_min=0.05, sigma_max=20)
    levels = schedule.levels(40)[:-1]
    state = State(rng.normal(size=(1, 200, 200, 1)))
    path = []
    for _ in walk(
        gaussian,
        state,
        levels,
        solver=Heun(churn=20),
        level_of=schedule.at_strength,
        noise=lambda step: path.append(1) or [rng],
    ):
        pass
    assert path
    assert state.noisy.std() == pytest.approx(1.0, abs=0.03)


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sigma_min": 80}, ValueError, "must be below `sigma_max`.*sigma_min=80"),
        ({"sigma_data": 0}, ValueError, "`sigma_data` must be in"),
        ({"rho": "7"}, TypeError, "`rho` must be a number"),
        ({"log_std": -1}, ValueError, "`log_std` must be in"),
        ({"log_mean": 1000}, ValueError, "`log_mean` must be in"),
        ({"sigma_max": 1e200}, ValueError, "`sigma_max` must be in"),
        ({"sigma_max": math.inf}, ValueError, "`sigma_max` must be in"),
        ({"rho": 1e-5}, ValueError, "`rho` must be in"),
        ({"rho": 1e300}, ValueError, "`rho` must be in"),
    ],
)
def test_refuses(options, error, message):
    with pytest.raises(error, match=message):
        EDMSchedule(**options)


@pytest.mark.once
@pytest.mark.parametrize(
    ("steps", "error", "message"),
    [
        (0, ValueError, "`steps` must be at least 1"),
        (10**12, ValueError, "`steps` must be at most 100000"),
        (True, TypeError, "`steps` must be an int"),
        ("18", TypeError, "`steps` must be an int"),
        (18.0, TypeError, "`steps` must be an int"),
        ([1.0, 2.0], ValueError, "must fall.*1.0, 2.0"),
        ([1.0, 1.0], ValueError, "must fall.*1.0, 1.0"),
        ([], ValueError, "at least"),
        ([math.nan, 1.0], ValueError, "`steps` must be in.*nan"),
        ([math.inf, 1.0], ValueError, "`steps` must be in.*inf"),
        ([1.0, 0.0], ValueError, "`steps` must be in"),
        ([1.0, -1.0], ValueError, "`steps` must be in"),
        ([1e300, 1.0], ValueError, "`steps` must be in"),
        ([True], TypeError, "`steps` must be a number"),
        (["1"], TypeError, "`steps` must be a number"),
    ],
)
def test_levels_refuse(steps, error, message):
    with pytest.raises(error, match=message):
        EDMSchedule().levels(steps)


def test_levels_refuse_another_spacing():
    with pytest.raises(ValueError, match="`spacing`.*uniform"):
        EDMSchedule().levels(5, "uniform")


def test_levels_refuse_strengths_that_rounding_makes_one():
    with pytest.raises(ValueError, match="must fall.*steps=9"):
        EDMSchedule(sigma_min=1, sigma_max=1 + 1e-15).levels(9)


@pytest.mark.once
@pytest.mark.parametrize("strength", [0, -1.0, math.nan, math.inf, 1e9])
def test_a_level_refuses_strengths_out_of_range(strength):
    with pytest.raises(ValueError, match="`strength` must be in"):
        EDMSchedule().at_strength(strength)


@pytest.mark.parametrize(
    "options",
    [
        {"rho": 0.1},
        {"rho": 1000},
        {"sigma_min": 1e-6, "sigma_max": 1e6},
        {"sigma_data": 1e-6},
        {"sigma_data": 1e6},
    ],
)
@pytest.mark.parametrize("steps", [1, 2, 18])
def test_levels_at_the_ends_of_the_ranges(options, steps):
    levels = EDMSchedule(**options).levels(steps)
    assert np.isfinite([level[:2] for level in levels]).all()
    assert all(now.sigma / now.alpha > 0 for now in levels[:-1])


def test_a_network_of_timesteps_is_refused():
    with pytest.raises(ValueError, match="timesteps of EDMSchedule are floats.*int32"):
        PatchDPM(tiny_network(GridPatching(2)), EDMSchedule(), GridPatching(2))


def test_churn_is_refused_where_it_means_nothing():
    with pytest.raises(ValueError, match="Choose an `EDMSchedule`.*DDPMSchedule"):
        PatchSampler(model(DDPMSchedule()), Heun(churn=4), 5)
