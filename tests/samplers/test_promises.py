"""Promises 1, 2 and 7 of the sampler, and that it draws the images it should."""

import keras
import numpy as np
import pytest
from samplers.fakes import (
    gaussian_prediction,
    in_reverse,
    numpy_model,
    some_prediction,
)
from tiny_models import tiny_model

from keras_patchdpm import (
    CascadePatching,
    DDPMSchedule,
    GridPatching,
    PatchSampler,
    WholeImage,
)
from keras_patchdpm.samplers.noise import image_rngs, starting_noise
from keras_patchdpm.solvers import DDPM, NAMES

GRIDS = [
    GridPatching((2, 3)),
    GridPatching(2, content=False),
    WholeImage(),
    GridPatching(2, halo=1),
    GridPatching(2, "coordinates", shift=True),
    CascadePatching(2),
]


def sample(model, num_images=5, seed=3, batch_size=16, **arguments):
    sampler = PatchSampler(model, steps=6, **arguments)
    return sampler(num_images, seed, batch_size=batch_size, dtype="float32")


def assert_same(images, expected):
    """Promised is 1e-4 of a range of 2."""
    assert np.ptp(expected) > 0.5, "a trivial image"
    np.testing.assert_allclose(images, expected, rtol=0, atol=2e-4)


# Promise 1: however the work is cut, the images are the same.


@pytest.mark.once
@pytest.mark.parametrize("patching", GRIDS)
@pytest.mark.parametrize("solver", NAMES)
def test_patches_per_call_and_order_change_nothing(patching, solver, monkeypatch):
    model = numpy_model(patching=patching)
    expected = sample(model, solver=solver)
    in_reverse(monkeypatch)
    for per_call in range(1, PatchSampler(model).num_patches + 1):
        found = sample(model, solver=solver, patches_per_call=per_call)
        assert_same(found, expected)


@pytest.mark.parametrize("solver", NAMES)
def test_image_k_depends_on_the_seed_and_on_k_alone(solver):
    model = numpy_model()
    expected = sample(model, solver=solver, patches_per_call=3)
    for batch_size in (1, 2, 3, 4, 5):
        assert_same(sample(model, solver=solver, batch_size=batch_size), expected)
    assert_same(sample(model, solver=solver, num_images=2), expected[:2])
    assert np.abs(sample(model, solver=solver, seed=4) - expected).max() > 0.1
    assert np.abs(expected[1] - expected[0]).max() > 0.1


def test_a_keras_network_keeps_the_promise(monkeypatch):
    model = tiny_model(GridPatching(2))
    expected = sample(model)
    in_reverse(monkeypatch)
    for per_call, batch_size in ((3, 2), (4, 5)):
        found = sample(model, batch_size=batch_size, patches_per_call=per_call)
        assert_same(found, expected)


def test_mixed_precision_keeps_the_promise():
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = tiny_model(GridPatching(2))
    found = sample(model, batch_size=2, patches_per_call=3)
    assert np.abs(found - sample(model)).max() < 0.05  # 8 bits of a network of 16.


# Promise 7: one seed, one result.


def test_one_seed_gives_one_result():
    model = tiny_model(GridPatching(2))
    first, again = sample(model), sample(model)
    np.testing.assert_array_equal(first, again)


def test_the_loop_is_numpy_and_the_same_on_every_backend():
    """Patches by slicing, pooling by reshaping, the solver by its formula."""
    schedule = DDPMSchedule("cosine", 20, prediction="velocity")
    model = numpy_model(patching=GridPatching((2, 3)), schedule=schedule, latents=True)
    found = PatchSampler(model, "ddim", 6, spacing="uniform")(
        2, seed=3, dtype="float32"
    )
    x = starting_noise(3, [0, 1], (4, 6, 1))
    timesteps = np.linspace(19, 0, 6).round().astype(int)
    for now, then in zip(timesteps, [*timesteps[1:], None], strict=True):
        content = x.reshape(2, 2, 2, 2, 3, 1).mean(axis=(2, 4))
        velocity = np.empty_like(x)
        for index in range(6):
            row, col = divmod(index, 3)
            cell = np.s_[:, 2 * row : 2 * row + 2, 2 * col : 2 * col + 2]
            velocity[cell] = some_prediction(
                {
                    "noisy": x[cell],
                    "content": content,
                    "patch_index": np.full(2, index),
                    "timestep": np.full(2, now),
                }
            )
        alpha, sigma = schedule.alphas[now], schedule.sigmas[now]
        clean = alpha * x - sigma * velocity
        noise = sigma * x + alpha * velocity
        if then is None:
            x = clean
        else:
            x = schedule.alphas[then] * clean + schedule.sigmas[then] * noise
    np.testing.assert_allclose(found, x, atol=1e-5)


# Promise 2: with one patch it is the textbook's sampler.


def textbook(predict, x, draw, betas, variance):
    """Algorithm 2 of Ho et al. 2020 (arXiv:2006.11239), in its own symbols."""
    alphas = 1 - betas
    alpha_bars = np.cumprod(alphas)
    for t in reversed(range(len(betas))):
        z = draw(len(betas) - t) if t > 0 else 0
        eps = predict(x, t)
        mean = x - betas[t] / np.sqrt(1 - alpha_bars[t]) * eps
        mean = mean / np.sqrt(alphas[t])
        square = betas[t]
        if variance == "small" and t > 0:
            square = betas[t] * (1 - alpha_bars[t - 1]) / (1 - alpha_bars[t])
        x = mean + np.sqrt(square) * z
    return x


def ask_at_once(model):
    """The network on whole images, with all that it asks for."""

    def predict(x, t):
        inputs = {"noisy": x.astype("float32"), "timestep": np.full(len(x), t, "int32")}
        specs = model.patching.input_specs(model.image_shape)
        if "patch_index" in specs:
            inputs["patch_index"] = np.zeros(len(x), "int32")
        if "content" in specs:
            inputs["content"] = inputs["noisy"]
        return model.network.predict_on_batch(inputs)

    return predict


@pytest.mark.parametrize("patching", [WholeImage(), GridPatching(1)])
@pytest.mark.parametrize(
    ("make", "variance"),
    [(numpy_model, "small"), (numpy_model, "large"), (tiny_model, "small")],
)
def test_one_patch_is_the_textbook(make, patching, variance):
    model = make(patching=patching, schedule=DDPMSchedule("linear", 30))

    def draw(step):
        draws = image_rngs(1, [0, 1], step)
        return np.stack(
            [d.standard_normal(model.image_shape, "float32") for d in draws]
        )

    betas = np.linspace(1e-4 / 0.03, 0.02 / 0.03, 30)
    expected = textbook(ask_at_once(model), draw(0), draw, betas, variance)
    scale = np.abs(expected).max()
    seen = []
    model.latents = True  # Nothing is clipped.
    PatchSampler(model, DDPM(variance))(
        num_images=2,
        seed=1,
        dtype="float32",
        callback=lambda step, clean: seen.append(clean),
    )
    assert np.ptp(expected) > 0.5
    np.testing.assert_allclose(seen[-1], expected, rtol=0, atol=1e-4 * scale)


# And the images are those of the network: normal pixels, for which all is known.

MEAN, STD = 0.2, 0.25


def gaussian_model(schedule, patching, size):
    return numpy_model(
        gaussian_prediction(schedule, MEAN, STD), patching, schedule, size, latents=True
    )


@pytest.mark.once
def test_ancestral_images_have_the_right_mean_and_variance():
    """At 1000 timesteps, as far as so many pixels tell; test_solvers.py is exact."""
    model = gaussian_model(DDPMSchedule(), GridPatching(2), (100, 120))
    images = PatchSampler(model, DDPM("large"), patches_per_call=4)(
        num_images=4, dtype="float32"
    )
    count = images.size
    assert images.mean() == pytest.approx(MEAN, abs=3 * STD / np.sqrt(count))
    assert images.var() == pytest.approx(STD**2, rel=3 * np.sqrt(2 / count))


@pytest.mark.once
def test_ddim_error_halves_when_steps_double():
    model = gaussian_model(DDPMSchedule(), GridPatching(2), (8, 8))
    noise = np.clip(np.random.default_rng(0).normal(size=(2, 8, 8, 1)), -2.5, 2.5)
    exact = MEAN + STD * noise
    errors = [
        np.abs(
            PatchSampler(model, "ddim", steps, spacing="uniform")(
                2, noise=noise, dtype="float32"
            )
            - exact
        ).max()
        for steps in (50, 100, 200)
    ]
    assert errors[0] < 0.05
    assert 1.8 < errors[0] / errors[1] < 2.2
    assert 1.8 < errors[1] / errors[2] < 2.2
