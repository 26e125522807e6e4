"""Windows anywhere in images, and those of a grid that has a halo or moves."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_patchdpm import PatchGrid
from keras_patchdpm.windows import WindowGrid, coordinates, cut

few = settings(max_examples=8)  # JAX compiles anew for each shape.
small = st.integers(1, 4)
divisions = st.tuples(small, small)
patches = st.tuples(st.integers(2, 5), st.integers(2, 5))


def make(divisions, patch, halo, moving):
    size = tuple(np.multiply(divisions, patch).tolist())
    halo = min(halo, *((side - p) // 2 for side, p in zip(size, patch, strict=True)))
    return WindowGrid(PatchGrid(divisions), size, halo, moving)


@few
@given(st.integers(0, 10**6), small, small)
def test_cut_is_slicing(seed, h, w):
    draws = np.random.default_rng(seed)
    images = draws.normal(size=(3, 4, 7, 2)).astype("float32")
    corners = draws.integers(0, (4 - h + 1, 7 - w + 1), (3, 2, 2)).astype("int32")
    found = cut(images, ops.convert_to_tensor(corners), (h, w))
    found = ops.convert_to_numpy(found)
    for image, row in enumerate(corners):
        for k, (top, left) in enumerate(row):
            expected = images[image, top : top + h, left : left + w]
            np.testing.assert_array_equal(found[image, k], expected)


def test_coordinates_are_those_of_the_whole_image_from_corner_to_corner():
    whole = ops.convert_to_numpy(coordinates(np.array([0, 0]), (5, 3), (5, 3)))
    np.testing.assert_allclose(whole[0, :, 0], [-1, 0, 1])
    np.testing.assert_allclose(whole[:, 0, 1], [-1, -0.5, 0, 0.5, 1])
    corners = np.array([[[2, 1], [0, 0]]], "int32")
    parts = ops.convert_to_numpy(coordinates(corners, (3, 2), (5, 3)))
    np.testing.assert_array_equal(parts[0, 0], whole[2:, 1:])
    np.testing.assert_array_equal(parts[0, 1], whole[:3, :2])


@given(divisions, patches, st.integers(0, 3), st.booleans(), st.data())
def test_patches_tile_the_image_inside_their_windows(
    divisions, patch, halo, moving, data
):
    grid = make(divisions, patch, halo, moving)
    offset = [data.draw(st.integers(a, b - 1)) for a, b in grid.offsets]
    seen = np.zeros((*grid.image_size, 1))
    tiles = grid.tiles(offset)
    assert len(tiles) == grid.num_patches and tiles.size == grid.size
    for index in range(len(tiles)):
        window = np.zeros(grid.image_size, bool)
        window[tiles.window(index)] = True
        assert window.sum() == np.prod(grid.size), "a window sticks out"
        seen[tiles.window(index)] += tiles.blend(index)
    assert (seen == 1).all()


@given(divisions, patches, st.integers(0, 3), st.booleans(), st.data())
def test_the_sources_of_a_pixel_are_the_windows_over_it(
    divisions, patch, halo, moving, data
):
    """Gathered by them, windows that are cut out of an image make it again."""
    grid = make(divisions, patch, halo, moving)
    tiles = grid.tiles([data.draw(st.integers(a, b - 1)) for a, b in grid.offsets])
    image = np.random.default_rng(0).normal(size=grid.image_size)
    windows = np.stack([image[tiles.window(k)].ravel() for k in range(len(tiles))])
    tile, pixel, weight = tiles.sources(grid.image_size, (1, 1))
    assert (weight == 1).all()
    np.testing.assert_array_equal(windows[tile, pixel], image.reshape(1, -1))


@given(divisions, patches)
def test_without_halo_and_offset_they_are_the_grids_cells(divisions, patch):
    grid = PatchGrid(divisions)
    size = tuple(np.multiply(divisions, patch).tolist())
    tiles = WindowGrid(grid, size).tiles((0, 0))
    for index in range(len(tiles)):
        assert tiles.window(index) == grid.cell(index, size)
        assert (tiles.blend(index) == np.ones((*patch, 1))).all()


def test_a_halo_lies_on_both_sides_where_there_is_room():
    grid = WindowGrid(PatchGrid((1, 4)), (8, 16), halo=0)
    assert grid.size == (8, 4)
    grid = WindowGrid(PatchGrid(4), (16, 16), halo=2)
    tiles = grid.tiles((0, 0))
    columns = [tiles.window(index)[1] for index in range(4)]
    starts = [(window.start, window.stop) for window in columns]
    assert starts == [(0, 8), (2, 10), (6, 14), (8, 16)]


def test_offsets_are_drawn_evenly_and_never_the_grid_itself():
    grid = WindowGrid(PatchGrid((2, 1)), (8, 5), moving=True)
    assert grid.num_patches == 3, "an axis that is not divided does not move"
    drawn = grid.draw_offset(3000, keras.random.SeedGenerator(0))
    down, across = ops.convert_to_numpy(drawn).T
    assert (across == 0).all()
    np.testing.assert_allclose(np.bincount(down), [0, 1000, 1000, 1000], rtol=0.1)
    still = WindowGrid(PatchGrid(2), (8, 8)).draw_offset(3, None)
    assert not ops.convert_to_numpy(still).any()


def test_refuses_a_halo_larger_than_the_image():
    with pytest.raises(ValueError, match=r"larger than the image of \(8, 8\).*halo=3"):
        WindowGrid(PatchGrid(2), (8, 8), halo=3)


def test_refuses_to_move_by_less_than_a_pixel():
    with pytest.raises(ValueError, match=r"cannot move.*patches of \(1, 4\)"):
        WindowGrid(PatchGrid((4, 1)), (4, 4), moving=True)
