"""What objects with a configuration have in common."""

import pytest

import keras_patchdpm as kp
from keras_patchdpm._registration import Configured

pytestmark = pytest.mark.once

OBJECTS = [
    kp.DDPMSchedule("linear", num_timesteps=20),
    kp.EDMSchedule(rho=5.0),
    kp.GridPatching((2, 3), halo=1),
    kp.CascadePatching(4),
    kp.RandomPatching(8, fractions=(0.5, 1.0)),
    kp.WholeImage(),
    kp.GeometricAugmentation(0.15, rotation=10),
]


@pytest.mark.parametrize("value", OBJECTS, ids=lambda value: type(value).__name__)
def test_what_is_shown_makes_the_object_again(value):
    assert isinstance(value, Configured)
    name, _, arguments = repr(value).partition("(")
    config = kp.__dict__[name].from_config(value.get_config()).get_config()
    assert config == value.get_config()
    shown = ", ".join(f"{key}={item!r}" for key, item in config.items())
    assert arguments == f"{shown})"


def test_an_example():
    shown = (
        "CascadePatching(divisions=4, shift=True, shift_below=[0.55, 0.55], "
        "content_noise=0.1, sampling_noise=[0.0, 0.0], stage_shares=None, "
        "detail_scale=[0.25, 0.25])"
    )
    assert repr(kp.CascadePatching(4)) == shown
