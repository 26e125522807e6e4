"""Keras' global settings: the number type and the layout of images."""

import keras
import numpy as np
import pytest
from tiny_models import tiny_images

from keras_patchdpm import (
    CascadePatching,
    DDPMSchedule,
    EDMSchedule,
    GridPatching,
    PatchDPM,
    PatchSampler,
    RandomPatching,
    networks,
)

PATCHINGS = {
    "grid": lambda: GridPatching(2),
    "halo": lambda: GridPatching(2, "coordinates", halo=2, shift=True),
    "cascade": lambda: CascadePatching(2),
    "crops": lambda: RandomPatching(16, (0.5, 1.0), content=True),
}


def trained(patching, schedule=None, multipliers=(1, 2), **options):
    schedule = EDMSchedule() if schedule is None else schedule
    network = networks.unet(
        16,
        patching,
        width=8,
        multipliers=multipliers,
        blocks_per_depth=1,
        schedule=schedule,
        **options,
    )
    model = PatchDPM(network, schedule, patching)
    model.compile(optimizer="sgd", metrics=["mae"])
    images = tiny_images(4, size=16)
    weights = np.ones(4)
    history = model.fit(images, batch_size=4, sample_weight=weights, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert np.isfinite(model.evaluate(images, verbose=0)).all()
    return model


@pytest.mark.parametrize(
    ("name", "floatx"),
    [
        ("halo", "float64"),
        ("cascade", "float16"),
        pytest.param("halo", "float16", marks=pytest.mark.once),
        pytest.param("crops", "float64", marks=pytest.mark.once),
        pytest.param("cascade", "float64", marks=pytest.mark.once),
        pytest.param("crops", "float16", marks=pytest.mark.once),
    ],
)
def test_any_float_type_of_keras(name, floatx):
    keras.config.set_floatx(floatx)
    multipliers = (1, 2) if name == "halo" else (1,)
    trained(PATCHINGS[name](), DDPMSchedule(min_snr_gamma=5.0), multipliers)


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


@pytest.mark.once
@pytest.mark.parametrize("name", ["halo", "grid", "cascade", "crops"])
def test_images_have_their_channels_last(name, channels_first):
    """Whatever Keras is set to: the package says how its images lie."""
    multipliers = (1, 2) if name == "halo" else (1,)
    model = trained(PATCHINGS[name](), None, multipliers, stem=1)
    assert PatchSampler(model, steps=1)(1).shape == (1, 16, 16, 3)


@pytest.mark.once
def test_the_authors_network_has_its_channels_last(channels_first):
    network = networks.arakawa_unet(16, 2, dim=8, multipliers=(1, 2))
    assert network.output_shape == (None, 8, 8, 3)
    inputs = {
        name: np.zeros((2, *tensor.shape[1:]), tensor.dtype)
        for name, tensor in network.input.items()
    }
    assert network(inputs).shape == (2, 8, 8, 3)
