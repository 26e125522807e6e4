"""Images laid out in one picture."""

import numpy as np
import pytest
from PIL import Image

from keras_patchdpm.datasets.picture import save_images, tile


def test_every_image_is_at_its_place(rng):
    images = rng.integers(0, 255, (5, 4, 6, 3), dtype="uint8")
    picture = tile(images, columns=3, margin=1)
    assert picture.shape == (2 * 4 + 1, 3 * 6 + 2, 3)
    np.testing.assert_array_equal(picture[5:9, 7:13], images[4])
    assert (picture[5:9, 14:] == 255).all()


def test_a_picture_is_written_whole(rng, tmp_path):
    images = rng.integers(0, 255, (4, 8, 8, 3), dtype="uint8")
    save_images(images, tmp_path / "picture.png")
    np.testing.assert_array_equal(Image.open(tmp_path / "picture.png"), tile(images))
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


def test_one_channel(rng, tmp_path):
    images = rng.integers(0, 255, (1, 8, 8, 1), dtype="uint8")
    save_images(images, tmp_path / "grey.png")
    np.testing.assert_array_equal(Image.open(tmp_path / "grey.png"), images[0, :, :, 0])


def test_an_array(rng, tmp_path):
    images = rng.integers(0, 255, (4, 8, 8, 3), dtype="uint8")
    save_images(images, tmp_path / "images.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "images.npy"), images)


@pytest.mark.parametrize("name", ["faces", "faces.doc", "nowhere/faces.png"])
def test_a_path_that_cannot_be_written(rng, tmp_path, name):
    images = rng.integers(0, 255, (1, 8, 8, 3), dtype="uint8")
    with pytest.raises(ValueError, match=name):
        save_images(images, tmp_path / name)
