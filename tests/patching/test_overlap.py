"""Patches that overlap: blended where they do, and nothing else changed."""

import numpy as np
import pytest
from patching.sampled import blended, of_stage

from keras_patchdpm.patching import Stage, Tiling

pytestmark = pytest.mark.once


def blend(tiling, images, estimate):
    """What a step makes of `images` if `estimate` is what is said of a window."""
    inputs_of, tiles = of_stage(Stage(tiling, images.shape[-1]), images)
    out = np.zeros_like(images)
    for index in range(tiling.num_patches):
        blended(tiles, estimate(inputs_of([index])["noisy"]), [index], out)
    return out


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 12, 16, 3)).astype("float32")


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("overlap", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("divisions", [1, 2, (3, 4), (1, 2)])
def test_patches_that_agree_make_the_image(images, divisions, overlap, moving):
    tiling = Tiling((12, 16), divisions, overlap=overlap, shift=moving)
    found = blend(tiling, images, lambda windows: windows)
    np.testing.assert_allclose(found, images, atol=1e-5)


def test_half_of_a_patch_overlaps():
    tiling = Tiling(16, 4, overlap=0.5)
    assert tiling.counts == (7, 7) and tiling.layers == (2, 2)
    tiles = tiling.tiles(np.random.default_rng(0))
    assert tiles.corners[:7, 1].tolist() == [0, 2, 4, 6, 8, 10, 12]


def test_the_middle_of_a_patch_weighs_most(images):
    """Of two patches that say 0 and 1, the change from one to the other is gradual."""
    tiling = Tiling((12, 16), (1, 2), overlap=0.5)
    numbers = iter([0.0, 0.5, 1.0])
    found = blend(tiling, images, lambda x: np.full_like(x, next(numbers)))
    line = found[0, 0, :, 0]
    assert line[0] == 0 and line[-1] == 1
    assert np.all(np.diff(line) >= -1e-6)
    assert np.diff(line).max() < 0.25
    np.testing.assert_allclose(line + line[::-1], 1, atol=1e-6)


def test_one_patch_is_the_grid():
    rng = np.random.default_rng(0)
    one, grid = (Tiling((12, 16), 1, overlap=overlap) for overlap in (0.5, None))
    assert one.num_patches == grid.num_patches == 1
    assert (one.tiles(rng).blend(0) == 1).all()
    assert one.tiles(rng).window(0) == grid.tiles(rng).window(0)


def test_a_moving_overlap_lies_elsewhere_at_every_step():
    tiling = Tiling(64, 4, overlap=0.5, shift=True)
    assert tiling.num_patches == 8 * 8
    rng = np.random.default_rng(0)
    seen = {tiling.tiles(rng).corners[9, 0] for _ in range(100)}
    assert seen == set(range(1, 9))


@pytest.mark.parametrize("overlap", [-0.1, 0.95, float("nan")])
def test_an_overlap_out_of_range_is_refused(overlap):
    with pytest.raises(ValueError, match=r"`overlap` must be in \[0, 0.9\]"):
        Tiling(16, 4, overlap=overlap)


def test_an_overlap_of_no_pixel_is_refused():
    with pytest.raises(ValueError, match="overlap by less than one.*overlap=0.1"):
        Tiling(16, 4, overlap=0.1)


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize(("size", "divisions"), [(16, 4), (16, 8), (4, 2)])
def test_an_overlap_that_rounds_to_the_whole_patch_leaves_a_step(
    rng, size, divisions, moving
):
    """Patches of 4 and 2 pixels, of which 0.9 is all but a fraction of a pixel."""
    images = rng.normal(size=(1, size, size, 1)).astype("float32")
    tiling = Tiling(size, divisions, overlap=0.9, shift=moving)
    side = size // divisions
    assert tiling.counts[0] == size - side + 1 + moving
    found = blend(tiling, images, lambda windows: windows)
    np.testing.assert_allclose(found, images, atol=1e-5)


def test_a_patch_of_one_pixel_cannot_overlap():
    with pytest.raises(ValueError, match="overlap by less than one"):
        Tiling(8, 8, overlap=0.9)
