"""Images from folders, arrays and TensorFlow Datasets."""

import builtins
import types

import numpy as np
import pytest
from PIL import Image

from keras_patchdpm.datasets import load_images


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (3, 8, 8, 3), dtype="uint8")


def test_a_folder_is_searched_through_in_order(images, tmp_path):
    (tmp_path / "deep").mkdir()
    Image.fromarray(images[0]).save(tmp_path / "a.png")
    Image.fromarray(images[1]).save(tmp_path / "deep" / "b.PNG")
    (tmp_path / "c.txt").write_text("no image")
    np.testing.assert_array_equal(load_images(tmp_path, 8), images[:2])


def test_grey_images_get_three_channels(images, tmp_path):
    Image.fromarray(images[0, :, :, 0]).save(tmp_path / "grey.png")
    found = load_images(tmp_path, 8)[0]
    assert (found == images[0, :, :, :1]).all()


def test_the_middle_is_cropped_before_resizing(tmp_path):
    wide = np.zeros((16, 64, 3), "uint8")
    wide[:, 24:40] = 255
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert (load_images(tmp_path, 8)[:, :, 1:-1] == 255).all()


def test_an_array_of_the_right_size_is_not_copied(images, tmp_path):
    np.save(tmp_path / "images.npy", images)
    found = load_images(tmp_path / "images.npy", 8)
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, images)


def test_an_array_of_another_size_is_resized(images, tmp_path):
    np.save(tmp_path / "images.npy", np.repeat(np.repeat(images, 2, 1), 2, 2))
    assert load_images(tmp_path / "images.npy", 8).shape == (3, 8, 8, 3)


def test_limit(images, tmp_path):
    np.save(tmp_path / "images.npy", images)
    assert len(load_images(tmp_path / "images.npy", 8, limit=2)) == 2
    assert len(load_images(tmp_path / "images.npy", 4, limit=2)) == 2


def test_tensorflow_datasets(images, monkeypatch):
    asked = []
    fake = types.ModuleType("tensorflow_datasets")
    fake.load = lambda name, **options: (
        asked.append((name, options["split"]))
        or [{"image": image, "label": 1} for image in images]
    )
    fake.as_numpy = iter
    monkeypatch.setitem(__import__("sys").modules, "tensorflow_datasets", fake)
    np.testing.assert_array_equal(load_images("tfds:celeb_a", 8, "test"), images)
    assert asked == [("celeb_a", "test")]


def test_without_tensorflow_datasets(monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "tensorflow_datasets":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"keras-patchdpm\[data\].*tfds:celeb_a"):
        load_images("tfds:celeb_a", 64)


def test_nothing_there(tmp_path):
    with pytest.raises(ValueError, match="no folder"):
        load_images(tmp_path / "nowhere", 8)
    with pytest.raises(ValueError, match="no image"):
        load_images(tmp_path, 8)


def test_a_foreign_array(tmp_path):
    np.save(tmp_path / "floats.npy", np.zeros((2, 8, 8, 3)))
    with pytest.raises(ValueError, match=r"uint8.*float64 \(2, 8, 8, 3\)"):
        load_images(tmp_path / "floats.npy", 8)
