"""Other sizes: closed forms, and what every way of resizing must keep."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from scipy.interpolate import BSpline

from keras_patchdpm.resize import enlarge, enlarge_part, shrink

few = settings(max_examples=8)  # JAX compiles anew for each shape.
side = st.integers(1, 5)


def test_shrinking_to_a_part_is_average_pooling(rng):
    images = rng.normal(size=(2, 6, 8, 3)).astype("float32")
    expected = images.reshape(2, 3, 2, 2, 4, 3).mean(axis=(2, 4))
    found = ops.convert_to_numpy(shrink(images, (3, 2)))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@few
@given(side, side, st.integers(0, 4), st.integers(0, 4))
def test_shrinking_keeps_the_mean(h, w, more_h, more_w):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, h + more_h, w + more_w, 1)).astype("float32")
    found = ops.convert_to_numpy(shrink(images, (h, w)))
    assert found.shape == (2, h, w, 1)
    np.testing.assert_allclose(
        found.mean(axis=(1, 2)), images.mean(axis=(1, 2)), atol=1e-5
    )


def test_shrinking_by_a_part_of_a_pixel_by_hand():
    images = np.array([3.0, 6.0, 9.0], "float32").reshape(1, 1, 3, 1)
    found = ops.convert_to_numpy(shrink(images, (1, 2))).reshape(-1)
    np.testing.assert_allclose(found, [(3 + 6 / 2) / 1.5, (6 / 2 + 9) / 1.5])


def test_enlarging_is_the_spline_of_the_pixels(rng):
    pixels = rng.normal(size=6)
    # Each pixel times a bump; the pixels at the edges go on outside.
    spline = BSpline(np.arange(-5, 11), np.pad(pixels, 3, "edge"), 3)
    found = ops.convert_to_numpy(enlarge(pixels.reshape(1, 1, 6, 1), (1, 15)))
    expected = spline((np.arange(15) + 0.5) * 6 / 15 - 0.5)
    np.testing.assert_allclose(found.reshape(-1), expected, atol=1e-5)


def test_a_part_is_a_part_of_the_whole(rng):
    images = rng.normal(size=(2, 6, 5, 3)).astype("float32")
    whole = ops.convert_to_numpy(enlarge(images, (12, 15)))
    for part in (np.s_[0:4, 3:9], np.s_[5:12, 14:15], np.s_[:, :]):
        found = enlarge_part(images, (12, 15), part)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, whole[:, *part], atol=1e-5)


@few
@given(st.integers(4, 6), side, st.integers(0, 4), st.integers(0, 4))
def test_enlarging_keeps_planes_inside(h, w, more_h, more_w):
    down, across = (np.arange(n) + 0.5 for n in (h, w))
    images = (2 * down[:, None] - 3 * across)[None, :, :, None].astype("float32")
    size = h + more_h, w + more_w
    found = ops.convert_to_numpy(enlarge(images, size))[0, :, :, 0]
    down, across = (
        (np.arange(new) + 0.5) * old / new
        for old, new in zip((h, w), size, strict=True)
    )
    # Where the two pixels to either side of a place are in the image.
    inside = np.ix_(_between(down, 1.5, h - 1.5), _between(across, 1.5, w - 1.5))
    plane = 2 * down[:, None] - 3 * across
    np.testing.assert_allclose(found[inside], plane[inside], atol=1e-5)


def _between(places, first, last):
    return np.flatnonzero((places >= first) & (places <= last))


def test_refuses_the_other_direction(rng):
    images = rng.normal(size=(1, 4, 6, 1)).astype("float32")
    for size in ((5, 6), (4, 7)):
        with pytest.raises(
            ValueError, match="`size` must be no larger.*4x6.*`enlarge`"
        ):
            shrink(images, size)
    for size in ((3, 6), (4, 5)):
        with pytest.raises(ValueError, match="`size` must be no smaller.*`shrink`"):
            enlarge(images, size)
        with pytest.raises(ValueError, match="`size` must be no smaller.*`shrink`"):
            enlarge_part(images, size, (slice(0, 1), slice(0, 1)))
