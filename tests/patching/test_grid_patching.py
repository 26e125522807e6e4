"""The patches: promise 3, what a network is given, and the sampler's side of it."""

import json

import keras
import numpy as np
import pytest
from keras import ops
from patching.sampled import blended, sampled

from keras_patchdpm import GridPatching, PatchGrid

DIVISIONS = (2, 3)
SHAPE = (5, 4, 9, 2)  # B, H, W, C: patches of 2x3 pixels.


@pytest.fixture
def images(rng):
    """Noisy images and their target, none like another."""
    return rng.normal(size=(2, *SHAPE)).astype("float32")


def cut(patching, noisy, target, seed=3):
    """The example of training, for images that are noisy already."""
    inputs, target = patching.example(
        ops.convert_to_tensor(noisy),
        lambda clean: (clean, ops.convert_to_tensor(target)),
        keras.random.SeedGenerator(seed),
    )
    inputs = {name: ops.convert_to_numpy(value) for name, value in inputs.items()}
    return inputs, ops.convert_to_numpy(target)


def check_cut(patching, inputs, target_patches, noisy, target):
    """Promise 3: place, patch, content and target belong to one noisy image."""
    grid, count = patching.grid, patching.patches_per_image
    assert len(target_patches) == len(noisy) * count
    pooled = ops.convert_to_numpy(grid.content(noisy))
    for row, patch in enumerate(inputs["noisy"]):
        image, index = row // count, int(inputs["patch_index"][row])
        rows, cols = grid.cell(index, noisy.shape[1:3])
        np.testing.assert_array_equal(patch, noisy[image, rows, cols])
        np.testing.assert_array_equal(target_patches[row], target[image, rows, cols])
        np.testing.assert_allclose(inputs["content"][row], pooled[image], atol=1e-6)


@pytest.mark.parametrize("count", [1, 3, 6])
def test_patch_place_content_and_target_are_of_one_image(images, count):
    patching = GridPatching(DIVISIONS, patches_per_image=count)
    inputs, target = cut(patching, *images)
    check_cut(patching, inputs, target, *images)
    index = inputs["patch_index"].reshape(-1, count)
    assert index.dtype == np.int32
    assert all(len(set(row)) == count for row in index.tolist()), "a patch twice"


def test_all_patches_of_an_image_are_the_image(images):
    patching = GridPatching(DIVISIONS, patches_per_image=6)
    inputs, target = cut(patching, *images)
    order = np.argsort(inputs["patch_index"].reshape(-1, 6), axis=1)
    for found, whole in ((inputs["noisy"], images[0]), (target, images[1])):
        patches = found.reshape(SHAPE[0], 6, 2, 3, 2)
        patches = np.take_along_axis(patches, order[:, :, None, None, None], axis=1)
        merged = ops.convert_to_numpy(patching.grid.merge(patches))
        np.testing.assert_array_equal(merged, whole)


def test_draws_each_patch_as_often_and_from_the_seed():
    noisy = np.zeros((6000, 2, 3, 1), "float32")
    patching = GridPatching(DIVISIONS, patches_per_image=2)
    first, again, other = (
        cut(patching, noisy, noisy, seed)[0]["patch_index"] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_allclose(np.bincount(first, minlength=6), 2000, rtol=0.1)


@pytest.mark.parametrize("position", ["one_hot", False])
@pytest.mark.parametrize("content", [True, False])
def test_what_is_switched_off_is_not_given(images, position, content):
    patching = GridPatching(DIVISIONS, position=position, content=content)
    specs = patching.input_specs(SHAPE[1:])
    names = ["noisy", *["content"] * content, *["patch_index"] * bool(position)]
    assert list(specs) == names
    training, _ = cut(patching, *images)
    sampling = sampled(patching, images[0])[0]([4])
    for inputs in (training, sampling):
        assert sorted(inputs) == sorted(names)
        for name, spec in specs.items():
            assert inputs[name].shape == (SHAPE[0], *spec.shape)
            assert inputs[name].dtype == spec.dtype


def test_the_specs_name_shapes_and_dtypes():
    assert GridPatching(DIVISIONS).input_specs((4, 9, 2)) == {
        "noisy": ((2, 3, 2), "float32", "map", None),
        "content": ((2, 3, 2), "float32", "content", None),
        "patch_index": ((), "int32", "position", 6),
    }
    assert GridPatching(DIVISIONS).image_shape((2, 3, 2)) == (4, 9, 2)


@pytest.mark.parametrize("indices", [[0], [5, 2], [3, 0, 4, 1, 5, 2]])
def test_the_sampler_cuts_what_training_cuts(images, indices):
    noisy = images[0]
    patching = GridPatching(DIVISIONS)
    inputs = sampled(patching, noisy)[0](indices)
    assert inputs["patch_index"].dtype == np.int32
    place = [(k, index) for k in range(len(noisy)) for index in indices]
    np.testing.assert_array_equal(inputs["patch_index"], [index for _, index in place])
    pooled = noisy.reshape(5, 2, 2, 3, 3, 2).mean(axis=(2, 4))
    for row, (image, index) in enumerate(place):
        rows, cols = PatchGrid(DIVISIONS).cell(index, (4, 9))
        np.testing.assert_array_equal(inputs["noisy"][row], noisy[image, rows, cols])
        np.testing.assert_allclose(inputs["content"][row], pooled[image], atol=1e-6)


@pytest.mark.parametrize("groups", [[[0, 1, 2, 3, 4, 5]], [[4], [1, 5, 0], [3, 2]]])
def test_the_windows_make_the_image(images, groups):
    noisy = images[0]
    patching = GridPatching(DIVISIONS)
    inputs_of, tiles = sampled(patching, noisy)
    result = np.zeros(SHAPE, "float32")
    for indices in groups:
        blended(tiles, inputs_of(indices)["noisy"], indices, result)
    np.testing.assert_array_equal(result, noisy)


# What goes beyond the original method: windows wider than patches, grids that shift.

WIDE = (3, 8, 12, 2)  # Patches of 4x4 pixels in a grid of 2x3.
OPTIONS = [
    {"halo": 2},
    {"shift": True},
    {"halo": 1, "shift": True, "patches_per_image": 3},
]


def corner_of(told):
    """Row and column of a window's first pixel, from its coordinates."""
    across, down = (told[0, 0] + 1) / 2 * (WIDE[2] - 1, WIDE[1] - 1)
    return round(down), round(across)


def _bilinear(images, axis, size):
    """Interpolates along an axis, between the centres of the pixels."""
    old = images.shape[axis]
    centres = (np.arange(size) + 0.5) * old / size - 0.5

    def along(line):
        return np.interp(centres, np.arange(old), line)

    return np.apply_along_axis(along, axis, images)


def check_windows(patching, inputs, rows, noisy):
    """All inputs belong to the window that the coordinates name, of image `rows[k]`."""
    h = 4 + 2 * patching.halo
    pooled = noisy.reshape(3, 4, 2, 4, 3, 2).mean(axis=(2, 4))
    whole = _bilinear(_bilinear(pooled, 1, h), 2, h)
    for k, image in enumerate(rows):
        top, left = corner_of(inputs["coordinates"][k])
        window = np.s_[top : top + h, left : left + h]
        np.testing.assert_array_equal(inputs["noisy"][k], noisy[image][window])
        np.testing.assert_allclose(inputs["content"][k], whole[image], atol=1e-6)


@pytest.mark.parametrize("options", OPTIONS)
def test_training_cuts_windows_whose_inputs_belong_together(options, rng):
    noisy, target = rng.normal(size=(2, *WIDE)).astype("float32")
    patching = GridPatching(DIVISIONS, "coordinates", **options)
    inputs, found = cut(patching, noisy, target)
    rows = np.repeat(np.arange(3), patching.patches_per_image)
    specs = patching.input_specs(WIDE[1:])
    assert {name: x.shape for name, x in inputs.items()} == {
        name: (len(rows), *spec.shape) for name, spec in specs.items()
    }
    check_windows(patching, inputs, rows, noisy)
    for k, image in enumerate(rows):
        top, left = corner_of(inputs["coordinates"][k])
        h, w, _ = found[k].shape
        expected = target[image, top : top + h, left : left + w]
        np.testing.assert_array_equal(found[k], expected)


@pytest.mark.parametrize("options", OPTIONS)
def test_sampling_cuts_the_same_and_places_each_pixel_once(options, rng):
    noisy = rng.normal(size=WIDE).astype("float32")
    patching = GridPatching(DIVISIONS, "coordinates", **options)
    inputs_of, tiles = sampled(patching, noisy, np.random.default_rng(1))
    result = np.zeros(WIDE, "float32")
    order = np.random.default_rng(0).permutation(len(tiles)).tolist()
    for indices in (order[:2], order[2:]):
        inputs = inputs_of(indices)
        check_windows(patching, inputs, np.repeat(np.arange(3), len(indices)), noisy)
        blended(tiles, inputs["noisy"], indices, result)
    np.testing.assert_array_equal(result, noisy)


def test_training_sees_the_windows_that_sampling_asks_for():
    """As often: of each offset as many, of each patch as many."""
    patching = GridPatching((1, 2), "coordinates", shift=True)
    noisy = np.zeros((4000, 1, 8, 1), "float32")
    told = cut(patching, noisy, noisy)[0]["coordinates"]
    trained = np.bincount(np.rint((told[:, 0, 0, 0] + 1) / 2 * 7).astype(int))
    rng, asked = np.random.default_rng(0), np.zeros(5, int)
    tiling = patching.tiling((1, 8))
    for _ in range(1000):
        np.add.at(asked, tiling.tiles(rng).corners[:, 1], 1)
    np.testing.assert_allclose(trained / 4000, asked / 3000, atol=0.03)


def test_a_shifted_grid_lies_elsewhere_at_each_step():
    patching = GridPatching(2, "coordinates", shift=True)
    rng = np.random.default_rng(0)
    tiling = patching.tiling((16, 16))
    middle = [tiling.tiles(rng).corners[4].tolist() for _ in range(99)]
    assert {row for row, _ in middle} == set(range(1, 8))
    assert {col for _, col in middle} == set(range(1, 8))


def test_serialization():
    patching = GridPatching(DIVISIONS, content=False, patches_per_image=2)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(patching)))
    assert config["registered_name"] == "keras_patchdpm>GridPatching"
    clone = keras.saving.deserialize_keras_object(config)
    assert type(clone) is GridPatching
    assert clone.get_config() == patching.get_config()
    assert clone.get_config() == {
        "divisions": DIVISIONS,
        "position": "one_hot",
        "content": False,
        "patches_per_image": 2,
        "halo": 0,
        "shift": False,
    }
    assert clone.grid.num_patches == 6


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"divisions": 0}, ValueError, "`divisions` must be at least 1"),
        ({"divisions": 1.5}, TypeError, "`divisions` must be an int"),
        ({"patches_per_image": 0}, ValueError, "`patches_per_image` must be at least"),
        ({"position": "two_hot"}, ValueError, "one of 'one_hot', 'coordinates', False"),
        ({"halo": -1}, ValueError, "`halo` must be at least 0"),
        ({"halo": 1.0}, TypeError, "`halo` must be an int"),
        ({"shift": True}, ValueError, 'Choose `position="coordinates"`'),
        ({"patches_per_image": 5}, ValueError, "`patches_per_image` must be at most 4"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        GridPatching(**{"divisions": 2, **arguments})


def test_refuses_images_that_do_not_divide():
    with pytest.raises(ValueError, match="10x9 pixels does not divide into 4x3"):
        GridPatching((4, 3)).input_specs((10, 9, 3))
