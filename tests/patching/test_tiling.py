"""Tilings: their patches cover the image, in training as in sampling."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_patchdpm import PatchGrid
from keras_patchdpm.patching import Tiling

small = st.integers(1, 4)
divisions = st.tuples(small, small)
patches = st.tuples(st.integers(2, 5), st.integers(2, 5))
seeds = st.integers(0, 10**6)


def make(divisions, patch, halo, shift):
    size = tuple(np.multiply(divisions, patch).tolist())
    halo = min(halo, *((side - p) // 2 for side, p in zip(size, patch, strict=True)))
    return Tiling(size, divisions, halo=halo, shift=shift)


@pytest.mark.once
@given(divisions, patches, st.integers(0, 3), st.booleans(), seeds)
def test_patches_tile_the_image_inside_their_windows(
    divisions, patch, halo, shift, seed
):
    tiling = make(divisions, patch, halo, shift)
    seen = np.zeros((*tiling.image_size, 1))
    tiles = tiling.tiles(np.random.default_rng(seed))
    assert len(tiles) == tiling.num_patches and tiles.size == tiling.window_size
    for index in range(len(tiles)):
        window = np.zeros(tiling.image_size, bool)
        window[tiles.window(index)] = True
        assert window.sum() == np.prod(tiling.window_size), "a window sticks out"
        seen[tiles.window(index)] += tiles.blend(index)
    assert (seen == 1).all()


@pytest.mark.once
@given(divisions, patches, st.integers(0, 3), st.booleans(), seeds)
def test_the_sources_of_a_pixel_are_the_windows_over_it(
    divisions, patch, halo, shift, seed
):
    """Gathered by them, windows that are cut out of an image make it again."""
    tiling = make(divisions, patch, halo, shift)
    tiles = tiling.tiles(np.random.default_rng(seed))
    image = np.random.default_rng(0).normal(size=tiling.image_size)
    windows = np.stack([image[tiles.window(k)].ravel() for k in range(len(tiles))])
    tile, pixel, weight = tiles.sources(tiling.image_size, (1, 1))
    assert (weight == 1).all()
    np.testing.assert_array_equal(windows[tile, pixel], image.reshape(1, -1))


@pytest.mark.once
@given(divisions, patches)
def test_without_halo_and_offset_they_are_the_grids_cells(divisions, patch):
    grid = PatchGrid(divisions)
    size = tuple(np.multiply(divisions, patch).tolist())
    tiles = Tiling(size, divisions).tiles(np.random.default_rng(0))
    for index in range(len(tiles)):
        assert tiles.window(index) == grid.cell(index, size)
        assert (tiles.blend(index) == np.ones((*patch, 1))).all()


@pytest.mark.once
def test_a_halo_lies_on_both_sides_where_there_is_room():
    assert Tiling((8, 16), (1, 4)).window_size == (8, 4)
    tiles = Tiling(16, 4, halo=2).tiles(np.random.default_rng(0))
    columns = [tiles.window(index)[1] for index in range(4)]
    starts = [(window.start, window.stop) for window in columns]
    assert starts == [(0, 8), (2, 10), (6, 14), (8, 16)]


def test_offsets_are_drawn_evenly_and_never_the_grid_itself():
    tiling = Tiling((8, 5), (2, 1), shift=True)
    assert tiling.num_patches == 3, "an axis that is not divided does not shift"
    index, corners = tiling.draw(3000, 1, keras.random.SeedGenerator(0))
    down, across = ops.convert_to_numpy(corners)[:, 0].T
    assert (across == 0).all()
    middle = down[ops.convert_to_numpy(index)[:, 0] == 1]  # The others are clipped.
    np.testing.assert_allclose(np.bincount(middle), [0, 333, 333, 333], rtol=0.2)


def test_training_draws_the_windows_of_sampling():
    """`corners` in a compiled step, and `tiles` of the sampler, for each offset."""
    for options in ({"halo": 1}, {"shift": True, "halo": 1}, {"overlap": 0.5}):
        tiling = Tiling((12, 16), (3, 4), **options)
        offsets = [0, 0]
        if tiling.shift:
            rng = np.random.default_rng(5)
            offsets = [int(rng.integers(1, 4)) for _ in (0, 1)]
        index = np.arange(tiling.num_patches, dtype="int32")
        found = tiling.corners(
            ops.convert_to_tensor(index), ops.convert_to_tensor(offsets, "int32")
        )
        expected = tiling.tiles(np.random.default_rng(5)).corners
        np.testing.assert_array_equal(ops.convert_to_numpy(found), expected)


@pytest.mark.once
def test_a_tiling_is_plain_data():
    tiling = Tiling((12, 16), (3, 4), halo=1, shift=True)
    assert Tiling.from_config(tiling.get_config()).get_config() == tiling.get_config()


@pytest.mark.once
def test_refuses_a_halo_larger_than_the_image():
    with pytest.raises(ValueError, match=r"larger than the image of \(8, 8\).*halo=3"):
        Tiling(8, 2, halo=3)


@pytest.mark.once
def test_refuses_to_shift_by_less_than_a_pixel():
    with pytest.raises(ValueError, match="cannot be shifted.*patches of 1 pixel"):
        Tiling(4, (4, 1), shift=True)
