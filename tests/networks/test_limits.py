"""Sizes that cannot be meant are refused before memory is allocated."""

import keras
import pytest

from keras_patchdpm import (
    CascadePatching,
    DDPMSchedule,
    GridPatching,
    RandomPatching,
    WholeImage,
)
from keras_patchdpm.networks import arakawa_unet, unet
from keras_patchdpm.networks.limits import at_most_weights
from keras_patchdpm.networks.recorded import recorded

pytestmark = pytest.mark.once


@pytest.fixture
def no_layers(monkeypatch):
    """Fails if a network is begun."""
    monkeypatch.setattr(keras, "Input", lambda *_, **__: pytest.fail("built"))


@pytest.mark.parametrize(
    ("builder", "arguments", "message"),
    [
        (unet, {"image_size": 65537}, "`image_size` must be at most 65536"),
        (unet, {"image_size": (8, 10**9)}, "`image_size` must be at most 65536"),
        (unet, {"channels": 4097}, "`channels` must be at most 4096"),
        (unet, {"width": 10**9}, "`width` must be at most 8192"),
        (unet, {"blocks_per_depth": 10**7}, "`blocks_per_depth` must be at most 64"),
        (unet, {"multipliers": ()}, "`multipliers` must have 1 to 16"),
        (unet, {"multipliers": (1,) * 17}, "`multipliers` must have 1 to 16"),
        (unet, {"multipliers": (65,)}, "`multipliers` must be at most 64"),
        (unet, {"multipliers": 2}, "`multipliers` must be a list of ints.*type int"),
        (unet, {"attention_depths": 1}, "`attention_depths` must be a list"),
        (unet, {"attention_depths": (3,)}, "`attention_depths` must be at most 2"),
        (unet, {"attention_depths": (1,) * 99}, "`attention_depths` must have 0 to 16"),
        (unet, {"stem": 128}, "`stem` must be at most 64"),
        (unet, {"num_classes": 10**7}, "`num_classes` must be at most 1000000"),
        (unet, {"num_classes": True}, "`num_classes` must be an int"),
        (unet, {"width": 8192, "multipliers": (16,) * 4}, "at least .* weights"),
        (unet, {"image_size": 65536}, "at least .* weights"),
        (unet, {"patching": 2}, r"`patching` must be an object such as `GridPatching"),
        (unet, {"patching": GridPatching}, "`patching` must be an object"),
        (unet, {"schedule": "cosine"}, "`schedule` must be an object"),
        (arakawa_unet, {"image_size": 10**9}, "`image_size` must be at most 65536"),
        (arakawa_unet, {"dim": 10**9}, "`dim` must be at most 8192"),
        (arakawa_unet, {"dim": 8192, "multipliers": (1, 64)}, "at least .* weights"),
        (arakawa_unet, {"multipliers": 1}, "`multipliers` must be a list"),
        (arakawa_unet, {"channels": 10**9}, "`channels` must be at most 4096"),
        (arakawa_unet, {"num_classes": 0}, "`num_classes` must be at least 1"),
    ],
)
def test_sizes_beyond_the_limits_are_refused(builder, arguments, message, no_layers):
    with pytest.raises((TypeError, ValueError), match=message):
        builder(**{"image_size": 64, **arguments})


TINY = {"width": 4, "blocks_per_depth": 1, "multipliers": (1, 3)}


@pytest.mark.parametrize(
    "build",
    [
        lambda: unet(16, WholeImage(), attention_depths=(0, 1), **TINY),
        lambda: unet(16, GridPatching(4), num_classes=50, **TINY),
        lambda: unet(16, CascadePatching(2), stem=4, channels=9, **TINY),
        lambda: unet(16, RandomPatching(16, (0.5,)), multipliers=(4, 1, 1), width=4),
        lambda: unet(16, multipliers=(1,), width=4, blocks_per_depth=3),
        lambda: arakawa_unet(16, 8, dim=8, multipliers=(1, 2), num_classes=9),
        lambda: arakawa_unet(16, 2, dim=8, multipliers=(1,)),
    ],
)
def test_a_network_never_has_fewer_weights_than_the_lower_bound(build):
    """At most as many as it has are enough; a hundredth is refused."""
    count = build().count_params()
    with at_most_weights(count):
        assert build().count_params() == count
    with at_most_weights(count // 100):
        with pytest.raises(ValueError, match=f"the limit is {count // 100}"):
            build()


def test_how_a_network_was_built_is_on_record():
    network = unet((16, 32), GridPatching((1, 2)), schedule=DDPMSchedule(), **TINY)
    found = recorded(network)
    assert found.pop("name") == "unet"
    assert found == {
        "image_size": [16, 32],
        "channels": 3,
        "width": 4,
        "multipliers": [1, 3],
        "blocks_per_depth": 1,
        "attention_depths": [1],
        "stem": 1,
        "dropout": 0.0,
        "num_classes": None,
    }
    other = unet(patching=GridPatching((1, 2)), **found)
    assert [w.path for w in other.weights] == [w.path for w in network.weights]
    assert recorded(keras.models.clone_model(network)) is None
