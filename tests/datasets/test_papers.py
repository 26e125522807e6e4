"""CelebA and LSUN bedroom, from TensorFlow Datasets without a network."""

import os

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from keras_patchdpm.datasets import ImageBatches, celeb_a, lsun_bedroom
from keras_patchdpm.datasets._papers import part_of

pytestmark = pytest.mark.once


def expected(name, count, size, method):
    """The prepared images of the mocked data set, by Pillow alone."""
    with tfds.testing.mock_data(num_examples=count):
        examples = list(tfds.as_numpy(tfds.load(name, split="train")))
    images = []
    for example in examples:
        height, width, _ = example["image"].shape
        side = min(height, width)
        if side < size:
            continue
        left, top = (width - side) / 2, (height - side) / 2
        box = left, top, left + side, top + side
        image = Image.fromarray(example["image"])
        images.append(np.asarray(image.resize((size, size), method, box=box)))
    return np.stack(images)


@pytest.mark.parametrize(
    ("load", "name", "method"),
    [
        (celeb_a, "celeb_a", Image.Resampling.BOX),
        (lsun_bedroom, "lsun/bedroom", Image.Resampling.BICUBIC),
    ],
)
def test_splits_and_preparation(load, name, method, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    whole, start = expected(name, 25, 4, method), 0
    with tfds.testing.mock_data(num_examples=25):
        for split, count in (("train", 16), ("validation", 4), ("test", 5)):
            images = load(split, 4)
            assert isinstance(images, np.memmap) and images.shape == (count, 4, 4, 3)
            np.testing.assert_array_equal(images, whole[start : start + count])
            start += count
    monkeypatch.setattr(tfds, "load", None)  # From here on, the prepared images.
    again = load("test", 4)
    np.testing.assert_array_equal(again, images)
    assert len(ImageBatches(again, 5)[0][0]) == 5
    prepared = os.listdir(tmp_path / "datasets" / "keras_patchdpm")
    assert f"{name.replace('/', '_')}-test-4x4" in prepared


def test_every_image_is_in_one_split():
    for count in (0, 1, 7, 100, 202_599, 3_033_342):
        ends = [part_of(count, split) for split in ("train", "validation", "test")]
        assert [first for first, _ in ends] == [0, ends[0][1], ends[1][1]]
        assert ends[2][1] == count
    # With CelebA's numbered files, tests are apart from the official training images.
    assert part_of(202_599, "test")[0] < 162_770 < 202_599 * 0.81


def test_the_folder_of_the_manual_route(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "faces").mkdir()
    images = rng.integers(0, 256, (25, 24, 16, 3), "uint8")
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "faces" / f"{number:06}.png")
    middle = images[:, 4:20].reshape(25, 8, 2, 8, 2, 3).mean(axis=(2, 4))
    found = celeb_a(
        "validation", 8, folder=tmp_path / "faces", cache=tmp_path / "prepared"
    )
    assert np.abs(found - middle[16:20]).max() <= 1  # Rounded in two passes.
    found = celeb_a(
        "test", 8, folder=tmp_path / "faces", cache=tmp_path / "prepared", limit=2
    )
    assert np.abs(found - middle[20:22]).max() <= 1


@pytest.mark.parametrize(
    ("load", "manual"),
    [
        (celeb_a, r'img_align_celeba.zip.*celeb_a\(folder="img_align_celeba/"\)'),
        (lsun_bedroom, r'fyu/lsun.*lsun_bedroom\(folder="bedroom/"\)'),
    ],
)
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (tfds.download.DownloadError("Quota exceeded"), OSError),
        (ConnectionError("Quota exceeded"), OSError),
        (ImportError("Quota exceeded"), ImportError),
    ],
)
def test_a_refused_download(load, manual, error, kind, tmp_path, monkeypatch):
    def refuse(*args, **options):
        raise error

    monkeypatch.setattr(tfds, "load", refuse)
    with pytest.raises(kind, match=f"{manual}.*Quota exceeded.*Received: folder=None"):
        load(cache=tmp_path / "cache")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "val"}, "`split` must be one of 'train', 'validation', 'test'"),
        ({"image_size": 0}, "`image_size` must be at least 1"),
        ({"folder": "nowhere"}, "`folder` must be the folder of.*img_align_celeba.zip"),
        ({"limit": 0}, "`limit` must be at least 1"),
        ({"cache": ""}, "`cache` must be a path"),
    ],
)
def test_refuses(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        celeb_a(**options)
