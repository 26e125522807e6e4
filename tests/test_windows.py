"""Windows anywhere in images: cutting, and coordinates."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_patchdpm.windows import coordinates, cut

few = settings(max_examples=8)  # JAX compiles anew for each shape.
small = st.integers(1, 4)


@few
@given(st.integers(0, 10**6), small, small)
def test_cut_is_slicing(seed, h, w):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(3, 4, 7, 2)).astype("float32")
    corners = rng.integers(0, (4 - h + 1, 7 - w + 1), (3, 2, 2)).astype("int32")
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
