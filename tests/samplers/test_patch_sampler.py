"""What `PatchSampler` does beside being right: calls, arguments, what it shows."""

import keras
import numpy as np
import pytest
from samplers.fakes import numpy_model, some_prediction

from keras_patchdpm import (
    DDPMSchedule,
    GridPatching,
    PatchDPM,
    PatchGrid,
    PatchSampler,
    runtime,
)
from keras_patchdpm.samplers import batch, run
from keras_patchdpm.samplers.noise import image_rngs
from keras_patchdpm.solvers import DDIM


@pytest.mark.parametrize("per_call", [1, 2, 3, 4, 6])
def test_patches_are_asked_for_in_even_calls(per_call):
    model = numpy_model(patching=GridPatching((2, 3)))
    PatchSampler(model, steps=2, patches_per_call=per_call)(num_images=2)
    calls = model.network.calls
    assert len(calls) == 2 * -(-6 // per_call)
    per_step = calls[: len(calls) // 2]
    asked = [
        index
        for call in per_step
        for index in call["patch_index"][: len(call["noisy"]) // 2]
    ]
    assert sorted(set(asked)) == list(range(6))
    assert {len(call["noisy"]) for call in calls} == {2 * -(-6 // len(per_step))}
    assert {call["timestep"].dtype.name for call in calls} == {"int32"}
    assert [int(call["timestep"][0]) for call in (calls[0], calls[-1])] == [19, 0]


def test_content_is_pooled_once_per_step(monkeypatch):
    model, pooled = numpy_model(), []
    content = PatchGrid.content
    monkeypatch.setattr(
        PatchGrid, "content", lambda *step: pooled.append(1) or content(*step)
    )
    PatchSampler(model, steps=5)()
    assert (len(pooled), len(model.network.calls)) == (5, 20)


def test_noise_is_drawn_by_solvers_that_add_it(monkeypatch):
    def drawn(solver):
        steps = []

        def draws(seed, images, step, stage):
            steps.append(step)
            return image_rngs(seed, images, step, stage=stage)

        monkeypatch.setattr(run, "image_rngs", draws)
        PatchSampler(numpy_model(), solver, steps=4)()
        return steps

    assert drawn("ddim") == drawn("dpmpp_2m") == drawn("heun") == []
    assert drawn(DDIM(eta=0.5)) == drawn("ddpm") == [1, 2, 3]
    assert drawn("dpmpp_2m_sde") == [1, 2, 3]


class Counted(keras.layers.Layer):
    """Counts how often Python runs it: once to build, then once per compilation."""

    runs = 0

    def call(self, x):
        Counted.runs += 1
        return 0.5 * x


def test_the_network_is_compiled_once(monkeypatch):
    noisy = keras.Input((2, 3, 1), name="noisy")
    level = keras.Input((), dtype="int32", name="timestep")
    network = keras.Model({"noisy": noisy, "timestep": level}, Counted()(noisy))
    patching = GridPatching((1, 3), position=False, content=False)
    model = PatchDPM(network, DDPMSchedule("linear", 20), patching)
    shapes, call = [], runtime.network_call(network)

    def record(inputs):
        shapes.append(inputs["noisy"].shape)
        return call(inputs)

    monkeypatch.setattr(runtime, "network_call", lambda network: record)
    Counted.runs = 0
    # Three batches, of 2, 2 and 1 images; two calls, of 2 patches and of 1.
    PatchSampler(model, steps=3, patches_per_call=2, images_on="host")(
        num_images=5, batch_size=2
    )
    assert shapes == [(4, 2, 3, 1)] * 18
    assert Counted.runs == 1


def test_the_callback_sees_the_clean_estimate_after_each_step():
    model, seen = numpy_model(), []
    images = PatchSampler(model, steps=4)(
        num_images=3,
        batch_size=2,
        dtype="float32",
        callback=lambda step, clean: seen.append((step, clean)),
    )
    assert [step for step, _ in seen] == [1, 2, 3, 4, 1, 2, 3, 4]
    assert [len(clean) for _, clean in seen] == [2] * 4 + [1] * 4
    last = np.concatenate([seen[3][1], seen[7][1]])
    np.testing.assert_allclose(last, images, atol=1e-6)
    assert np.abs(seen[0][1] - seen[3][1]).max() > 0.1


@pytest.mark.parametrize("latents", [True, False])
def test_the_clean_estimate_is_clipped_but_of_latents(latents):
    estimates = []
    PatchSampler(numpy_model(latents=latents), steps=4)(
        dtype="float32",
        callback=lambda step, clean: estimates.append(np.abs(clean).max()),
    )
    assert (max(estimates) > 1) if latents else (max(estimates) == 1)


def test_starts_from_the_noise_it_is_given():
    sampler = PatchSampler(numpy_model(), solver="ddim", steps=3)
    noise = np.random.default_rng(5).normal(size=(3, 4, 6, 1))
    images = sampler(num_images=3, noise=noise, dtype="float32", batch_size=2)
    again = sampler(num_images=3, noise=noise, dtype="float32", seed=9)
    np.testing.assert_allclose(images, again, atol=1e-6)
    first = []
    sampler.model.network.calls.clear()
    sampler(num_images=3, noise=noise)
    for call in sampler.model.network.calls[:4]:
        first.append(call["noisy"])
    np.testing.assert_array_equal(first[3], noise[:, 2:, 3:].astype("float32"))


def test_uint8_and_float32():
    sampler = PatchSampler(numpy_model(), steps=4)
    floats = sampler(num_images=2, dtype="float32")
    assert floats.shape == (2, 4, 6, 1)
    assert floats.dtype == np.float32
    assert np.abs(floats).max() <= 1
    images = sampler(num_images=2)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, np.rint(floats * 127.5 + 127.5))
    ends = batch.to_dtype(np.array([-1.2, -1.0, 0.0, 1.0, 1.1]), "uint8")
    assert ends.tolist() == [0, 0, 128, 255, 255]


def test_verbose_shows_the_steps_of_all_batches(capsys):
    sampler = PatchSampler(numpy_model(), steps=4)
    sampler(num_images=3, batch_size=2)
    assert capsys.readouterr().out == ""
    sampler(num_images=3, batch_size=2, verbose=1)
    assert "8/8" in capsys.readouterr().out


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"solver": "euler"}, ValueError, "one of 'ddpm', 'ddim',.*solver='euler'"),
        ({"solver": DDIM}, TypeError, "a `Solver` such as.*solver=.*DDIM"),
        ({"spacing": "even"}, ValueError, "'karras', 'uniform', .*spacing='even'"),
        ({"steps": [3, 5]}, ValueError, r"must fall.*steps=\[3, 5\]"),
        ({"memory_budget": "lots"}, ValueError, "\"300MB\".*memory_budget='lots'"),
        (
            {"memory_budget": 10**9, "patches_per_call": 2},
            ValueError,
            "Leave one of the two out.*patches_per_call=2",
        ),
        ({"steps": 21}, ValueError, "must be at most 20, .*steps=21"),
        ({"steps": 0}, ValueError, "`steps` must be at least 1"),
        ({"steps": 2.0}, TypeError, "`steps` must be an int"),
        ({"patches_per_call": 0}, ValueError, "`patches_per_call` must be at least 1"),
        ({"patches_per_call": 5}, ValueError, "`patches_per_call` must be at most 4"),
        (
            {"patches_per_call": "all"},
            TypeError,
            "`patches_per_call` must be an int from 1 to 4, .*patches_per_call='all'",
        ),
        ({"decode": 3}, ValueError, "`decode` is only for models of latents"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        PatchSampler(numpy_model(), **arguments)


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_images": 0}, ValueError, "`num_images` must be at least 1"),
        ({"num_images": 1.5}, TypeError, "`num_images` must be an int"),
        ({"num_images": 10**12}, ValueError, "this machine has .*num_images=10{12}"),
        ({"seed": -1}, ValueError, "`seed` must be at least 0"),
        ({"seed": None}, TypeError, "`seed` must be an int.*randrange.*seed=None"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be at least 1"),
        ({"dtype": "float64"}, ValueError, "`dtype` must be 'uint8' or 'float32'"),
        ({"dtype": None}, ValueError, "`dtype` must be .* Received: dtype=None"),
        ({"dtype": object()}, ValueError, "`dtype` must be 'uint8' or 'float32'"),
        ({"callback": 3}, TypeError, "`callback` must be a function.*callback=3"),
        ({"verbose": "yes"}, ValueError, "`verbose` must be one of 0, 1"),
        (
            {"noise": np.zeros((2, 4, 6, 1)), "num_images": 3},
            ValueError,
            r"`noise` must have the shape \(3, 4, 6, 1\).*\(2, 4, 6, 1\)",
        ),
    ],
)
def test_a_call_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        PatchSampler(numpy_model(), steps=2)(**arguments)


@pytest.mark.once
@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("faces64_n2", r"Load a preset with `PatchDPM.from_preset\('faces64_n2'\)`"),
        (None, "Wrap a network: .*Missing: network, schedule, patching, image_shape"),
        (PatchDPM, "Wrap a network"),
    ],
)
def test_what_is_no_model_is_refused(model, message):
    with pytest.raises(TypeError, match=message):
        PatchSampler(model)


def test_a_network_is_to_be_wrapped():
    network = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Conv2D(1, 1)])
    with pytest.raises(TypeError, match="Wrap a network.*of type Sequential"):
        PatchSampler(network)


def test_a_sampler_shows_what_it_does():
    shown = repr(PatchSampler(numpy_model(), "ddim", 5, patches_per_call=2))
    assert (
        "DDIM(eta=0.0) in 5 steps, 2 of 4 patches in a call, images of 4x6x1" in shown
    )
    assert "GridPatching(divisions=(2, 2), position='one_hot'" in shown


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("latents", [True, False])
def test_a_prediction_that_is_not_finite_stops_the_sampling(value, latents):
    def predict(inputs):
        prediction = some_prediction(inputs)
        if inputs["timestep"][0] < 10:
            prediction[0, 0] = value
        return prediction

    model, steps = numpy_model(predict, latents=latents), []
    match = (
        "prediction is not finite at the noise level .*, 6\\): 3 of 6 values.*weights"
    )
    with pytest.raises(ValueError, match=match):
        PatchSampler(model, "ddim", 4)(
            dtype="float32", callback=lambda step, clean: steps.append(step)
        )
    assert steps == [1, 2]


def test_images_that_are_not_finite_are_refused():
    """A decoder's, and those of levels at which there is nothing of the image."""
    model = numpy_model()
    model.latents = True
    sampler = PatchSampler(model, "ddim", 2, decode=lambda x: x + np.nan)
    with pytest.raises(ValueError, match="The result of the sampling is not finite"):
        sampler()


def test_any_number_of_images_can_be_streamed():
    images = PatchSampler(numpy_model(), "ddim", 2).stream(10**12, batch_size=1)
    expected = PatchSampler(numpy_model(), "ddim", 2)(2)
    for image in expected:
        np.testing.assert_array_equal(next(images), image)
