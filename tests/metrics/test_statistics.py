"""Statistics of features: streamed, saved and loaded."""

import dataclasses
import os
import types

import numpy as np
import pytest
from hypothesis import given, strategies

from keras_patchdpm.metrics import (
    Extractor,
    _statistics_file,
    frechet_distance,
    kernel_distance,
    load_statistics,
    save_statistics,
    statistics,
    statistics_of_features,
)
from keras_patchdpm.metrics._moments import Moments, Reservoir

pytestmark = pytest.mark.once


def colours(images):
    """The mean colour of each image: three features."""
    return images.mean(axis=(1, 2))


@pytest.fixture
def extractor():
    return Extractor(colours, "mean colour", 8)


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (40, 8, 8, 3), dtype="uint8")


@given(
    cuts=strategies.lists(strategies.integers(1, 49), max_size=6, unique=True),
    offset=strategies.floats(-1e4, 1e4),
)
def test_any_split_gives_the_moments_of_the_whole(cuts, offset):
    rows = np.random.default_rng(3).normal(size=(50, 4)) + offset
    moments = Moments(4)
    for part in np.split(rows, sorted(cuts)):
        moments.add(part)
    assert moments.count == 50
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(moments.covariance, np.cov(rows.T), rtol=0, atol=1e-9)


def test_each_row_is_kept_with_the_same_probability():
    rows = np.arange(8, dtype="float32")[:, None]
    counts = np.zeros(8)
    for seed in range(2000):
        reservoir = Reservoir(2, 1, seed)
        reservoir.add(rows[:3])
        reservoir.add(rows[3:])
        counts[reservoir.array[:, 0].astype(int)] += 1
    # 500 of each are expected, with a standard deviation of 19.
    assert counts.sum() == 4000 and np.abs(counts - 500).max() < 80


def test_images_stream_in(extractor, images):
    """Whole, one by one, in batches, and as floats: the same numbers."""
    whole = statistics(images, extractor, batch_size=7)
    np.testing.assert_allclose(whole.mean, images.mean(axis=(0, 1, 2)), rtol=1e-6)
    expected = np.cov(images.mean(axis=(1, 2)).T)
    np.testing.assert_allclose(whole.covariance, expected, rtol=1e-5)
    for streamed in (
        iter(images),
        list(images),
        (images[start : start + 3] for start in range(0, 40, 3)),
        images / 127.5 - 1,
    ):
        found = statistics(streamed, extractor, batch_size=16)
        assert found.count == 40 and found.digest == whole.digest
        np.testing.assert_allclose(found.covariance, whole.covariance, rtol=1e-9)
        np.testing.assert_array_equal(found.features, whole.features)


def test_images_may_differ_in_size(extractor, rng):
    """Images of one colour, so that resizing changes nothing."""
    values = rng.integers(0, 256, (6, 3), dtype="uint8")
    sizes = [(8, 8), (5, 9), (20, 20), (8, 8), (3, 3), (1, 1)]
    images = [
        np.broadcast_to(value, (*size, 3))
        for value, size in zip(values, sizes, strict=True)
    ]
    found = statistics(iter(images), extractor, batch_size=4)
    np.testing.assert_allclose(found.features, values, atol=1e-3)


def test_the_network_is_called_with_batches_of_one_size(images):
    shapes = set()

    def network(batch):
        shapes.add(batch.shape)
        return colours(batch)

    extractor = Extractor(network, "mean colour", 8)
    assert statistics(images, extractor, batch_size=16).count == 40
    assert shapes == {(1, 8, 8, 3), (16, 8, 8, 3)}  # One image when it is built.


def test_only_as_many_features_as_asked_for_are_kept(extractor, images):
    few = statistics(images, extractor, most_features=5)
    assert few.features.shape == (5, 3) and few.count == 40
    none = statistics(images, extractor, most_features=0)
    assert float(frechet_distance(none, few)) == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="`generated` .*larger `most_features`"):
        kernel_distance(none, few)


def test_saved_and_loaded(extractor, images, tmp_path):
    saved = statistics(images, extractor, source="photos/ of a cat", most_features=9)
    save_statistics(saved, tmp_path / "a.npz")
    loaded = load_statistics(str(tmp_path / "a.npz"))
    for field in dataclasses.fields(saved):
        one, other = getattr(saved, field.name), getattr(loaded, field.name)
        assert np.array_equal(one, other) and type(one) is type(other), field.name
    assert float(frechet_distance(loaded, saved)) == pytest.approx(0, abs=1e-9)


def test_a_failure_while_saving_keeps_the_old_file(
    extractor, images, tmp_path, monkeypatch
):
    path = tmp_path / "a.npz"
    save_statistics(statistics(images, extractor), path)
    before = path.read_bytes()

    def fail(file, **arrays):
        file.write(b"half a file")
        raise KeyboardInterrupt

    numpy = types.SimpleNamespace(savez=fail, frombuffer=np.frombuffer)
    monkeypatch.setattr(_statistics_file, "np", numpy)
    with pytest.raises(KeyboardInterrupt):
        save_statistics(statistics(images[:9], extractor), path)
    kept = path.read_bytes() == before  # A difference would be shown for minutes.
    assert kept and os.listdir(tmp_path) == ["a.npz"]


@pytest.mark.parametrize("share", [0, 0.3, 0.7, 0.999])
def test_a_truncated_file_is_refused(share, extractor, images, tmp_path):
    path = tmp_path / "a.npz"
    save_statistics(statistics(images, extractor), path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match="not a complete file .* Received: path='.*a"):
        load_statistics(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean": np.zeros(2)}, "do not fit 3 features"),
        ({"mean": np.full(3, np.nan)}, "NaN or infinity"),
        ({"covariance": np.eye(3)[::-1] + np.eye(3, k=1)}, "not symmetric"),
        ({"features": np.zeros((2, 3))}, "types of its arrays"),
        ({"texts": np.array([1, 2], "uint8")}, "Expecting value"),
        ({"mean": np.array([None] * 3)}, "pickle"),
    ],
)
def test_other_files_are_refused(changes, message, extractor, images, tmp_path):
    path = tmp_path / "a.npz"
    save_statistics(statistics(images, extractor), path)
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{**arrays, **changes})
    with pytest.raises(ValueError, match=message):
        load_statistics(path)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 8, 8, 3), "uint8"), "at least 2 images.*Received: images with 1"),
        ([], "Received: images with 0"),
        (np.zeros((0, 8, 8, 3), "uint8"), "There are no images"),
        (np.zeros((4, 8, 8, 1), "uint8"), "3 channels.*np.repeat"),
        (np.zeros((4, 8, 8), "uint8"), "`images` must have the shape"),
        (np.full((4, 8, 8, 3), np.nan), "NaN or infinity, first in image 0"),
        (np.full((4, 8, 8, 3), 255.0), "must be in .-1, 1."),
        (iter([np.zeros((8, 8, 3), "uint8"), np.zeros((8, 8))]), "must have the shape"),
    ],
)
def test_wrong_images(images, message, extractor):
    with pytest.raises(ValueError, match=message):
        statistics(images, extractor)


def test_wrong_features():
    for features in (np.zeros((1, 3)), np.full((3, 3), np.inf), np.zeros((3, 0))):
        with pytest.raises(ValueError, match="at least 2 rows, and no NaN"):
            statistics_of_features(features, "ours")
    with pytest.raises(ValueError, match="`name` must contain a letter"):
        statistics_of_features(np.zeros((3, 3)), " ")


def test_the_file_must_be_writable(extractor, images, tmp_path):
    found = statistics(images, extractor)
    with pytest.raises(ValueError, match="`path` must end in .npz"):
        save_statistics(found, tmp_path / "a.json")
    with pytest.raises(ValueError, match="There is no folder"):
        save_statistics(found, tmp_path / "none" / "a.npz")
    with pytest.raises(FileNotFoundError, match="no file at that path"):
        load_statistics(tmp_path / "a.npz")
