"""Images laid out in one picture, and written to files."""

import errno
import io
import os
import resource
import signal

import numpy as np
import pytest
from PIL import Image

import keras_patchdpm
from keras_patchdpm import _files
from keras_patchdpm.datasets import save_images, tile
from keras_patchdpm.datasets.picture import check_path

pytestmark = pytest.mark.once


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (5, 4, 6, 3), dtype="uint8")


def test_both_are_public():
    assert keras_patchdpm.save_images is save_images
    assert keras_patchdpm.datasets.tile is tile


def test_every_image_is_at_its_place(images):
    picture = tile(images, columns=3, margin=1)
    assert picture.shape == (2 * 4 + 1, 3 * 6 + 2, 3)
    np.testing.assert_array_equal(picture[5:9, 7:13], images[4])
    assert (picture[5:9, 14:] == 255).all()


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".bmp", ".tif"])
def test_a_picture_is_written_whole(suffix, images, tmp_path):
    path = tmp_path / f"picture{suffix}"
    save_images(images, path)
    np.testing.assert_array_equal(Image.open(path), tile(images))
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".gif"])
def test_a_picture_that_loses_detail(suffix, tmp_path):
    images = np.full((2, 8, 8, 3), (200, 30, 60), "uint8")
    save_images(images, str(tmp_path / f"a{suffix}"))
    found = np.asarray(Image.open(tmp_path / f"a{suffix}").convert("RGB"))
    np.testing.assert_allclose(found[:, :7], tile(images)[:, :7], atol=9)


def test_one_channel(rng, tmp_path):
    images = rng.integers(0, 255, (1, 8, 8, 1), dtype="uint8")
    save_images(images, tmp_path / "grey.png")
    np.testing.assert_array_equal(Image.open(tmp_path / "grey.png"), images[0, :, :, 0])


@pytest.mark.parametrize("channels", [1, 3, 13])
def test_an_array(channels, rng, tmp_path):
    images = rng.integers(0, 255, (4, 8, 8, channels), dtype="uint8")
    save_images(images, tmp_path / "images.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "images.npy"), images)


def test_the_home_is_expanded(images, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    save_images(images, "~/a.png")
    assert (tmp_path / "a.png").is_file()


@pytest.mark.parametrize(
    "name", ["faces", "faces.psd", "faces.ico", "nowhere/faces.png"]
)
def test_a_path_that_cannot_be_written(images, tmp_path, name):
    with pytest.raises(ValueError, match=name.split("/")[0]):
        save_images(images, tmp_path / name)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "shape", "error", "message"),
    [
        (
            "a.psd",
            (1, 8, 8, 3),
            ValueError,
            r"must end in \.npy or .*\.png, \.jpg.*a\.psd",
        ),
        ("a" * 300 + ".png", (1, 8, 8, 3), OSError, "could not be written"),
        ("a.npy", (10**9, 10**5, 8, 3), OSError, "needs 2400000000000128 bytes"),
        (
            "a.webp",
            (1, 16384, 1, 3),
            ValueError,
            "webp file cannot store .*16384x1 pix",
        ),
        (
            "a.jpg",
            (1, 1, 65536, 1),
            ValueError,
            "jpg file cannot store .*1x65536 pixels",
        ),
        ("a.png", (1, 8, 8, 2), ValueError, "1 channel .grey. or 3"),
        ("a.png", (10**9, 10**5, 8, 3), ValueError, "need .*PiB of memory"),
        (3, (1, 8, 8, 3), TypeError, "`path` must be a path"),
    ],
)
def test_what_cannot_be_written_is_known_before(
    path, shape, error, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        check_path(path, shape)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (np.zeros((1, 8, 8, 3)), TypeError, "`images` must be a uint8 .*float64"),
        (np.zeros((1, 8, 8, 3), "int64"), TypeError, "int64"),
        (np.zeros((1, 8, 8, 3), bool), TypeError, "dtype bool"),
        (np.zeros((8, 8, 3), "uint8"), ValueError, r"shape=\(8, 8, 3\)"),
        (np.zeros((0, 8, 8, 3), "uint8"), ValueError, "no axis of size 0"),
        (np.zeros((1, 0, 8, 3), "uint8"), ValueError, "no axis of size 0"),
        (np.zeros((1, 8, 8, 2), "uint8"), ValueError, "1 channel .grey. or 3"),
        (None, TypeError, "NoneType"),
        ("x", TypeError, "of type str"),
        ([[1], [2, 3]], TypeError, "of type list"),
    ],
)
def test_images_that_are_none(images, error, message, tmp_path):
    with pytest.raises(error, match=message):
        save_images(images, tmp_path / "a.png")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"columns": 0}, ValueError),
        ({"columns": 1.5}, TypeError),
        ({"columns": True}, TypeError),
        ({"columns": 10**12}, ValueError),
        ({"margin": -1}, ValueError),
        ({"margin": None}, TypeError),
        ({"margin": 10**12}, ValueError),
    ],
)
def test_tile_refuses(options, error, images):
    with pytest.raises(error, match=f"{next(iter(options))}"):
        tile(images, **options)


@pytest.mark.parametrize(
    "suffix", [".npy", ".png", ".jpg", ".webp", ".bmp", ".tif", ".gif"]
)
def test_a_full_disk_leaves_what_was_there(suffix, images, tmp_path, monkeypatch):
    """The disk is full once half of the bytes are written."""
    path = tmp_path / f"a{suffix}"
    save_images(images, path)
    before = path.read_bytes()

    class Full(io.FileIO):
        def write(self, content):
            if self.tell() + len(content) > len(before) // 2:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(content)

    def open_full(name, mode):
        return io.BufferedRandom(Full(name, mode))

    monkeypatch.setattr(_files, "open", open_full, raising=False)
    with pytest.raises(OSError, match=rf"a\{suffix} could not be written \(No space"):
        save_images(255 - images, path)
    assert os.listdir(tmp_path) == [path.name]
    assert path.read_bytes() == before


@pytest.fixture
def small_files():
    """A limit of 4096 bytes for each file, as by `ulimit -f`."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_limit_of_the_size_of_files(rng, tmp_path, small_files):
    images = rng.integers(0, 256, (3, 64, 64, 3), dtype="uint8")
    for name in ("a.npy", "a.png", "a.bmp"):
        with pytest.raises(OSError, match="files are limited to 4096 bytes"):
            check_path(tmp_path / name, images.shape)
    check_path(tmp_path / "a.jpg", images.shape)  # Of fewer bytes, as it seems.
    with pytest.raises(OSError, match=r"a.jpg could not be written \(File too large\)"):
        save_images(images, tmp_path / "a.jpg")
    assert os.listdir(tmp_path) == []
