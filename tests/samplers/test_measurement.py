"""Sampling with a measurement: closed forms, gradients, promises, wrong arguments."""

import types

import keras
import numpy as np
import pytest
from keras import ops
from samplers.fakes import numpy_model
from tiny_models import tiny_model

import keras_patchdpm as kp
from keras_patchdpm.runtime import gradient_call, value_and_gradient
from keras_patchdpm.samplers import sizes
from keras_patchdpm.samplers.denoiser import PatchDenoiser
from keras_patchdpm.samplers.network_calls import NetworkCalls

SCHEDULE = kp.DDPMSchedule("cosine")
COVARIANCES = np.array([[0.25, 0.2], [0.2, 0.3]])  # Of a pixel and its neighbour.
SIZE = (4, 16)
SIGMA = 0.1


class ExactClean(keras.layers.Layer):
    """The expected clean image of images whose pairs of pixels are normal."""

    def call(self, noisy, timestep):
        levels = [SCHEDULE.level(t) for t in range(SCHEDULE.num_timesteps)]
        estimates = [
            level.alpha
            * COVARIANCES
            @ np.linalg.inv(level.alpha**2 * COVARIANCES + level.sigma**2 * np.eye(2))
            for level in levels
        ]
        matrices = ops.take(np.array(estimates, "float32"), timestep, axis=0)
        pairs = ops.reshape(noisy, (-1, *SIZE[:1], SIZE[1] // 2, 2))
        return ops.reshape(
            ops.einsum("bij,bhwj->bhwi", matrices, pairs), (-1, *SIZE, 1)
        )

    def compute_output_shape(self, noisy_shape, timestep_shape):
        return noisy_shape


def gaussian_sampler(solver, steps):
    inputs = {
        "noisy": keras.Input((*SIZE, 1), name="noisy"),
        "timestep": keras.Input((), dtype="int32", name="timestep"),
    }
    network = keras.Model(inputs, ExactClean()(inputs["noisy"], inputs["timestep"]))
    model = types.SimpleNamespace(
        network=network,
        schedule=kp.DDPMSchedule("cosine", prediction="clean"),
        patching=kp.WholeImage(),
        image_shape=(*SIZE, 1),
        latents=True,
    )
    return kp.PatchSampler(model, solver, steps)


def first_of_pairs(images):
    return 2 * images[:, :, ::2, 0]


def grey(images):
    return ops.mean(images, axis=-1)


def in_numpy(images):
    return ops.convert_to_tensor(np.asarray(images).mean(axis=-1))


@pytest.mark.parametrize(("solver", "steps"), [("dpmpp_2m", 30), ("dpmpp_2m_sde", 60)])
def test_images_have_the_posterior_of_normal_images(solver, steps):
    """Closed form: one pixel of each pair is measured, with noise."""
    measurement = kp.Measurement(
        first_of_pairs, np.full((1, SIZE[0], SIZE[1] // 2), 1.2), noise=2 * SIGMA
    )
    images = gaussian_sampler(solver, steps)(
        100, measurement=measurement, dtype="float32", batch_size=100
    )
    pairs = images.reshape(-1, 2).astype("float64")
    gain = COVARIANCES[:, 0] / (COVARIANCES[0, 0] + SIGMA**2)
    covariances = COVARIANCES - np.outer(gain, COVARIANCES[0])
    np.testing.assert_allclose(pairs.mean(axis=0), 0.6 * gain, atol=0.02)
    np.testing.assert_allclose(np.cov(pairs.T), covariances, atol=0.015)


def denoiser(model, network, **options):
    """A `PatchDenoiser` of a model's last stage, and random images for it."""
    calls = NetworkCalls(network)
    tiled = model.tiled()
    return PatchDenoiser(
        predict=lambda level: calls,
        schedule=model.schedule,
        stage=tiled.stages[-1],
        clip=False,
        batch_size=2,
        seed=0,
        **options,
    )


@pytest.mark.parametrize(
    "patching",
    [
        kp.GridPatching(2, content=False, halo=2),
        kp.GridPatching(2, "coordinates", shift=True),
    ],
    ids=["halo", "shifted"],
)
def test_gradients_are_those_of_differences(patching, rng):
    """Each patch is differentiated by its own pixels: the content is constant."""
    model = tiny_model(patching)
    denoise = denoiser(model, model.network, patches_per_call=2)
    level = model.schedule.level(400)
    noisy, gradient, step = rng.normal(size=(3, 2, 8, 8, 3)).astype("float32")
    step *= 1e-2
    calls = NetworkCalls(model.network, gradient_call)
    back = denoise.pulled_back(noisy, level, gradient, calls=calls)
    stage = denoise.stage
    content = stage.conditions(noisy, ())
    object.__setattr__(stage, "image_inputs", lambda *_: content)
    after, before = denoise(noisy + step, level), denoise(noisy - step, level)
    expected = (gradient * (after - before)).sum(axis=(1, 2, 3)) / 2
    assert np.abs(expected).min() > 1e-3
    found = (back * step).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(found, expected, rtol=2e-2, atol=1e-4)


def test_value_and_gradient(rng):
    images = rng.normal(size=(2, 3, 3, 1)).astype("float32")
    squares, gradient = value_and_gradient(
        lambda x: ops.sum(ops.square(x), axis=(1, 2, 3))
    )(images)
    np.testing.assert_allclose(squares, (images**2).sum((1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(gradient, 2 * images, rtol=1e-5)


PATCHINGS = [
    kp.GridPatching(2, halo=1),
    kp.GridPatching(2, "coordinates", shift=True),
    kp.CascadePatching(2),
]


@pytest.mark.parametrize("patching", PATCHINGS, ids=["halo", "shifted", "cascade"])
def test_images_are_the_same_in_any_batch_and_call(patching, rng):
    model = tiny_model(patching)
    values = rng.uniform(-1, 1, size=(3, 8, 8)).astype("float32")
    measurement = kp.Measurement(grey, values)

    def sampled(batch_size, **options):
        sampler = kp.PatchSampler(model, "ddim", 4, **options)
        return sampler(
            3, measurement=measurement, batch_size=batch_size, dtype="float32"
        )

    expected = sampled(3)
    assert np.ptp(expected) > 0.5
    np.testing.assert_allclose(sampled(1, patches_per_call=3), expected, atol=2e-4)
    np.testing.assert_allclose(sampled(2, patches_per_call=4), expected, atol=2e-4)


@pytest.mark.parametrize("patching", PATCHINGS, ids=["halo", "shifted", "cascade"])
def test_images_agree_with_the_measurement(patching, rng):
    model = tiny_model(patching)
    values = rng.uniform(-0.5, 0.5, size=(2, 8, 8)).astype("float32")
    sampler = kp.PatchSampler(model, "ddim", 20)

    def sampled(scale):
        measurement = kp.Measurement(grey, values, scale=scale)
        return sampler(2, dtype="float32", measurement=measurement)

    without, measured = sampled(0), sampled(1)
    np.testing.assert_allclose(without, sampler(2, dtype="float32"), atol=2e-4)
    misfit, before = (
        np.abs(images.mean(-1) - values).mean() for images in (measured, without)
    )
    assert misfit < 0.5 * before


def test_a_guided_prediction_is_differentiated_with_its_guide(rng):
    """A guide that is the model itself changes nothing, at any scale."""
    model = tiny_model(kp.GridPatching(2))
    measurement = kp.Measurement(grey, rng.uniform(-1, 1, size=(1, 8, 8)))
    images = [
        kp.PatchSampler(model, "ddim", 4, guidance=guidance)(
            2, measurement=measurement, dtype="float32"
        )
        for guidance in (None, kp.Guidance(model, 1.7))
    ]
    np.testing.assert_allclose(*images, atol=2e-4)


def test_a_stopped_sampling_resumes(tmp_path, rng):
    model = tiny_model(kp.CascadePatching(2))
    values = rng.uniform(-1, 1, size=(2, 8, 8))
    sampler = kp.PatchSampler(model, "ddim", 3)
    options = {"measurement": kp.Measurement(grey, values), "batch_size": 1}
    expected = sampler(2, **options)

    def stop(step, clean):
        if step == 5:
            raise KeyboardInterrupt

    options["checkpoint"] = tmp_path / "sampling.npz"
    with pytest.raises(KeyboardInterrupt):
        sampler(2, callback=stop, **options)
    np.testing.assert_array_equal(sampler(2, **options), expected)
    for part, other in {
        "function": kp.Measurement(lambda x: -grey(x), values),
        "values": kp.Measurement(grey, values / 2),
        "noise": kp.Measurement(grey, values, noise=0.2),
        "scale": kp.Measurement(grey, values, scale=0.5),
    }.items():
        with pytest.raises(ValueError, match=f"measurement.{part}"):
            sampler(2, **options | {"measurement": other})


def test_gradients_need_more_memory():
    patching = kp.WholeImage()
    network = kp.networks.unet(
        32, patching, width=32, multipliers=(1, 1), attention_depths=()
    )
    alone, with_gradients = (
        kp.memory.profile(
            network, batch_size=8, gradients=gradients, isolated=False, timed=False
        )
        for gradients in (False, True)
    )
    assert with_gradients.activations > 1.5 * alone.activations
    assert with_gradients.weights == alone.weights


@pytest.mark.once
def test_a_budget_counts_the_gradients(monkeypatch):
    asked = {}

    def plan(model, budget, num_images, **options):
        asked.update(options)
        return types.SimpleNamespace(batch_size=1, patches_per_call=1, images_on="host")

    monkeypatch.setattr(sizes.memory, "plan", plan)
    sampler = kp.PatchSampler(
        tiny_model(kp.GridPatching(2)), "ddim", 2, memory_budget="1GB"
    )
    sampler(1)
    assert (asked["gradients"], asked["images_on"]) == (False, None)
    held = asked["images_held"]
    sampler(1, measurement=kp.Measurement(grey, ZEROS))
    assert (asked["gradients"], asked["images_on"]) == (True, "host")
    assert asked["images_held"] > held


ZEROS = np.zeros((1, 8, 8))
WRONG = [
    (lambda: kp.Measurement("grey", ZEROS), TypeError, "`function` must be a function"),
    (lambda: kp.Measurement(grey, "x"), TypeError, "an array of numbers"),
    (lambda: kp.Measurement(grey, 0.5), TypeError, "one row for each image"),
    (lambda: kp.Measurement(grey, ZEROS * np.nan), ValueError, "64 are NaN"),
    (lambda: kp.Measurement(grey, ZEROS, noise=-1), ValueError, "`noise` must be at"),
    (lambda: kp.Measurement(grey, ZEROS, scale=-1), ValueError, "`scale` must be at"),
    (lambda: ZEROS, TypeError, "`measurement` must be a `Measurement`"),
    (lambda: kp.Measurement(grey, ZEROS[:, 1:]), ValueError, r"shape \(1, 8, 8\)"),
    (lambda: kp.Measurement(grey, ZEROS[[0] * 3]), ValueError, "one row for each"),
    (lambda: kp.Measurement(lambda x: ops.round(grey(x)), ZEROS), ValueError, "diff"),
    (lambda: kp.Measurement(lambda x: 0 * grey(x), ZEROS), ValueError, "depend on the"),
    (lambda: kp.Measurement(in_numpy, ZEROS), ValueError, "cannot be differentiated"),
]


@pytest.mark.once
@pytest.mark.parametrize(("make", "kind", "message"), WRONG)
def test_wrong_measurements_are_refused_before_a_step(make, kind, message):
    sampler = kp.PatchSampler(tiny_model(kp.GridPatching(2)), "ddim", 2)
    steps = []
    with pytest.raises(kind, match=message):
        sampler(2, measurement=make(), callback=lambda *step: steps.append(step))
    assert not steps


@pytest.mark.once
def test_measurements_need_a_keras_network_and_images_on_the_host():
    measurement = kp.Measurement(grey, np.zeros((1, 4, 6)))
    with pytest.raises(TypeError, match="must be a `Functional`|must be a `Model`"):
        kp.PatchSampler(numpy_model(), "ddim", 2)(1, measurement=measurement)
    sampler = kp.PatchSampler(
        tiny_model(kp.GridPatching(2)), "ddim", 2, images_on="device"
    )
    with pytest.raises(ValueError, match="images are in the host's memory"):
        sampler(1, measurement=kp.Measurement(grey, ZEROS))
