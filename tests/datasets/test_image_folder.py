"""Folders of images that are decoded when they are needed."""

import os
import warnings

import keras
import numpy as np
import pytest
from PIL import Image
from tiny_models import assert_same, tiny_model, train, values

from benchmarks.memory.folder import write_files
from keras_patchdpm.datasets import ImageBatches, ImageFolder, load_images

SIZE = 8


def save(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


@pytest.fixture
def photos(rng, tmp_path):
    """Twelve images in two classes; each has one colour."""
    for number in range(12):
        image = np.full((SIZE, SIZE, 3), 10 * number, "uint8")
        save(image, tmp_path / "photos" / "ab"[number // 6] / f"{number:02}.png")
    return tmp_path / "photos"


def truncate(path):
    """Breaks the pixels of a file, not its header."""
    save(np.random.default_rng(0).integers(0, 256, (40, 40, 3), "uint8"), path)
    path.write_bytes(path.read_bytes()[:2000])


def numbers(images):
    """Which of `photos` each image is."""
    return (images[:, 0, 0, 0] // 10).tolist()


@pytest.mark.once
@pytest.mark.parametrize("cached", [False, True])
def test_an_array_that_is_not_in_memory(cached, photos, tmp_path):
    folder = ImageFolder(photos, SIZE, cache=tmp_path / "cache" if cached else None)
    whole = load_images(photos, SIZE)
    assert (len(folder), folder.shape, folder.dtype) == (12, whole.shape, whole.dtype)
    for index in (slice(None), slice(2, 9, 3), [3, 0, 3], np.array([11]), 5, []):
        found = folder[index]
        assert type(found) is np.ndarray and found.dtype == np.uint8
        np.testing.assert_array_equal(found, whole[index])
    for index in (12, [-1]):
        with pytest.raises(IndexError, match="`index` must be from 0 to 11"):
            folder[index]


@pytest.mark.once
def test_a_batch_is_that_of_the_same_images_in_memory(photos, tmp_path):
    """So it does not depend on the batches before it: a training resumes at any."""
    in_memory = ImageBatches(load_images(photos, SIZE), 4, seed=3)
    for cache in (None, tmp_path / "cache"):
        batches = ImageBatches(ImageFolder(photos, SIZE, cache=cache), 4, seed=3)
        for epoch, index in ((2, 1), (0, 2), (2, 0)):
            batches.epoch = in_memory.epoch = epoch
            np.testing.assert_array_equal(batches[index][0], in_memory[index][0])


@pytest.mark.once
def test_folders_are_classes(photos):
    folder = ImageFolder(photos, SIZE, labels="folders")
    assert folder.class_names == ["a", "b"]
    assert folder.labels.tolist() == [0] * 6 + [1] * 6
    assert folder.names[0] == os.path.join("a", "00.png")
    for images, labels in ImageBatches(folder, 4, flip=False):
        assert labels.dtype == np.int32
        assert labels.tolist() == [number // 6 for number in numbers(images)]


@pytest.mark.once
def test_files_outside_of_the_classes_are_skipped(photos):
    save(np.zeros((SIZE, SIZE, 3), "uint8"), photos / "c.png")
    with pytest.warns(UserWarning, match="'c.png': not in the folder of a class"):
        folder = ImageFolder(photos, SIZE, labels="folders")
    assert len(folder) == len(folder.labels) == 12


@pytest.mark.once
def test_a_class_without_images_is_refused(photos):
    (photos / "c").mkdir()
    (photos / "c" / "x.png").write_bytes(b"no image")
    with (
        pytest.warns(UserWarning, match="broken"),
        pytest.raises(ValueError, match=r"A class needs .* \['c'\].*labels='folders'"),
    ):
        ImageFolder(photos, SIZE, labels="folders")


@pytest.mark.once
def test_headers_are_read_first(photos):
    (photos / "a" / "empty.jpg").touch()
    (photos / "b" / "text.webp").write_bytes(b"no image")
    save(np.zeros((4, 4, 3), "uint8"), photos / "tiny.bmp")
    with pytest.warns(UserWarning) as caught:
        folder = ImageFolder(photos, SIZE)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert "Not read: 3 (1 empty, 1 broken, 1 smaller" in str(caught[0].message)
    assert numbers(folder[:]) == list(range(12))
    with pytest.raises(ValueError, match="empty.jpg.*cannot be read: empty"):
        ImageFolder(photos, SIZE, strict=True)


@pytest.mark.once
def test_a_broken_file_is_replaced_by_the_next_of_its_class(photos):
    for name in ("a/02", "a/03", "b/11"):
        truncate(photos / f"{name}.png")
    for labels, expected in (
        ("folders", [0, 1, 4, 4, 4, 5, 6, 7, 8, 9, 10, 6]),
        (None, [0, 1, 4, 4, 4, 5, 6, 7, 8, 9, 10, 0]),
    ):
        folder = ImageFolder(photos, SIZE, labels=labels)
        assert numbers(folder[::-1]) == expected[::-1]
        assert numbers(folder[:]) == expected
        with pytest.warns(UserWarning) as caught:
            folder.warn_of_broken()
            folder.warn_of_broken()
        assert len(caught) == 1
        assert "3 files of " in str(caught[0].message)
        assert "02.png': broken" in str(caught[0].message)
    with pytest.raises(ValueError, match="02.png' in .* cannot be read"):
        ImageFolder(photos, SIZE, strict=True)[2]


@pytest.mark.once
def test_all_files_of_a_class_are_broken(photos):
    for path in (photos / "b").iterdir():
        truncate(path)
    folder = ImageFolder(photos, SIZE, labels="folders")
    with pytest.raises(ValueError, match="No image in .* can be read any more.*06.png"):
        folder[7]


@pytest.mark.once
def test_a_cache_is_used_until_something_changes(photos, tmp_path, monkeypatch):
    truncate(photos / "a" / "02.png")
    decoded = []

    def make(**options):
        decoded.clear()
        return ImageFolder(photos, SIZE, cache=tmp_path / "cache", **options)

    from keras_patchdpm.datasets import _listing

    read = _listing.read_image
    monkeypatch.setattr(
        _listing, "read_image", lambda path: decoded.append(path) or read(path)
    )
    for count in (12, 0):
        with pytest.warns(UserWarning, match="02.png': broken"):
            folder = make(labels="folders")
        assert len(decoded) == count and len(folder) == len(folder.names) == 11
        assert folder.labels.tolist() == [0] * 5 + [1] * 6
        assert numbers(folder[:]) == [0, 1, *range(3, 12)]
    with pytest.raises(ValueError, match="cannot be read"):
        make(strict=True)
    assert not decoded
    with pytest.warns(UserWarning):
        make(crop="top")
    assert len(decoded) == 12
    os.remove(photos / "a" / "02.png")
    assert len(make(crop="top")) == 11 and len(decoded) == 11
    os.utime(photos / "a" / "01.png", ns=(0, 0))
    make(crop="top")
    assert len(decoded) == 11
    for damage in (b"", b"{}", b"\x93NUMPY"):
        for name in ("description.json", "images.npy"):
            (tmp_path / "cache" / name).write_bytes(damage)
            if damage or name == "images.npy":
                assert numbers(make()[:3]) == [0, 1, 3] and len(decoded) == 11


@pytest.mark.once
def test_a_cache_that_is_cut_off_leaves_the_old_one(photos, tmp_path, monkeypatch):
    from keras_patchdpm.datasets import _listing

    folder = ImageFolder(photos, SIZE, cache=tmp_path / "run" / "cache")

    def stop(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(_listing, "read_image", stop)
    with pytest.raises(KeyboardInterrupt):
        ImageFolder(photos, SIZE, cache=tmp_path / "run" / "cache", crop="top")
    assert os.listdir(tmp_path / "run") == ["cache"]
    assert numbers(folder[:2]) == [0, 1]
    with pytest.raises(KeyboardInterrupt):
        ImageFolder(photos, SIZE, cache=tmp_path / "other" / "cache")
    assert not (tmp_path / "other").exists()


@pytest.mark.once
def test_crop_and_resample(tmp_path):
    image = np.zeros((24, 8, 3), "uint8")
    image[:8], image[8:16] = 100, 200
    save(image, tmp_path / "a.png")
    for crop, value in (("top", 100), ("center", 200)):
        assert (ImageFolder(tmp_path, 8, crop=crop)[0] == value).all()
        assert (load_images(tmp_path, 8, crop=crop)[0] == value).all()
    stretched = ImageFolder(tmp_path, (3, 1), crop="stretch", resample="area")[0]
    assert stretched[:, 0, 0].tolist() == [100, 200, 0]
    square = np.zeros((4, 4, 3), "uint8")
    square[0, 0] = 240
    save(square, tmp_path / "a.png")
    assert ImageFolder(tmp_path, 2, resample="area")[0][0, 0, 0] == 60


BAD = {
    "not a folder": ({"folder": "nowhere"}, ValueError, "`folder` must be a folder"),
    "a file": ({"folder": "file.png"}, ValueError, "`folder` must be a folder"),
    "no images": ({"folder": "empty"}, ValueError, "no image in empty"),
    "too small": ({"image_size": 9}, ValueError, "12 smaller than `smallest`, 9x9"),
    "size": ({"image_size": 0}, ValueError, "`image_size` must be at least 1"),
    "labels": ({"labels": "names"}, ValueError, "`labels` must be one of None, 'fold"),
    "no classes": ({"folder": "photos/a", "labels": "folders"}, ValueError, "no image"),
    "crop": ({"crop": "random"}, ValueError, "`crop` must be one of 'center', 'top'"),
    "resample": (
        {"resample": "box"},
        ValueError,
        "`resample` must be one of 'bicubic'",
    ),
    "strict": ({"strict": "no"}, TypeError, "`strict` must be True or False"),
    "cache": (
        {"cache": "photos"},
        ValueError,
        "`cache` must be a folder that does not",
    ),
    "cache file": ({"cache": "file.png"}, ValueError, "`cache` must be a folder that"),
}


@pytest.mark.once
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_before_long_work(case, photos, monkeypatch):
    monkeypatch.chdir(photos.parent)
    (photos.parent / "empty").mkdir()
    save(np.zeros((SIZE, SIZE, 3), "uint8"), photos.parent / "file.png")
    options, error, message = BAD[case]
    with pytest.raises(error, match=message):
        ImageFolder(**{"folder": "photos", "image_size": SIZE, **options})


def test_fit_says_how_a_folder_is_read(photos):
    with pytest.raises(TypeError, match=r"`ImageBatches\(folder, batch_size\)`"):
        tiny_model().fit(ImageFolder(photos, SIZE))


def test_a_training_resumes_on_a_folder(photos):
    """Bit by bit, with labels, and with a broken file."""
    truncate(photos / "a" / "02.png")
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for stops in ((3,), (1, 3)):
            model, start = tiny_model(num_classes=2), 0
            for stop in stops:
                folder = ImageFolder(photos, SIZE, labels="folders")
                options = {"epochs": stop, "initial_epoch": start}
                train(
                    model,
                    ImageBatches(folder, 4),
                    keras.optimizers.SGD(0.1) if not start else None,
                    **options,
                )
                start = stop
            found.append(values(model.network.weights))
    assert_same(found[0], found[1])


def test_two_thousand_files_of_all_kinds(tmp_path):
    broken = write_files(tmp_path, 2000)
    assert broken == 20
    with pytest.warns(UserWarning, match=r"Not read: \d+ \(\d+ broken, 7 empty\)"):
        folder = ImageFolder(tmp_path, SIZE, labels="folders")
    assert 1980 <= len(folder) < 1987 and folder.class_names == ["class 0", "class 1"]
    model = tiny_model(num_classes=2)
    model.compile(optimizer="adam")
    left = broken - (2000 - len(folder))
    with pytest.warns(UserWarning, match=f"{left} files of .* could not be decoded"):
        history = model.fit(ImageBatches(folder, 64, steps=32), verbose=0)
    assert np.isfinite(history.history["loss"]).all()
