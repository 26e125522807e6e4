import numpy as np
import pytest

from keras_patchdpm import PatchGrid
from keras_patchdpm.metrics import seam_ratio

pytestmark = pytest.mark.once


def ramps(divisions, jump, size=12):
    """Steps of 1 from pixel to pixel, and `jump` across the borders of patches."""
    border = np.arange(1, size) % (size // divisions) == 0
    line = np.concatenate([[0], np.cumsum(np.where(border, jump, 1))])
    image = line[:, None] + line[None, :]
    return np.repeat(image[None, :, :, None], 2, axis=0)


@pytest.mark.parametrize("divisions", [2, 3, 4, 6])
@pytest.mark.parametrize("jump", [0, 1, 5])
def test_it_is_the_step_at_the_borders_over_the_step_elsewhere(divisions, jump):
    assert seam_ratio(ramps(divisions, jump), divisions) == pytest.approx(jump)


def test_directions_are_averaged_and_undivided_ones_left_out():
    images = ramps(3, jump=4)
    images = images + 7 * np.arange(12)[None, :, None, None]  # Only down the rows.
    down, across = (2 * (4 + 7) + 0) / 2 / (1 + 7), 4
    assert seam_ratio(images, (3, 1)) == pytest.approx(down)
    assert seam_ratio(images, (1, 3)) == pytest.approx(across)
    assert seam_ratio(images, 3) == pytest.approx((down + across) / 2)


def test_uint8_does_not_wrap_around(rng):
    images = rng.integers(0, 256, (3, 8, 8, 3), "uint8")
    floats = seam_ratio(images.astype("float32"), 2)
    assert seam_ratio(images, 2) == pytest.approx(floats)


def test_scale_and_shift_do_not_matter(rng):
    images = rng.normal(size=(3, 8, 12, 3))
    scaled = seam_ratio(3 * images - 5, (2, 3))
    assert seam_ratio(images, (2, 3)) == pytest.approx(scaled, rel=1e-5)


def test_patches_of_other_images_have_seams(rng):
    """White noise has none; noise of another mean in each patch has."""
    noise = rng.normal(size=(64, 16, 16, 1))
    assert seam_ratio(noise, 2) == pytest.approx(1, abs=0.1)
    means = rng.normal(size=(64, 4, 1, 1, 1))
    merged = PatchGrid(2).merge(np.broadcast_to(means, (64, 4, 8, 8, 1)))
    assert seam_ratio(np.asarray(merged) + noise / 10, 2) > 5


@pytest.mark.parametrize(
    ("shape", "divisions", "message"),
    [
        ((2, 8, 8, 3), 1, "A grid of one patch has no inner border"),
        ((2, 8, 8, 3), 3, "does not divide into 3x3"),
        ((2, 8, 8, 3), 8, "have nothing to be compared with"),
        ((2, 8, 8, 3), 2, "have nothing to be compared with"),  # Images of zeros.
        ((8, 8, 3), 2, r"`images` must have the shape \(batch, height"),
    ],
)
def test_refuses(shape, divisions, message):
    with pytest.raises(ValueError, match=message):
        seam_ratio(np.zeros(shape), divisions)


def test_refuses_a_division_that_is_no_int():
    with pytest.raises(TypeError, match="`divisions` must be an int"):
        seam_ratio(np.zeros((2, 8, 8, 3)), 2.0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_refuses_numbers_that_are_not_finite(value, rng):
    images = rng.normal(size=(2, 8, 8, 3))
    images[1, 3, 4, 0] = value
    with pytest.raises(ValueError, match="`images` must contain .*no NaN.*images="):
        seam_ratio(images, 2)
