"""Patches that overlap: blended where they do, and nothing else changed."""

import numpy as np
import pytest
from patching.sampled import blended, sampled

from keras_patchdpm import GridPatching
from keras_patchdpm.patching.overlap_patching import OverlapPatching

pytestmark = pytest.mark.once


def blend(patching, images, estimate):
    """What a step makes of `images` if `estimate` is what is said of a window."""
    inputs_of, tiles = sampled(patching, images)
    out = np.zeros_like(images)
    for index in range(patching.num_patches):
        blended(tiles, estimate(inputs_of([index])["noisy"]), [index], out)
    return out


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 12, 16, 3)).astype("float32")


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("overlap", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("divisions", [1, 2, (3, 4), (1, 2)])
def test_patches_that_agree_make_the_image(images, divisions, overlap, moving):
    patching = OverlapPatching((12, 16), divisions, overlap, moving=moving)
    found = blend(patching, images, lambda windows: windows)
    np.testing.assert_allclose(found, images, atol=1e-5)


def test_half_of_a_patch_overlaps():
    patching = OverlapPatching(16, 4, 0.5)
    assert patching.counts == (7, 7)
    tiles = patching.tiles((16, 16), None)
    assert tiles.corners[:7, 1].tolist() == [0, 2, 4, 6, 8, 10, 12]


def test_the_middle_of_a_patch_weighs_most(images):
    """Of two patches that say 0 and 1, the change from one to the other is gradual."""
    patching = OverlapPatching((12, 16), (1, 2), 0.5)
    numbers = iter([0.0, 0.5, 1.0])
    found = blend(patching, images, lambda x: np.full_like(x, next(numbers)))
    line = found[0, 0, :, 0]
    assert line[0] == 0 and line[-1] == 1
    assert np.all(np.diff(line) >= -1e-6)
    assert np.diff(line).max() < 0.25
    np.testing.assert_allclose(line + line[::-1], 1, atol=1e-6)


def test_one_patch_is_the_grid(images):
    one, grid = OverlapPatching((12, 16), 1, 0.5), GridPatching(1, "coordinates")
    assert one.num_patches == grid.num_patches == 1
    first, second = (sampled(patching, images)[0]([0]) for patching in (one, grid))
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_a_moving_overlap_lies_elsewhere_at_every_step():
    patching = OverlapPatching(64, 4, 0.5, moving=True)
    assert patching.num_patches == 8 * 8
    rng = np.random.default_rng(0)
    seen = {patching.tiles((64, 64), rng).corners[9, 0] for _ in range(100)}
    assert seen == set(range(1, 9))


@pytest.mark.parametrize("overlap", [-0.1, 0.95, float("nan")])
def test_an_overlap_out_of_range_is_refused(overlap):
    with pytest.raises(ValueError, match=r"`overlap` must lie in \[0, 0.9\]"):
        OverlapPatching(16, 4, overlap)


def test_an_overlap_of_no_pixel_is_refused():
    with pytest.raises(ValueError, match="overlap by less than one.*overlap=0.1"):
        OverlapPatching(16, 4, 0.1)


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize(("size", "divisions"), [(16, 4), (16, 8), (4, 2)])
def test_an_overlap_that_rounds_to_the_whole_patch_leaves_a_step(
    rng, size, divisions, moving
):
    """Patches of 4 and 2 pixels, of which 0.9 is all but a fraction of a pixel."""
    images = rng.normal(size=(1, size, size, 1)).astype("float32")
    patching = OverlapPatching(size, divisions, 0.9, moving=moving)
    assert patching.strides == (1, 1)
    found = blend(patching, images, lambda windows: windows)
    np.testing.assert_allclose(found, images, atol=1e-5)


def test_a_patch_of_one_pixel_cannot_overlap():
    with pytest.raises(ValueError, match="overlap by less than one"):
        OverlapPatching(8, 8, 0.9)
