"""Images from folders, arrays and TensorFlow Datasets."""

import builtins
import contextlib
import errno
import os
import pickle
import sys
import types
import warnings

import numpy as np
import pytest
from PIL import Image

from keras_patchdpm.datasets import load_images

pytestmark = pytest.mark.once


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (3, 8, 8, 3), dtype="uint8")


def save(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def test_a_folder_is_searched_through_in_order(images, tmp_path):
    save(images[1], tmp_path / "deep" / "er" / "b.PNG")
    save(images[0], tmp_path / "a b.png")
    save(images[2], tmp_path / "\N{GREEK SMALL LETTER OMEGA}.tiff")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = load_images(str(tmp_path), 8)
    np.testing.assert_array_equal(found, images)


def test_what_the_system_adds_is_left_out_in_silence(images, tmp_path):
    save(images[0], tmp_path / "a.png")
    for name in ("._a.png", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).write_bytes(b"no image")
    save(images[1], tmp_path / ".thumbnails" / "b.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = load_images(tmp_path, 8, strict=True)
    np.testing.assert_array_equal(found, images[:1])


def test_a_hidden_source_is_read(images, tmp_path):
    save(images[0], tmp_path / ".data" / "a.png")
    assert len(load_images(tmp_path / ".data", 8)) == 1


def test_what_is_not_read_is_named_in_one_warning(images, tmp_path):
    save(images[0], tmp_path / "good.png")
    for name in ("bad.png", "half.JPG", "photo.heic", "notes.txt", "no_suffix"):
        (tmp_path / name).write_bytes(b"no image")
    (tmp_path / "zero.gif").touch()
    save(images[0, :1, :1], tmp_path / "tiny\n.png")
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "folder.png").mkdir()
    save(images[1], tmp_path / "elsewhere" / "c.png")
    os.symlink(tmp_path / "elsewhere", tmp_path / "link")
    os.symlink("loop.png", tmp_path / "loop.png")
    with pytest.warns(UserWarning) as caught:
        found = load_images(tmp_path, 8)
    assert len(found) == 2 and len(caught) == 1
    assert caught[0].filename == __file__
    first, *lines = str(caught[0].message).splitlines()
    assert first == (
        f"2 images were read from {tmp_path}. Not read: 11 (2 broken, 1 not a "
        "regular file, 1 a folder, 1 a link to a folder, 1 not found, 3 with an "
        "unsupported suffix, 1 smaller than `smallest`, 8x8 pixels, 1 empty)."
    )
    assert lines == sorted(lines) and len(lines) == 11
    assert "  'tiny\\n.png': smaller than `smallest`, 8x8 pixels (1x1)" in lines
    assert "  'photo.heic': with an unsupported suffix (.heic)" in lines


def test_a_warning_names_twenty_at_most(images, tmp_path):
    save(images[0], tmp_path / "good.png")
    for number in range(25):
        (tmp_path / f"{number}.png").touch()
    with pytest.warns(UserWarning, match=r"25 empty(.*\n){21}  and 5 more$"):
        load_images(tmp_path, 8)


def test_strict_raises_at_the_first(images, tmp_path):
    save(images[0], tmp_path / "a.png")
    (tmp_path / "b.jpg").write_bytes(b"no image")
    with pytest.raises(
        ValueError, match=r"'b.jpg' in .* cannot be read: broken \(not an im"
    ):
        load_images(tmp_path, 8, strict=True)


def test_a_folder_without_one_good_file_says_what_was_there(tmp_path):
    (tmp_path / "a.heic").write_bytes(b"no image")
    (tmp_path / "b.jpg").write_bytes(b"no image")
    with pytest.raises(
        ValueError, match=r"(?s)no image in .*Not read: 2.*a\.heic.*b\.jpg"
    ):
        load_images(tmp_path, 8)


def test_a_folder_that_cannot_be_listed_is_named(images, tmp_path, monkeypatch):
    save(images[0], tmp_path / "a.png")
    save(images[1], tmp_path / "secret" / "b.png")
    listed = os.scandir

    def refuse(path):
        if str(path).endswith("secret"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.warns(UserWarning, match=r"'secret': a folder \(Permission denied\)"):
        load_images(tmp_path, 8)


@pytest.mark.parametrize(
    ("shape", "smallest", "read"),
    [
        ((8, 8), None, True),
        ((7, 8), None, False),
        ((8, 7), None, False),
        ((20, 1000), None, True),  # A panorama: its middle.
        ((1, 5000), None, False),
        ((1, 1), 1, True),
        ((4, 6), (4, 6), True),
        ((6, 4), (4, 6), False),
        ((8, 8), 9, False),
    ],
)
def test_no_image_is_enlarged_unless_asked_for(shape, smallest, read, tmp_path):
    save(np.zeros((9, 9, 3), "uint8"), tmp_path / "a.png")
    save(np.full((*shape, 3), 255, "uint8"), tmp_path / "b.png")
    with (
        contextlib.nullcontext() if read else pytest.warns(UserWarning, match="smaller")
    ):
        found = load_images(tmp_path, 8, smallest=smallest)
    assert len(found) == 1 + read
    assert (found[1:] == 255).all()


def test_the_size_is_that_of_the_upright_image(tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6
    Image.new("L", (8, 16)).save(tmp_path / "a.jpg", exif=exif)
    assert load_images(tmp_path, (8, 16)).shape == (1, 8, 16, 3)
    with pytest.raises(ValueError, match=r"smaller than .*16x8 pixels \(8x16\)"):
        load_images(tmp_path, (16, 8))


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


def test_an_array_is_not_enlarged_unless_asked_for(images, tmp_path):
    np.save(tmp_path / "images.npy", images)
    with pytest.raises(ValueError, match=r"3 smaller than `smallest`, 16x16 pixels"):
        load_images(tmp_path / "images.npy", 16)
    assert load_images(tmp_path / "images.npy", 16, smallest=8).shape[1:] == (16, 16, 3)


def test_limit(images, tmp_path):
    np.save(tmp_path / "images.npy", images)
    assert len(load_images(tmp_path / "images.npy", 8, limit=2)) == 2
    assert len(load_images(tmp_path / "images.npy", 4, limit=2)) == 2
    assert len(load_images(tmp_path / "images.npy", 4, limit=9)) == 3


def test_limit_counts_what_is_read_and_no_more_is_opened(images, tmp_path):
    (tmp_path / "a.png").touch()
    save(images[0], tmp_path / "b.png")
    save(images[1], tmp_path / "c.png")
    (tmp_path / "d.png").touch()
    with pytest.warns(UserWarning, match=r"^1 image was read .*Not read: 1 \(1 empty"):
        found = load_images(tmp_path, 8, limit=1)
    np.testing.assert_array_equal(found, images[:1])


@pytest.fixture
def fake_tfds(monkeypatch):
    """TensorFlow Datasets without a network: its data set is `images` of the module."""
    fake = types.ModuleType("tensorflow_datasets")
    fake.core = types.SimpleNamespace(DatasetNotFoundError=LookupError)
    fake.list_builders = lambda: ["mnist", "kmnist", "cifar10"]
    fake.as_numpy = iter

    def load(name, split, shuffle_files):
        if name == "mnistt":
            raise LookupError("Dataset mnistt not found.\nAvailable datasets:\n- abc")
        if split not in ("train", "test"):
            raise ValueError(f"Unknown split {split!r}.\nShould be one of ...")
        fake.asked = name, split, shuffle_files
        return [{"image": image, "label": 1} for image in fake.images]

    fake.load = load
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", fake)
    return fake


def test_tensorflow_datasets(images, fake_tfds):
    fake_tfds.images = images
    np.testing.assert_array_equal(load_images("tfds:celeb_a", 8, split="test"), images)
    assert fake_tfds.asked == ("celeb_a", "test", False)
    assert len(load_images("tfds:celeb_a", 8, limit=2)) == 2
    fake_tfds.images = images[..., :1]
    np.testing.assert_array_equal(
        load_images("tfds:mnist", 8), images[..., :1].repeat(3, -1)
    )


def test_what_tensorflow_datasets_does_not_have(fake_tfds):
    with pytest.raises(
        ValueError, match="Close names: mnist, kmnist. Received"
    ) as error:
        load_images("tfds:mnistt", 8)
    assert len(str(error.value).splitlines()) == 1
    with pytest.raises(ValueError, match="Unknown split 'tost'.*split='tost'"):
        load_images("tfds:mnist", 8, split="tost")


def test_examples_that_are_no_images(images, fake_tfds):
    fake_tfds.images = [images[0], images[0].astype("uint16"), images[0, 0], None]
    with pytest.warns(UserWarning, match=r"3 .*2 not uint8 with.*1 without an entry"):
        assert len(load_images("tfds:celeb_a", 8)) == 1


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
    with pytest.raises(ValueError, match="not a folder"):
        load_images(tmp_path / "nowhere", 8)
    with pytest.raises(ValueError, match="no image"):
        load_images(tmp_path, 8)
    np.save(tmp_path / "empty.npy", np.zeros((0, 8, 8, 3), "uint8"))
    with pytest.raises(ValueError, match="no image|not a complete .npy array"):
        load_images(tmp_path / "empty.npy", 8)
    with pytest.raises(FileNotFoundError, match="nowhere.npy"):
        load_images(tmp_path / "nowhere.npy", 8)


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [("float64", (2, 8, 8, 3)), ("uint8", (2, 8, 8)), ("uint8", (2, 8, 8, 1))],
)
def test_a_foreign_array(dtype, shape, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(shape, dtype))
    with pytest.raises(ValueError, match=f"must be uint8 .*{dtype} ") as error:
        load_images(tmp_path / "a.npy", 8)
    assert str(shape) in str(error.value)


HEADER = b"\x93NUMPY\x01\x00"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no array",
        pickle.dumps([1]),
        HEADER + b"\xff\xff" + b"(" * 65535,
        HEADER + b"\x08\x00{'descr\n",
        b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + b" " * 99,
        HEADER
        + b"\x76\x00"
        + b"{'descr': '|u1', 'fortran_order': False, 'shape': (9999, 8, 8, 3), }".ljust(
            117
        )
        + b"\n",
    ],
)
def test_a_damaged_array(content, tmp_path):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(
        ValueError, match="`source` is not a complete .npy array .*a.npy"
    ):
        load_images(tmp_path / "a.npy", 8)


def test_a_pickle_in_an_array_is_not_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match="`source` is not a complete .npy array"):
        load_images(tmp_path / "a.npy", 8)


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "a.npy")
    with pytest.raises(ValueError, match="regular file"):
        load_images(tmp_path / "a.npy", 8)


def test_more_than_the_memory_holds_is_refused(tmp_path):
    save(np.zeros((8, 8, 3), "uint8"), tmp_path / "a.png")
    with pytest.raises(ValueError, match="need .*iB of memory, and this machine has"):
        load_images(tmp_path, 2**30)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"source": None}, TypeError),
        ({"source": ""}, ValueError),
        ({"image_size": 0}, ValueError),
        ({"image_size": "8"}, TypeError),
        ({"image_size": (8, 8, 8)}, ValueError),
        ({"limit": 0}, ValueError),
        ({"limit": -1}, ValueError),
        ({"limit": True}, TypeError),
        ({"limit": 1.5}, TypeError),
        ({"strict": "false"}, TypeError),
        ({"smallest": 0}, ValueError),
        ({"smallest": None, "split": 3}, TypeError),
    ],
)
def test_refuses(options, error, images, tmp_path):
    save(images[0], tmp_path / "a.png")
    given = {"source": tmp_path, "image_size": 8, **options}
    with pytest.raises(error, match=f"`{list(options)[-1]}` must be"):
        load_images(**given)
