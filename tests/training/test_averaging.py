"""How long averaged weights remember."""

import types

import pytest

import keras_patchdpm as kp
from keras_patchdpm.training import ema_momentum, images_per_step

pytestmark = pytest.mark.once


def test_half_of_an_average_is_forgotten_in_its_half_life():
    patching = kp.RandomPatching(64)
    model = types.SimpleNamespace(patching=patching)
    seen = images_per_step(model, 256)
    assert seen == pytest.approx(1.9 * 256)
    momentum = ema_momentum(half_life=100 * seen, images_per_step=seen)
    assert momentum**100 == pytest.approx(0.5)
    model.patching = kp.GridPatching(2)
    assert images_per_step(model, 256) == 256
    with pytest.raises(ValueError, match="`half_life` must be at least"):
        ema_momentum(0, 32)
