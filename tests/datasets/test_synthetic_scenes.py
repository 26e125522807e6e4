import sys

import numpy as np
import pytest

from keras_patchdpm.datasets import synthetic_scenes

pytestmark = pytest.mark.once


def hue(colours):
    """Hue in turns of RGB `(..., 3)`, as an angle on the colour circle."""
    red, green, blue = np.moveaxis(colours.astype("float64"), -1, 0)
    angle = np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)
    return angle / (2 * np.pi) % 1


def turns_apart(a, b):
    return np.abs((a - b + 0.5) % 1 - 0.5)


@pytest.mark.parametrize(
    ("image_size", "shape"), [(32, (32, 32)), ((8, 9), (8, 9)), ((64, 48), (64, 48))]
)
def test_shape_and_dtype(image_size, shape):
    images = synthetic_scenes(3, image_size)
    assert images.shape == (3, *shape, 3)
    assert images.dtype == "uint8"


def test_scene_k_depends_on_the_seed_and_k_alone():
    images = synthetic_scenes(300, 16, seed=7)
    np.testing.assert_array_equal(synthetic_scenes(300, 16, seed=7), images)
    for count in (1, 5, 257):
        fewer = synthetic_scenes(count, 16, seed=7)
        np.testing.assert_array_equal(fewer, images[:count])
    other = synthetic_scenes(300, 16, seed=8)
    assert (images != other).any(axis=(1, 2, 3)).all()


def test_a_large_image_is_drawn_alone(monkeypatch):
    expected = synthetic_scenes(12, 16, seed=7)
    module = sys.modules[synthetic_scenes.__module__]
    monkeypatch.setattr(module, "_PIXELS", 5 * 16 * 16)
    np.testing.assert_array_equal(synthetic_scenes(12, 16, seed=7), expected)


def test_scenes_differ():
    images = synthetic_scenes(200).reshape(200, -1)
    assert len(np.unique(images, axis=0)) == 200


@pytest.mark.parametrize("image_size", [8, 32, (24, 40)])
def test_the_sky_is_above_the_ground_from_edge_to_edge(image_size):
    images = synthetic_scenes(200, image_size).astype("int32")
    np.testing.assert_array_equal(images[:, :, 0], images[:, :, -1])
    left = images[:, :, 0].max(axis=-1)
    assert (left[:, 0] > left[:, -1]).all()
    height = left.shape[1]
    horizon = np.abs(np.diff(left, axis=1)).argmax(axis=1) + 1
    assert (horizon >= 0.5 * height).all()
    assert (horizon <= 0.8 * height).all()


def test_a_scene_has_one_theme():
    """The ground has the hue opposite to the sky's; all hues occur."""
    images = synthetic_scenes(500)
    sky, ground = hue(images[:, 0, 0]), hue(images[:, -1, 0])
    assert turns_apart(sky, ground + 0.5).max() < 0.02
    assert (np.histogram(sky, bins=10, range=(0, 1))[0] > 25).all()


def test_the_house_and_the_sun_cross_the_borders_of_patches():
    """The middle column shows the house in most scenes; both halves show some of it."""
    images = synthetic_scenes(300).astype("int32")
    differs = (images != images[:, :, :1]).any(axis=-1)  # From sky and ground.
    halves = differs[:, :, :16].any(axis=(1, 2)) & differs[:, :, 16:].any(axis=(1, 2))
    assert halves.mean() > 0.9
    rows = differs[:, :16].any(axis=(1, 2)) & differs[:, 16:].any(axis=(1, 2))
    assert rows.mean() > 0.9


def test_the_sun_is_a_disc_in_every_frame():
    """It is as wide in pixels as it is high, in scenes whose house does not hide it."""
    images = synthetic_scenes(200, (48, 96)).astype("int32")
    yellow = (images == (255, 242, 178)).all(axis=-1)
    high = yellow.any(axis=2).sum(axis=1)
    wide = yellow.any(axis=1).sum(axis=1)
    assert np.median(high) >= 6
    assert np.median(np.abs(high - wide)) <= 1


def test_the_same_scene_in_another_size():
    """Sizes are samples of one drawing: the pooled large scene is the small one."""
    small = synthetic_scenes(20, 16).astype("float64")
    large = synthetic_scenes(20, 64).astype("float64")
    pooled = large.reshape(20, 16, 4, 16, 4, 3).mean(axis=(2, 4))
    assert np.abs(pooled - small).mean() < 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"count": 0}, ValueError, "`count` must be at least 1"),
        ({"count": 2.0}, TypeError, "`count` must be an int"),
        ({"count": 1, "image_size": 4}, ValueError, "`image_size` must be at least 8"),
        ({"count": 1, "image_size": (8, 8, 3)}, ValueError, "`image_size` must be"),
        ({"count": 1, "image_size": 32.0}, TypeError, "`image_size` must be an int"),
        ({"count": 1, "seed": -1}, ValueError, "`seed` must be at least 0"),
        ({"count": 10**12}, ValueError, "`count` must|need .*count=1000000000000"),
        ({"count": 10**8, "image_size": 999}, ValueError, "need .*iB of memory"),
        ({"count": 1, "image_size": 10**6}, ValueError, "need .*iB of memory"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        synthetic_scenes(**arguments)


@pytest.mark.parametrize(("count", "size"), [(10**9, 10**5), (2**31 - 1, 2**31 - 1)])
def test_refuses_more_than_the_memory_before_it_draws(count, size):
    with pytest.raises(ValueError, match="iB of memory.*count="):
        synthetic_scenes(count, size)
