"""Images from `.npz` files, and arrays on the disk instead of in memory."""

import os
import pickle

import numpy as np
import pytest
from PIL import Image

from keras_patchdpm.datasets import load_images

pytestmark = pytest.mark.once


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (3, 8, 8, 3), dtype="uint8")


def test_an_npz_file(images, tmp_path):
    np.savez(tmp_path / "one.npz", faces=images)
    np.savez_compressed(tmp_path / "two.npz", images=images, labels=np.arange(3))
    for name in ("one.npz", "two.npz"):
        np.testing.assert_array_equal(load_images(tmp_path / name, 8), images)
    assert load_images(tmp_path / "two.npz", 4).shape == (3, 4, 4, 3)
    assert len(load_images(tmp_path / "two.npz", 8, limit=2)) == 2


def write_float(path, images):
    np.savez(path, images=images / 255)


def write_two(path, images):
    np.savez(path, faces=images, more=images)


def write_objects(path, images):
    np.savez(path, images=np.array([{}]))


def write_half(path, images):
    np.savez(path, images=images)
    path.write_bytes(path.read_bytes()[:300])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (write_float, "must be uint8 .*float64"),
        (write_two, r"one array, or one that is named 'images'.*\['faces', 'more'\]"),
        (write_objects, "not a complete .npz file"),
        (write_half, "not a complete .npz file"),
        (lambda path, images: path.write_bytes(pickle.dumps([1])), "not a complete"),
        (lambda path, images: path.touch(), "not a complete"),
    ],
)
def test_a_foreign_npz_file(write, message, images, tmp_path):
    write(tmp_path / "a.npz", images)
    with pytest.raises(ValueError, match=message) as error:
        load_images(tmp_path / "a.npz", 8)
    assert "a.npz" in str(error.value)


@pytest.mark.parametrize("kind", ["folder", "npy", "npz"])
def test_a_cache_has_what_would_be_in_memory(kind, images, tmp_path):
    if kind == "folder":
        for number, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / f"{number}.png")
        source = tmp_path
    else:
        source = tmp_path / f"images.{kind}"
        with open(source, "wb") as file:
            (np.save if kind == "npy" else np.savez)(file, images)
    expected = load_images(source, 4)
    for _ in range(2):
        found = load_images(source, 4, cache=tmp_path / "cache")
        assert isinstance(found, np.memmap)
        np.testing.assert_array_equal(found, expected)
    first = (tmp_path / "cache" / "images.npy").stat().st_ino
    np.testing.assert_array_equal(
        load_images(source, 4, cache=tmp_path / "cache", limit=2), expected[:2]
    )
    assert (tmp_path / "cache" / "images.npy").stat().st_ino != first
    assert sorted(os.listdir(tmp_path / "cache")) == ["description.json", "images.npy"]


def test_a_cache_that_the_disk_has_no_room_for(images, tmp_path, monkeypatch):
    np.save(tmp_path / "images.npy", images)
    with pytest.raises(OSError, match="needs .* bytes, and .* has .* left"):
        load_images(
            tmp_path / "images.npy", 2**20, smallest=1, cache=tmp_path / "run" / "cache"
        )
    assert os.listdir(tmp_path) == ["images.npy"]
