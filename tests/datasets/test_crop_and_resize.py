"""Random parts of images, ours and those of keras-cv."""

import builtins

import keras
import numpy as np
import pytest
from keras import ops

from keras_patchdpm import RandomPatching
from keras_patchdpm.datasets import (
    ImageBatches,
    random_crop_and_resize,
    random_crop_and_resize_layer,
)
from keras_patchdpm.datasets._crop_and_resize import crop_and_resize
from keras_patchdpm.windows import coordinates, cut


def ramps(height, width):
    """Two channels that say where a pixel lies, from 0 to 1."""
    lines = np.linspace(0, 1, height), np.linspace(0, 1, width)
    return np.stack(np.meshgrid(*lines, indexing="ij"), -1)[None].astype("float32")


def test_boxes_say_which_part():
    boxes = np.array([[0, 0, 1, 1], [0.25, 0.5, 0.75, 1.0]])
    images = np.repeat(ramps(9, 5), 2, axis=0)
    found = ops.convert_to_numpy(crop_and_resize(images, boxes, (9, 5)))
    np.testing.assert_allclose(found[0], images[0], atol=1e-6)
    np.testing.assert_allclose(found[1, :, 0, 0], np.linspace(0.25, 0.75, 9), atol=1e-6)
    np.testing.assert_allclose(found[1, 0, :, 1], np.linspace(0.5, 1, 5), atol=1e-6)


def test_parts_have_the_sizes_that_were_asked_for():
    area, aspect = (0.3, 0.6), (0.8, 1.25)
    images = np.repeat(ramps(32, 32), 500, axis=0)
    found = random_crop_and_resize(
        images, np.random.default_rng(0), area=area, aspect=aspect
    )
    sides = found[:, -1, -1] - found[:, 0, 0]
    areas, aspects = sides.prod(-1), sides[:, 1] / sides[:, 0]
    for values, (low, high) in ((areas, area), (aspects, aspect)):
        assert low - 1e-3 < values.min() < low + 0.05
        assert high - 0.05 < values.max() < high + 1e-3
    first = found[:, 0, 0]
    np.testing.assert_allclose(first.mean(0) / (1 - sides).mean(0), 0.5, atol=0.05)


def test_dtype_and_range_are_kept(rng):
    images = rng.integers(0, 256, (3, 8, 8, 3), dtype="uint8")
    found = random_crop_and_resize(images, np.random.default_rng(0), size=(4, 6))
    assert found.dtype == "uint8" and found.shape == (3, 4, 6, 3)
    same = random_crop_and_resize(
        images, np.random.default_rng(0), area=(1, 1), aspect=(1, 1)
    )
    np.testing.assert_array_equal(same, images)


def test_batches_are_augmented_the_same_every_time(rng):
    images = rng.integers(0, 256, (8, 8, 8, 3), dtype="uint8")
    batches = ImageBatches(images, 4, augment=random_crop_and_resize)
    (first,), (plain,) = batches[1], ImageBatches(images, 4)[1]
    np.testing.assert_array_equal(batches[1][0], first)
    assert first.dtype == "uint8" and np.any(first != plain)
    batches.epoch = 1
    assert np.any(batches[1][0] != first)


def test_a_layer_of_keras_augments(rng):
    images = rng.integers(0, 128, (8, 8, 8, 3), dtype="uint8")
    layer = keras.layers.RandomBrightness((0.5, 0.5), value_range=(0, 255))
    batches = ImageBatches(
        images,
        4,
        flip=False,
        augment=lambda batch, rng: layer(batch.astype("float32"), training=True),
    )
    (plain,) = ImageBatches(images, 4, flip=False)[0]
    np.testing.assert_allclose(batches[0][0], np.rint(plain + 127.5), atol=1)


def test_a_mirrored_crop_with_mirrored_coordinates_is_a_crop_of_the_mirrored_image(rng):
    image = rng.normal(size=(1, 8, 12, 3)).astype("float32")
    row, col, h, w = 2, 3, 4, 6
    mirrored = image[:, :, ::-1]
    corner = np.array([[[row, 12 - col - w]]], "int32")
    corner = ops.convert_to_tensor(corner)
    expected = ops.convert_to_numpy(cut(mirrored, corner, (h, w)))[0, 0]
    told = ops.convert_to_numpy(coordinates(corner, (h, w), (8, 12)))[0, 0]
    crop = image[0, row : row + h, col : col + w]
    where = ops.convert_to_numpy(coordinates(np.array([row, col]), (h, w), (8, 12)))
    np.testing.assert_array_equal(crop[:, ::-1], expected)
    np.testing.assert_allclose(where[:, ::-1] * [-1, 1], told, atol=1e-6)


def test_crops_are_cut_from_augmented_images():
    """What a crop is told of its place is true of the image after augmentation."""
    images = np.repeat(ramps(8, 8), 8, axis=0) * 2 - 1  # Says its own coordinates.
    turned = ImageBatches(
        images, 4, flip=False, augment=lambda batch, rng: batch[:, ::-1]
    )
    batches = RandomPatching(8, (0.5,), [1.0]).batches(turned, None, 0)
    (data,) = batches[0]
    rows = 2 * data["rows"] / 7 - 1
    np.testing.assert_allclose(data["images"][:, :, 0, 0], -rows, atol=1e-6)


def test_keras_cv_that_is_missing_is_named(monkeypatch):
    found = builtins.__import__

    def without(name, *rest):
        if name == "keras_cv":
            raise ImportError("none here")
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"keras-patchdpm\[cv\].*none here"):
        random_crop_and_resize_layer((8, 8))


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"area": (0.9, 0.5)}, "`area` must be a range"),
        ({"area": (0.5, 1.5)}, r"`area` must be in .*area=1.5"),
        ({"aspect": (0, 1)}, "`aspect` must be in .*aspect=0"),
    ],
)
def test_ranges_out_of_bounds_are_refused(options, match):
    images = np.zeros((1, 4, 4, 3))
    with pytest.raises(ValueError, match=match):
        random_crop_and_resize(images, np.random.default_rng(0), **options)
    with pytest.raises(ValueError, match=match):
        random_crop_and_resize_layer((4, 4), **options)


IMAGES, RNG = np.zeros((1, 4, 4, 3), "uint8"), np.random.default_rng(0)


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((None, RNG), TypeError, "`images` must contain numbers"),
        ((IMAGES.astype("complex64"), RNG), TypeError, "of dtype complex64"),
        ((IMAGES[0], RNG), ValueError, r"`images` must .*shape=\(4, 4, 3\)"),
        ((IMAGES[:, :0], RNG), ValueError, "no axis of size 0"),
        ((IMAGES, 0), TypeError, "`rng` must be a `Generator`.*rng=0"),
        ((IMAGES, None), TypeError, "`rng` must be a `Generator`"),
        ((IMAGES, RNG, {"area": 1}), TypeError, "`area` must be a list or tuple"),
        (
            (IMAGES, RNG, {"area": (1, 1, 1)}),
            ValueError,
            "`area` must contain 2 entries",
        ),
        ((IMAGES, RNG, {"area": ("a", 1)}), TypeError, "`area` must be a number"),
        (
            (IMAGES, RNG, {"aspect": None}),
            TypeError,
            "`aspect` must be a list or tuple",
        ),
        ((IMAGES, RNG, {"size": 0}), ValueError, "`size` must be at least 1"),
        ((IMAGES, RNG, {"size": 10**8}), ValueError, "need .*iB of memory"),
    ],
)
def test_other_arguments_are_refused(arguments, error, match):
    with pytest.raises(error, match=match):
        images, rng, *options = arguments
        random_crop_and_resize(images, rng, **(options[0] if options else {}))


@pytest.mark.once
def test_the_layer_checks_before_it_imports():
    for options, name in (({"size": None}, "size"), ({"size": 8, "seed": -1}, "seed")):
        with pytest.raises((TypeError, ValueError), match=f"`{name}` must be"):
            random_crop_and_resize_layer(**options)


def test_images_that_come_again_in_an_epoch_have_another_order():
    images = np.arange(8, dtype="uint8")[:, None, None, None].repeat(8, 1).repeat(8, 2)
    batches = RandomPatching(8, (0.25,), [1.0]).batches(
        ImageBatches(images, 4, flip=False), None, 0
    )
    (data,) = batches[0]
    seen = data["images"][:, 0, 0, 0].reshape(4, 4)  # Two times all eight.
    assert set(seen[:2].flat) == set(seen[2:].flat) == set(range(8))
    assert np.any(seen[:2] != seen[2:])
