"""Transformations of images: closed forms, SciPy, their labels, how often they come."""

import math

import keras
import numpy as np
import pytest
from keras import ops
from scipy.ndimage import map_coordinates

from keras_patchdpm import GeometricAugmentation

NAMES = "mirror", "flip", "scale", "angle", "direction", "stretch", "right", "down"
STRONG = GeometricAugmentation(scale=1.0, stretch=1.0, translation=0.125)


def parameters(count=1, **values):
    """As `draw` returns them: 0, or the given values."""
    columns = [np.full(count, values.get(name, 0.0)) for name in NAMES]
    return ops.convert_to_tensor(np.stack(columns, axis=1), "float32")


def transformed(images, **values):
    given = ops.convert_to_tensor(images, "float32")
    return ops.convert_to_numpy(
        STRONG.transform(given, parameters(len(images), **values))
    )


def square(rng, side=8):
    return rng.uniform(-1, 1, (2, side, side, 3)).astype("float32")


def moved(images, axis):
    """One pixel to the right or down; the edge is reflected."""
    before = [(0, 0)] * 4
    before[axis] = (1, 0)
    padded = np.pad(images, before, mode="symmetric")
    return np.take(padded, np.arange(images.shape[axis]), axis)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"mirror": 1}, lambda x: x[:, :, ::-1]),
        ({"flip": 1}, lambda x: x[:, ::-1]),
        ({"mirror": 1, "flip": 1}, lambda x: np.rot90(x, 2, (1, 2))),
        ({"angle": math.pi / 2}, lambda x: np.rot90(x, 1, (1, 2))),
        ({"angle": -math.pi / 2}, lambda x: np.rot90(x, -1, (1, 2))),
        ({"right": 1}, lambda x: moved(x, 2)),
        ({"down": 1}, lambda x: moved(x, 1)),
        ({"right": -1}, lambda x: moved(x[:, :, ::-1], 2)[:, :, ::-1]),
        # The flip comes before the rotation, and both before the movement.
        (
            {"mirror": 1, "angle": math.pi / 2, "down": 1},
            lambda x: moved(np.rot90(x[:, :, ::-1], 1, (1, 2)), 1),
        ),
        ({}, lambda x: x),
    ],
)
def test_closed_forms(values, expected, rng):
    images = square(rng)
    found = transformed(images, **values)
    np.testing.assert_allclose(found, expected(images), atol=3e-6)


def ramps(side=9):
    """Two channels: the distance from the middle, across and down."""
    place = np.arange(side, dtype="float32") - (side - 1) / 2
    return np.stack(np.meshgrid(place, place), axis=-1)[None]


@pytest.mark.once
@pytest.mark.parametrize(
    ("values", "across", "down"),
    [
        ({"scale": 1}, 0.5, 0.5),
        ({"stretch": 1}, 0.5, 2.0),
        ({"stretch": -1}, 2.0, 0.5),
        ({"stretch": 1, "direction": math.pi / 2}, 2.0, 0.5),
        ({"scale": -1}, 2.0, 2.0),
    ],
)
def test_scales_of_a_ramp(values, across, down):
    """Pixels that come from inside the image: the middle alone, where it shrinks."""
    middle = slice(2, 7) if 2.0 in (across, down) else slice(None)
    found = transformed(ramps(), **values)[:, middle, middle]
    expected = (ramps() * [across, down])[:, middle, middle]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def by_scipy(image, mirror, flip, scale, angle, direction, stretch, right, down):
    """The transformed image, by the matrices of the source."""

    def rotation(angle):  # Counterclockwise, with `y` down.
        cos, sin = math.cos(angle), math.sin(angle)
        return np.array([[cos, sin], [-sin, cos]])

    height, width = image.shape[:2]
    matrix = np.diag([1.0 - 2 * mirror, 1.0 - 2 * flip]) * 2**scale
    matrix = rotation(angle) @ matrix
    stretches = np.diag([2**stretch, 2**-stretch])
    matrix = rotation(direction) @ stretches @ rotation(-direction) @ matrix
    middle = np.array([width - 1, height - 1]) / 2
    y, x = np.indices((height, width))
    move = np.array([right * width, down * height]) / 8
    places = np.stack([x, y], axis=-1) - middle - move
    x, y = np.moveaxis(places @ np.linalg.inv(matrix).T + middle, -1, 0)
    channels = np.moveaxis(image, -1, 0)
    found = [map_coordinates(c, [y, x], order=1, mode="reflect") for c in channels]
    return np.stack(found, axis=-1)


@pytest.mark.parametrize("shape", [(7, 12, 3), (9, 4, 1)])
def test_all_together_are_scipys(shape, rng):
    images = rng.uniform(-1, 1, (8, *shape)).astype("float32")
    values = rng.normal(size=(8, len(NAMES)))
    values[:, :2] = rng.integers(0, 2, (8, 2))
    expected = np.stack([by_scipy(*pair) for pair in zip_rows(images, values)])
    given = ops.convert_to_tensor(values, "float32")
    found = STRONG.transform(ops.convert_to_tensor(images), given)
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, atol=2e-5)


def zip_rows(images, values):
    return ((image, *row) for image, row in zip(images, values, strict=True))


def called(augmentation, images, seed=3):
    seeds = keras.random.SeedGenerator(seed)
    return [ops.convert_to_numpy(x) for x in augmentation(images, seeds)]


def test_nothing_applied_is_the_image_bit_for_bit(rng):
    images = square(rng, side=5)
    never = GeometricAugmentation(0.0, mirror_probability=0.0)
    found, labels = called(never, images)
    np.testing.assert_array_equal(found, images)
    assert not labels.any() and labels.shape == (2, 9)


def test_labels_are_those_of_the_transformation(rng):
    images = rng.uniform(-1, 1, (64, 6, 6, 1)).astype("float32")
    augmentation = GeometricAugmentation(0.3, mirror_probability=0.3)
    found, labels = called(augmentation, images)
    drawn = augmentation.draw(64, keras.random.SeedGenerator(3))
    again = augmentation.transform(ops.convert_to_tensor(images), drawn)
    np.testing.assert_allclose(found, ops.convert_to_numpy(again), atol=1e-6)
    a = ops.convert_to_numpy(drawn).T
    expected = [a[0], a[1], a[2], np.cos(a[3]) - 1, np.sin(a[3])]
    expected += [a[5] * np.cos(a[4]), a[5] * np.sin(a[4]), a[6], a[7]]
    np.testing.assert_allclose(labels, np.stack(expected, axis=1), atol=1e-6)
    changed = (found != images).any(axis=(1, 2, 3))
    np.testing.assert_array_equal(changed, labels.any(axis=1))
    assert 5 < changed.sum() < 64


def test_transformations_come_as_often_as_asked():
    augmentation = GeometricAugmentation(0.3, rotation=90.0)
    drawn = augmentation.draw(20_000, keras.random.SeedGenerator(0))
    drawn = ops.convert_to_numpy(drawn)
    shares = (drawn != 0).mean(axis=0)
    expected = [0.5, 0.15, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]
    np.testing.assert_allclose(shares, expected, atol=0.015)
    for name in ("scale", "stretch", "right", "down"):
        values = drawn[:, NAMES.index(name)]
        assert values[values != 0].std() == pytest.approx(1, abs=0.04)
    for name, largest in (("angle", math.pi / 2), ("direction", math.pi)):
        values = drawn[:, NAMES.index(name)]
        assert values.min() == pytest.approx(-largest, abs=0.01)
        assert values.max() == pytest.approx(largest, abs=0.01)
    together = (drawn[:, 2] != 0) & (drawn[:, 3] != 0)
    assert together.mean() == pytest.approx(0.09, abs=0.01)  # Independent.


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("vertical_flip", [1]),
        ("scale", [2]),
        ("rotation", [3]),
        ("stretch", [4, 5]),
        ("translation", [6, 7]),
    ],
)
def test_what_is_switched_off_has_no_label(name, columns):
    off = False if name == "vertical_flip" else 0
    augmentation = GeometricAugmentation(1.0, **{name: off})
    drawn = augmentation.draw(100, keras.random.SeedGenerator(0))
    found = ops.convert_to_numpy(drawn).any(axis=0)
    assert [index for index in range(8) if not found[index]] == columns


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"probability": 1.5}, ValueError, r"`probability` must be in \[0, 1\].*1.5"),
        ({"probability": "0.1"}, TypeError, "`probability` must be a number.*'0.1'"),
        ({"probability": True}, TypeError, "`probability` must be a number.*True"),
        ({"probability": math.nan}, ValueError, "`probability`.*nan"),
        ({"mirror_probability": -0.1}, ValueError, "`mirror_probability`.*-0.1"),
        ({"vertical_flip": 1}, TypeError, "`vertical_flip` must be True or False"),
        ({"scale": 2}, ValueError, "`scale` must be in"),
        ({"rotation": 270}, ValueError, r"`rotation` must be in \[0, 180\].*270"),
        ({"stretch": None}, TypeError, "`stretch` must be a number.*None"),
        ({"translation": math.inf}, ValueError, "`translation`.*inf"),
    ],
)
def test_wrong_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        GeometricAugmentation(**arguments)


@pytest.mark.once
@pytest.mark.parametrize(
    ("images", "seeds", "error", "match"),
    [
        (np.zeros((8, 8, 3)), None, ValueError, "`images` must have the shape"),
        ("photo.png", None, TypeError, "`images` must be an array"),
        (np.zeros((1, 8, 8, 3)), 7, TypeError, "`seed_generator`.*SeedGenerator.*7"),
    ],
)
def test_wrong_images(images, seeds, error, match):
    with pytest.raises(error, match=match):
        GeometricAugmentation()(images, seeds)
