"""Latents: scaled, trained on and sampled as images are, decoded at the end."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops
from tiny_models import tiny_images, tiny_model, train

from keras_patchdpm import (
    CascadePatching,
    DDPMSchedule,
    EDMSchedule,
    GridPatching,
    LatentSpace,
    PatchDPM,
    PatchSampler,
    RandomPatching,
)

IMAGES = tiny_images(12, size=16)


def encode(images):
    """Four pixels to one of twelve channels, of another range."""
    x = np.reshape(images, (-1, 8, 2, 8, 2, 3)).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(-1, 8, 8, 12) * 7 + np.arange(12)


def decode(latents):
    x = (ops.convert_to_numpy(latents) - np.arange(12)) / 7
    x = x.reshape(-1, 8, 8, 2, 2, 3).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(-1, 16, 16, 3)


@pytest.fixture(scope="module")
def space():
    return LatentSpace(encode, decode).fit(IMAGES, batch_size=5)


def model_of(patching, **options):
    """Of 8 x 8 latents with three channels."""
    model = tiny_model(patching, EDMSchedule(), **options)
    model.latents = True
    return model


def test_latents_are_scaled_and_come_back(space):
    latents = space.encode(IMAGES, batch_size=7)
    assert latents.shape == (12, 8, 8, 12)
    np.testing.assert_allclose(latents.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(latents.std((0, 1, 2)), 0.5, atol=1e-4)
    images = space.decode(latents)
    np.testing.assert_allclose(images, IMAGES / 127.5 - 1, atol=1e-4)
    np.testing.assert_allclose(space.encode(images), latents, atol=1e-3)


def test_keras_models_are_encoders():
    inputs = keras.Input((16, 16, 3))
    encoder = keras.Model(inputs, keras.layers.AveragePooling2D(2)(inputs))
    space = LatentSpace(encoder, keras.layers.UpSampling2D(2)).fit(IMAGES)
    smooth = space.decode(space.encode(IMAGES))
    np.testing.assert_allclose(smooth, IMAGES / 127.5 - 1, atol=1e-4)


@pytest.mark.parametrize(
    ("patching", "options"),
    [
        (GridPatching(2), {}),
        pytest.param(CascadePatching(2), {}, marks=pytest.mark.once),
        pytest.param(
            RandomPatching(8, content=True),
            {"divisions": 4, "shift": True},
            marks=pytest.mark.once,
        ),
    ],
)
def test_latents_are_trained_and_sampled_as_images_are(patching, options):
    """Values far from [-1, 1] are neither warned of nor clipped."""
    draws = np.random.default_rng(0)
    latents = draws.normal(3.0, 0.5, (8, 8, 8, 3)).astype("float32")
    model = model_of(patching)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        train(model, latents, keras.optimizers.Adam(1e-3))
    sampler = PatchSampler(model.tiled(**options), "heun", 4)
    expected = sampler(3, dtype="float32")
    assert np.abs(expected).max() > 1.2
    doubled = PatchSampler(
        model.tiled(**options),
        "heun",
        4,
        decode=lambda x: 0.2 * x.repeat(2, 1).repeat(2, 2),
    )
    images = doubled(3, batch_size=2, dtype="float32")
    assert images.shape == (3, 16, 16, 3)
    wanted = np.clip(0.2 * expected, -1, 1).repeat(2, 1).repeat(2, 2)
    np.testing.assert_allclose(images, wanted, atol=1e-4)
    assert doubled(1).dtype == "uint8"


def test_a_saved_model_knows_that_it_is_one_of_latents(tmp_path):
    model = model_of(GridPatching(2))
    model.save(tmp_path / "model.keras")
    assert keras.models.load_model(tmp_path / "model.keras").latents


def test_latents_are_not_given_out_as_images():
    model = model_of(GridPatching(2))
    with pytest.raises(ValueError, match='`dtype="float32"`.*give the sampler `decode'):
        PatchSampler(model, "heun", 2)(1)
    with pytest.raises(TypeError, match="`decode` must be a function.*decode=3"):
        PatchSampler(model, "heun", 2, decode=3)
    with pytest.raises(ValueError, match="`decode` is only for models of latents"):
        PatchSampler(tiny_model(), "ddim", 2, decode=decode)


def test_images_are_not_taken_for_latents():
    model = model_of(GridPatching(2))
    model.compile("adam")
    with pytest.raises(TypeError, match="trained on floats.*of the type uint8"):
        model.fit(tiny_images(4), verbose=0)


@pytest.mark.once
def test_wrong_spaces_are_refused():
    with pytest.raises(TypeError, match="`decode` must be a function.*decode=None"):
        LatentSpace(encode, None)
    with pytest.raises(ValueError, match="`std` must be positive. Received: std=0"):
        LatentSpace(encode, decode, std=0)
    with pytest.raises(ValueError, match="A channel of the latents is constant"):
        LatentSpace(np.zeros_like, decode).fit(IMAGES)


@pytest.mark.once
@pytest.mark.parametrize("name", ["mean", "std"])
@pytest.mark.parametrize("value", ["1", None, np.nan, np.inf, [[1.0]], 1j, object()])
def test_scales_are_finite_numbers(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a finite number"):
        LatentSpace(encode, decode, **{name: value})


@pytest.mark.once
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES.astype("float32"), r"in \[-1, 1\].*absolute values up to"),
        (IMAGES.astype("uint16"), "uint8 in .*images of dtype uint16"),
        (IMAGES.astype("int32"), "uint8 in .*images of dtype int32"),
        (IMAGES > 3, "dtype bool"),
        (IMAGES.astype("complex64"), "dtype complex64"),
        (np.full((2, 16, 16, 3), np.nan), "absolute values up to nan"),
        (IMAGES[:0], "at least one image"),
        (IMAGES[0], "`images` must have the shape"),
        (None, "`images` must contain numbers"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "encode"])
def test_images_are_checked(space, method, images, message):
    with pytest.raises((TypeError, ValueError), match=message):
        getattr(LatentSpace(encode, decode), method)(images)


@pytest.mark.once
@pytest.mark.parametrize(
    "wrong",
    [
        lambda images: images.reshape(len(images), -1),
        lambda images: images[:1],
        lambda images: images * np.nan,
    ],
)
def test_what_the_autoencoder_returns_is_checked(wrong):
    with pytest.raises(ValueError, match="`encode` must return finite numbers"):
        LatentSpace(wrong, decode).encode(IMAGES)
    with pytest.raises(ValueError, match="`decode` must return finite numbers"):
        LatentSpace(encode, wrong).decode(np.zeros((2, 8, 8, 12), "float32"))
    with pytest.raises(ValueError, match="`latents` must have the shape"):
        LatentSpace(encode, decode).decode(np.zeros((8, 8, 12), "float32"))


@pytest.mark.once
@pytest.mark.parametrize(
    ("schedule", "warned"),
    [
        (DDPMSchedule(), True),
        (DDPMSchedule("linear"), False),
        (DDPMSchedule(prediction="velocity"), False),
        (EDMSchedule(), False),
    ],
)
def test_predicting_the_noise_of_latents_is_warned_of(schedule, warned):
    """An error of 1 % at the last timestep is one of 200 in the clean estimate."""
    patching = GridPatching(2)
    network = tiny_model(patching, schedule).network
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        PatchDPM(network, schedule, patching)
        PatchDPM(network, schedule, patching, latents=True)
    found = [one for one in caught if "latents come out" in str(one.message)]
    assert len(found) == warned
