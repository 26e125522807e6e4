"""The grid: promise 4, and every other thing that says where a patch lies."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_patchdpm import PatchGrid, layers

few = settings(max_examples=8)  # JAX compiles anew for each shape.
small = st.integers(1, 4)
grids = st.tuples(small, small)
patch_shapes = st.tuples(st.integers(1, 3), st.integers(1, 3), small)


def images_of(divisions, patch_shape, batch=2):
    """Images of which no two values are equal."""
    (rows, cols), (h, w, channels) = divisions, patch_shape
    shape = (batch, rows * h, cols * w, channels)
    return np.arange(np.prod(shape), dtype="float32").reshape(shape)


def by_hand(images, divisions):
    """The patches, sliced one by one: `(B, P, h, w, C)`."""
    rows, cols = divisions
    h, w = images.shape[1] // rows, images.shape[2] // cols
    patches = [
        images[:, h * row : h * (row + 1), w * col : w * (col + 1)]
        for row in range(rows)
        for col in range(cols)
    ]
    return np.stack(patches, axis=1)


@few
@given(grids, patch_shapes)
def test_split_is_slicing_row_by_row_and_merge_undoes_it(divisions, patch_shape):
    grid, images = PatchGrid(divisions), images_of(divisions, patch_shape)
    patches = ops.convert_to_numpy(grid.split(images))
    np.testing.assert_array_equal(patches, by_hand(images, divisions))
    merged = ops.convert_to_numpy(grid.merge(patches))
    np.testing.assert_array_equal(merged, images)


@given(grids, patch_shapes)
def test_cell_is_the_patch_of_that_index(divisions, patch_shape):
    grid, images = PatchGrid(divisions), images_of(divisions, patch_shape)
    patches = by_hand(images, divisions)
    for index in range(grid.num_patches):
        rows, cols = grid.cell(index, images.shape[1:3])
        np.testing.assert_array_equal(images[:, rows, cols], patches[:, index])


@few
@given(grids, patch_shapes)
def test_content_is_the_mean_of_windows_and_what_the_layer_pools(
    divisions, patch_shape
):
    (rows, cols), (h, w, channels) = divisions, patch_shape
    grid, images = PatchGrid(divisions), images_of(divisions, patch_shape)
    expected = np.empty((2, h, w, channels), "float32")
    for y in range(h):
        for x in range(w):
            window = images[:, y * rows : (y + 1) * rows, x * cols : (x + 1) * cols]
            expected[:, y, x] = window.mean(axis=(1, 2))
    content = ops.convert_to_numpy(grid.content(images))
    np.testing.assert_allclose(content, expected, rtol=1e-6)

    patch = images[:, :h, :w]
    joined = layers.GlobalContentConditioning()(patch, images)
    expected = np.concatenate([patch, content], axis=-1)
    np.testing.assert_array_equal(ops.convert_to_numpy(joined), expected)


def test_an_int_stands_for_both_sides():
    grid = PatchGrid(3)
    assert (grid.rows, grid.cols, grid.num_patches) == (3, 3, 9)
    assert grid == PatchGrid((3, 3)) == PatchGrid([3, 3])
    assert hash(grid) == hash(PatchGrid((3, 3)))
    assert grid != PatchGrid((3, 2))
    assert grid != 3
    assert repr(PatchGrid((3, 2))) == "PatchGrid((3, 2))"
    assert PatchGrid((3, 2)).patch_size((9, 8)) == (3, 4)


@pytest.mark.parametrize("method", ["split", "content"])
def test_refuses_what_does_not_divide(method):
    images = np.zeros((1, 10, 9, 3), "float32")
    message = (
        "An image of 10x9 pixels does not divide into 4x3 equal patches. Resize or pad "
        "the image to 8 or 12 by 9 or 12 pixels, or choose other `divisions`: "
        "[1, 2, 5, 10] divide the height, [1, 3, 9] the width. "
        "Received: divisions=(4, 3), image_size=(10, 9)."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(PatchGrid((4, 3)), method)(images)


@pytest.mark.parametrize("size", [(8, 10), (10, 9)])
def test_refuses_either_side(size):
    with pytest.raises(ValueError, match="does not divide into 4x3"):
        PatchGrid((4, 3)).patch_size(size)


def test_the_sizes_it_names_would_do():
    for size, rows in ((10, 4), (3, 4), (65, 8)):
        with pytest.raises(ValueError, match="Resize") as error:
            PatchGrid((rows, 1)).patch_size((size, 5))
        named = re.search(r"image to ([\d or]+) by", str(error.value))[1].split(" or ")
        assert named
        for height in map(int, named):
            assert PatchGrid((rows, 1)).patch_size((height, 5)) == (height // rows, 5)


@pytest.mark.parametrize("shape", [(8, 8, 3), (1, 2, 8, 8, 3), (8, 8)])
@pytest.mark.parametrize("method", ["split", "content"])
def test_refuses_another_rank(method, shape):
    with pytest.raises(ValueError, match="`images` must have the shape.*shape="):
        getattr(PatchGrid(2), method)(np.zeros(shape, "float32"))


def test_merge_refuses_another_number_of_patches():
    for shape in ((1, 5, 2, 2, 3), (4, 2, 2, 3)):
        with pytest.raises(ValueError, match=r"\(batch, 4, h, w, channels\).*2x2"):
            PatchGrid(2).merge(np.zeros(shape, "float32"))


@pytest.mark.parametrize("index", [4, -1])
def test_refuses_a_patch_outside_the_grid(index):
    with pytest.raises(ValueError, match=f"`patch_index` must be.*={index}"):
        PatchGrid(2).cell(index, (4, 4))


@pytest.mark.parametrize(
    ("divisions", "error"),
    [(0, ValueError), ((2, -1), ValueError), (1.5, TypeError), ("2", TypeError)],
)
def test_refuses_divisions(divisions, error):
    with pytest.raises(error, match="`divisions` must be"):
        PatchGrid(divisions)
