"""The same noise, the same network, the schedulers of `diffusers`."""

import numpy as np
import pytest
from samplers.fakes import numpy_model, some_prediction

from keras_patchdpm import DDPMSchedule, PatchSampler, TiledDenoiser, WholeImage
from keras_patchdpm.samplers import run
from keras_patchdpm.solvers import DDPM

diffusers = pytest.importorskip("diffusers")
torch = pytest.importorskip("torch")

NAMES = {"linear": "linear", "cosine": "squaredcos_cap_v2"}
TYPES = {"noise": "epsilon", "velocity": "v_prediction", "clean": "sample"}
SHAPE = (2, 4, 6, 1)


class Recorded:
    """Draws that are written down, one array a step."""

    def __init__(self):
        self.rng, self.made = np.random.default_rng(1), []

    def standard_normal(self, count, dtype):
        fresh = self.rng.standard_normal(count).astype(dtype)
        self.made.append(fresh)
        return fresh


def trajectory(monkeypatch, schedule, **arguments):
    """Estimates of each step, the start, and the noise of each step of both images."""
    recorded = [Recorded(), Recorded()]
    monkeypatch.setattr(run, "image_rngs", lambda *a, **k: recorded)
    model = numpy_model(some_prediction, WholeImage(), schedule, SHAPE[1:3], True)
    seen = []
    noise = np.random.default_rng(2).standard_normal(SHAPE).astype("float32")
    sampler = PatchSampler(model, **arguments)
    sampler(
        2,
        noise=noise,
        dtype="float32",
        callback=lambda step, clean: seen.append(clean),
    )
    fresh = [
        np.stack(pair).reshape(SHAPE)
        for pair in zip(*(r.made for r in recorded), strict=True)
    ]
    return noise, fresh, np.array(seen)


def theirs(scheduler, noise, fresh, monkeypatch):
    """Estimates of each step of a scheduler, given the same noise."""
    waiting = list(fresh)
    monkeypatch.setattr(
        "diffusers.utils.torch_utils.randn_tensor", lambda *a, **k: next_of(waiting)
    )
    module = scheduler.__class__.__module__
    monkeypatch.setattr(f"{module}.randn_tensor", lambda *a, **k: next_of(waiting))
    x, seen = torch.from_numpy(noise), []
    for timestep in scheduler.timesteps:
        level = np.full(len(noise), int(timestep), "int32")
        prediction = some_prediction({"noisy": x.numpy(), "timestep": level})
        seen.append(to_clean(scheduler, prediction, x.numpy(), int(timestep)))
        x = scheduler.step(torch.from_numpy(prediction), timestep, x).prev_sample
        x = x.float()
    return np.array(seen)


def next_of(waiting):
    return torch.from_numpy(waiting.pop(0)) if waiting else torch.zeros(SHAPE)


def to_clean(scheduler, prediction, noisy, timestep):
    alpha = float(scheduler.alphas_cumprod[timestep]) ** 0.5
    sigma = (1 - alpha**2) ** 0.5
    kind = scheduler.config.prediction_type
    if kind == "sample":
        return prediction
    if kind == "epsilon":
        return (noisy - sigma * prediction) / alpha
    return alpha * noisy - sigma * prediction


def compare(monkeypatch, kind, schedule, options, steps, **arguments):
    """Both walk down the timesteps of `diffusers`."""
    scheduler = kind(
        num_train_timesteps=schedule.num_timesteps,
        beta_schedule=NAMES[schedule.beta_schedule],
        prediction_type=TYPES[schedule.prediction],
        **options,
    )
    scheduler.set_timesteps(steps)
    timesteps = scheduler.timesteps.tolist()
    noise, fresh, found = trajectory(
        monkeypatch, schedule, steps=timesteps, **arguments
    )
    if options["timestep_spacing"] == "trailing":
        ours = schedule.levels(steps, "trailing")
        assert timesteps == [level.timestep for level in ours[:-1]]
    expected = theirs(scheduler, noise, fresh, monkeypatch)
    scale = np.abs(expected).max()
    assert np.ptp(expected[-1]) > 0.3
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * max(scale, 1))


@pytest.mark.parametrize("prediction", TYPES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("variance", ["small", "large"])
@pytest.mark.parametrize("steps", [20, 250])
def test_ddpm(monkeypatch, prediction, name, variance, steps):
    schedule = DDPMSchedule(name, prediction=prediction)
    options = {
        "variance_type": f"fixed_{variance}",
        "clip_sample": False,
        "timestep_spacing": "leading",
    }
    compare(
        monkeypatch,
        diffusers.DDPMScheduler,
        schedule,
        options,
        solver=DDPM(variance),
        steps=steps,
    )


@pytest.mark.parametrize("prediction", TYPES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_ddim(monkeypatch, prediction, name, spacing):
    schedule = DDPMSchedule(name, prediction=prediction)
    options = {"clip_sample": False, "timestep_spacing": spacing}
    compare(
        monkeypatch,
        diffusers.DDIMScheduler,
        schedule,
        options,
        solver="ddim",
        steps=20,
    )


@pytest.mark.parametrize("prediction", TYPES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("name_of", ["dpmpp_2m", "dpmpp_2m_sde"])
def test_dpm_solver(monkeypatch, prediction, name, name_of):
    schedule = DDPMSchedule(name, prediction=prediction)
    solver = {"dpmpp_2m": "dpmsolver++", "dpmpp_2m_sde": "sde-dpmsolver++"}[name_of]
    options = {
        "algorithm_type": solver,
        "final_sigmas_type": "zero",
        "timestep_spacing": "trailing",
        "lower_order_final": False,
    }
    compare(
        monkeypatch,
        diffusers.DPMSolverMultistepScheduler,
        schedule,
        options,
        solver=name_of,
        steps=20,
    )


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_networks_of_diffusers_denoise_as_their_scheduler_says(kind, rng):
    torch.manual_seed(0)
    network = diffusers.UNet2DModel(
        8,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        layers_per_block=1,
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
    )
    scheduler = diffusers.DDIMScheduler(prediction_type=kind, clip_sample=False)
    model = TiledDenoiser.from_diffusers(network, scheduler, (8, 16, 3), patch=8)
    noisy = rng.normal(size=(2, 8, 8, 3)).astype("float32")
    level = model.schedule.level(400)
    clean = model.network.function(noisy, level)
    images = torch.tensor(noisy.transpose(0, 3, 1, 2))
    with torch.no_grad():
        prediction = network(images, 400).sample
    scheduler.set_timesteps(1000)
    expected = scheduler.step(prediction, 400, images).pred_original_sample
    expected = expected.numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(clean, expected, rtol=1e-3, atol=1e-4)
    images = PatchSampler(model, "ddim", 3)(1)
    assert images.shape == (1, 8, 16, 3)
