"""Images on the device or in the host's memory: the same, whatever else is chosen."""

import keras
import numpy as np
import pytest
from samplers.fakes import in_reverse, numpy_model, sampler_of

from keras_patchdpm import (
    CascadePatching,
    DDPMSchedule,
    EDMSchedule,
    GridPatching,
    Guidance,
    PatchDPM,
    PatchSampler,
    RandomPatching,
    WholeImage,
    runtime,
)
from keras_patchdpm.memory.images import images_bytes
from keras_patchdpm.networks import unet
from keras_patchdpm.samplers import _call, checkpoint, sizes
from keras_patchdpm.samplers.on_device import DeviceDenoiser
from keras_patchdpm.solvers import NAMES

CALL = {"num_images": 3, "seed": 5, "batch_size": 2, "dtype": "float32"}


def model_of(patching, schedule=None, **options):
    schedule = schedule or DDPMSchedule("cosine", prediction="velocity")
    small = {"multipliers": (1,), "blocks_per_depth": 1, "attention_depths": ()}
    network = unet(16, patching, width=8, schedule=schedule, **small, **options)
    random_weights(network)
    return PatchDPM(network, schedule, patching)


def random_weights(network, seed=0):
    """Such that all inputs change the prediction, none of them much."""
    rng = np.random.default_rng(seed)
    for weight in network.weights:
        weight.assign(0.2 * rng.standard_normal(weight.shape))


MODELS = {
    "whole": lambda: model_of(WholeImage()),
    "grid": lambda: model_of(GridPatching((2, 1))),
    "halo": lambda: model_of(
        GridPatching(2, position="coordinates", halo=2, shift=True),
    ),
    "cascade": lambda: model_of(
        CascadePatching(2, sampling_noise=0.1, shift_below=5.0),
    ),
    "crops": lambda: model_of(RandomPatching(16), EDMSchedule()),
    "labels": lambda: model_of(GridPatching(2), num_classes=3),
}


@pytest.fixture(scope="module")
def models():
    """Each is built when it is asked for, and kept."""
    built = {}

    def get(name):
        if name not in built:
            built[name] = MODELS[name]()
        return built[name]

    return get


def sample(model, images_on, solver="dpmpp_2m", call=(), **options):
    sampler = sampler_of(model, solver, 3, images_on=images_on, **options)
    return sampler(**{**CALL, **dict(call)})


def assert_same(model, solver="dpmpp_2m", call=(), **options):
    expected = sample(model, "host", solver, call, **options)
    assert expected.std() > 0.1
    count = sampler_of(model, solver, 3, **options).num_patches
    options |= {"patches_per_call": min(3, count)}
    with pytest.MonkeyPatch.context() as patch:
        in_reverse(patch)
        found = sample(model, "device", solver, call, **options)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("solver", NAMES)
def test_every_solver(models, solver):
    assert_same(models("cascade"), solver)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("whole", {}),
        ("grid", {}),
        ("halo", {}),
        ("crops", {"divisions": 2, "overlap": 0.5, "shift": True}),
        ("crops", {"divisions": 2, "whole_above": 2.0, "shift": True}),
    ],
)
def test_every_patching(models, name, options):
    assert_same(models(name), "ddpm", **options)


def test_labels_and_guidance_by_them(models):
    labels = {"labels": [0, 2, 1]}
    guidance = Guidance("label", 1.5, interval=(0.5, 100))
    assert_same(models("labels"), call=labels)
    assert_same(models("labels"), call=labels, guidance=guidance)
    plain, guided = (
        sample(models("labels"), "device", call=labels, guidance=one)
        for one in (None, guidance)
    )
    assert np.abs(plain - guided).max() > 1e-2


def test_guidance_by_a_model(models):
    guide = model_of(CascadePatching(2, sampling_noise=0.1))
    random_weights(guide.network, seed=1)
    guidance = Guidance(guide, 1.5, stages=[0])
    assert_same(models("cascade"), guidance=guidance)
    plain, guided = (
        sample(models("cascade"), "device", guidance=one) for one in (None, guidance)
    )
    assert np.abs(plain - guided).max() > 1e-2


def test_given_images(models, rng):
    images = rng.integers(256, size=(3, 16, 16, 3), dtype="uint8")
    changed = {"init_images": images, "strength": 0.7}
    filled_in = {"init_images": images, "mask": rng.random((16, 16)) < 0.5}
    assert_same(models("cascade"), "ddpm", changed)
    assert_same(models("cascade"), "ddpm", {**filled_in, "repeats": 2})
    assert_same(models("cascade"), "heun", {"thumbnails": images[:, ::2, ::2]})


def test_trained_weights_are_seen(models):
    """Not those that the network had when it was compiled."""
    model = models("grid")
    before = sample(model, "device")
    random_weights(model.network, seed=7)
    assert_same(model)
    assert np.abs(sample(model, "device") - before).max() > 0.1


def test_nothing_is_compiled_twice(models, monkeypatch):
    """Another sampler of these sizes, other steps and solvers: the same functions."""
    model = models("grid")
    sample(model, "device")

    def refused(references, function):
        raise AssertionError("compiled again")

    module = runtime.backend.backend_module()
    monkeypatch.setattr(module, "compiled_with", refused)
    PatchSampler(model, "heun", 5, images_on="device")(3, seed=1, batch_size=2)
    with pytest.raises(AssertionError, match="compiled again"):
        PatchSampler(model, "ddim", 2, images_on="device")(3, batch_size=3)


# Where they are.


def test_small_images_are_on_the_device_and_large_ones_are_not(models, monkeypatch):
    seen = []
    real = _call.Run
    monkeypatch.setattr(
        _call, "Run", lambda **run: seen.append(run["images_on"]) or real(**run)
    )
    model = models("grid")
    one = images_bytes(model.tiled(), images_held=2, images_on="device")
    for batch, room in ((2, 2 * one), (2, 2 * one - 1), (1, 2 * one - 1)):
        monkeypatch.setattr(runtime, "free_bytes", lambda room=room: 4 * room)
        PatchSampler(model, "ddim", 1)(2, batch_size=batch)
    monkeypatch.setattr(runtime, "free_bytes", lambda: None)
    monkeypatch.setattr(sizes, "ROOM", 0)
    PatchSampler(model, "ddim", 1)()
    PatchSampler(numpy_model(), "ddim", 1)()
    assert seen == ["device", "host", "device", "host", "host"]


def test_a_network_that_is_no_keras_model_is_refused():
    with pytest.raises(ValueError, match="only if the network is a `keras.Model`"):
        PatchSampler(numpy_model(), images_on="device")


@pytest.mark.parametrize("name", ["run_eagerly", "jit_compile"])
def test_a_network_that_is_not_to_be_compiled_stays_with_the_host(name):
    model = model_of(WholeImage())
    setattr(model.network, name, name == "run_eagerly")
    if name == "run_eagerly" or keras.backend.backend() == "jax":
        with pytest.raises(ValueError, match="that may be compiled"):
            PatchSampler(model, "ddim", 1, images_on="device")
    assert PatchSampler(model, "ddim", 1)(1).shape == (1, 16, 16, 3)


# What goes wrong.


def failing(monkeypatch, fails):
    """`fails(step)` may raise in each step on the device, from 1; lists the steps."""
    step, count = DeviceDenoiser._step, []

    def counted(self, noisy, level):
        count.append(level)
        fails(len(count))
        return step(self, noisy, level)

    monkeypatch.setattr(DeviceDenoiser, "_step", counted)
    return count


@pytest.mark.parametrize("solver", ["ddim", "dpmpp_2m"])
def test_where_memory_runs_out_the_host_goes_on(models, monkeypatch, solver):
    expected = sample(models("cascade"), "host", solver)

    def fails(step):
        if step == 2:
            raise MemoryError("no room")

    steps = failing(monkeypatch, fails)
    with pytest.warns(RuntimeWarning, match="continues with the images in the host's"):
        found = sample(models("cascade"), "device", solver)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    assert len(steps) == 2  # Not again in later stages and batches.


def test_other_errors_are_raised(models, monkeypatch):
    def fails(step):
        raise RuntimeError("shapes do not match")

    failing(monkeypatch, fails)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        sample(models("grid"), "device")


def test_predictions_that_are_not_finite_are_refused_and_never_saved(
    tmp_path, monkeypatch
):
    model = model_of(GridPatching(2))
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    file = tmp_path / "run.npz"
    sampler = PatchSampler(model, "ddim", 4, images_on="device")
    good = [np.array(keras.ops.convert_to_numpy(w)) for w in model.network.weights]

    def fails(step):
        if step == 3:  # Of a level that must not be saved.
            model.network.weights[-1].assign(good[-1] * np.nan)

    with monkeypatch.context() as patch:
        failing(patch, fails)
        with pytest.raises(ValueError, match="prediction is not finite at the noise"):
            sampler(2, checkpoint=file)
    model.network.weights[-1].assign(good[-1])
    with np.load(file) as saved:
        assert saved["step"] == 2 and np.isfinite(saved["noisy"]).all()


@pytest.mark.parametrize("places", [("device", "host"), ("host", "device")])
def test_a_checkpoint_resumes_in_either_place(models, tmp_path, monkeypatch, places):
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    model, file = models("cascade"), tmp_path / "run.npz"
    expected = sample(model, "host")

    def stop(step, clean):
        if step == 4:  # In the second stage.
            raise KeyboardInterrupt

    for place, callback in zip(places, (stop, None), strict=True):
        sampler = PatchSampler(model, "dpmpp_2m", 3, images_on=place)
        if callback:
            with pytest.raises(KeyboardInterrupt):
                sampler(**CALL, checkpoint=file, callback=callback)
        else:
            found = sampler(**CALL, checkpoint=file)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
