"""Batches that depend on seed and epoch alone."""

import keras
import numpy as np
import pytest
from tiny_models import assert_same, tiny_images, tiny_model, train, values

import keras_patchdpm as kp
from keras_patchdpm.datasets import ImageBatches, image_batches


@pytest.fixture
def numbered():
    """Twelve images; the first pixel of the left column says which one it is."""
    images = np.full((12, 4, 4, 3), 200, "uint8")
    images[:, :, 0, :] = np.arange(12).reshape(12, 1, 1)
    return images


def seen(batches, epoch=0):
    """Which images an epoch has, and which of them are mirrored, batch by batch."""
    batches.epoch = epoch
    pixels = np.stack([batch[:, 0, [0, -1], 0] for (batch,) in batches])
    return pixels.min(axis=-1), pixels[..., 0] == 200


def test_each_image_once_in_an_order_of_its_own(numbered):
    epochs = [seen(ImageBatches(numbered, 4), epoch) for epoch in range(3)]
    for images, _ in epochs:
        assert images.shape == (3, 4)
        assert (np.sort(images.reshape(-1)) == np.arange(12)).all()
    for index in range(2):  # Neither order nor flips repeat.
        assert len({epoch[index].tobytes() for epoch in epochs}) == 3


def test_seed_and_epoch_decide(numbered):
    batches = ImageBatches(numbered, 4, seed=5)
    first = seen(batches, 1)
    seen(batches, 2)
    for again in (seen(batches, 1), seen(ImageBatches(numbered, 4, seed=5), 1)):
        assert (first[0] == again[0]).all() and (first[1] == again[1]).all()
    assert (seen(ImageBatches(numbered, 4, seed=6), 1)[0] != first[0]).any()
    # Any batch by itself, in any order.
    batches.epoch = 1
    assert (batches[2][0][:, 0, [0, -1], 0].min(axis=-1) == first[0][2]).all()


def on_tensorflow():
    return keras.backend.backend() == "tensorflow"


@pytest.mark.parametrize("flip", [True, False])
def test_batches_on_the_device_are_the_same(rng, flip):
    images = rng.integers(0, 256, (12, 4, 4, 3), dtype="uint8")
    options = {"flip": flip, "labels": np.arange(12), "seed": 3}
    on_host = ImageBatches(images, 4, **options)
    assert on_host.images_on == "host"  # A CPU has no memory to copy the images to.
    if on_tensorflow():
        with pytest.raises(ValueError, match="TensorFlow reads batches from the host"):
            ImageBatches(images, 4, images_on="device")
        return
    on_device = ImageBatches(images, 4, images_on="device", **options)
    for epoch in range(3):
        on_host.epoch = on_device.epoch = epoch
        for (batch, labels), (other, other_labels) in zip(
            on_host, on_device, strict=True
        ):
            assert keras.ops.is_tensor(other) and not isinstance(other, np.ndarray)
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(other), batch)
            np.testing.assert_array_equal(other_labels, labels)


@pytest.mark.parametrize("crops", [False, True])
def test_training_is_the_same_with_images_on_the_device(crops):
    if on_tensorflow():
        return  # It has none: see above.
    images, trained = tiny_images(12), []
    for place in ("host", "device"):
        model = tiny_model(kp.RandomPatching(8, (0.5, 1.0)) if crops else None)
        batches = ImageBatches(images, 4, images_on=place, workers=2)
        train(model, batches, keras.optimizers.Adam(0.01), epochs=2)
        trained.append(values(model.trainable_variables))
    assert_same(*trained)


def test_bad_images_on_the_device_are_refused_at_once(rng):
    if on_tensorflow():
        return
    images = rng.uniform(-1, 1, (12, 8, 8, 3)).astype("float32")
    images[11] = np.nan
    batches = ImageBatches(images, 4, images_on="device", steps=1)
    with pytest.raises(ValueError, match="NaN"):
        train(tiny_model(), batches, keras.optimizers.Adam())


def test_the_device_is_chosen_where_the_images_fit(numbered, monkeypatch):
    for free, place in ((None, "host"), (9 * numbered.nbytes, "host"), (1e9, "device")):
        monkeypatch.setattr(image_batches, "free_bytes", lambda free=free: free)
        expected = "host" if on_tensorflow() else place
        assert ImageBatches(numbered, 4).images_on == expected
    augmented = ImageBatches(numbered, 4, augment=lambda batch, rng: batch)
    assert augmented.images_on == "host"
    assert ImageBatches(numbered, 4, num_shards=2, shard=0).images_on == "host"
    for wrong in (
        {"augment": lambda batch, rng: batch},
        {"num_shards": 2, "shard": 0},
    ):
        with pytest.raises(ValueError, match="cannot be on the device"):
            ImageBatches(numbered, 4, images_on="device", **wrong)


def test_half_are_mirrored(numbered):
    flips = [seen(ImageBatches(numbered, 4), epoch)[1] for epoch in range(50)]
    assert 0.45 < np.mean(flips) < 0.55
    assert np.std(flips, axis=0).min() > 0.3, "some place is always mirrored, or never"
    assert not seen(ImageBatches(numbered, 4, flip=False))[1].any()
    assert (numbered[:, :, 0] < 12).all() and (numbered[:, :, 1:] == 200).all()


def test_a_mirrored_image_is_whole():
    image = np.arange(48, dtype="uint8").reshape(1, 4, 4, 3)
    batches, found = ImageBatches(image, 1), set()
    for batches.epoch in range(8):
        found.add(batches[0][0].tobytes())
    assert found == {image.tobytes(), image[:, :, ::-1].tobytes()}


def test_as_many_steps_as_asked(numbered):
    images, _ = seen(ImageBatches(numbered, 5, steps=6))
    assert images.shape == (6, 5)
    counts = np.bincount(images.reshape(-1), minlength=12)
    assert set(counts) == {2, 3}  # 30 draws of 12 images.
    assert len(ImageBatches(numbered, 5)) == 2
    assert len(ImageBatches(numbered, 5, steps=1)) == 1


def test_a_memory_map(numbered, tmp_path):
    np.save(tmp_path / "images.npy", numbered)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    found, expected = seen(ImageBatches(mapped, 4)), seen(ImageBatches(numbered, 4))
    assert (found[0] == expected[0]).all() and (found[1] == expected[1]).all()


@pytest.mark.once
def test_labels_follow_their_images(numbered):
    for images, labels in ImageBatches(numbered, 4, labels=np.arange(12) % 3):
        assert (images[:, 0, [0, -1], 0].min(axis=-1) % 3 == labels).all()


@pytest.mark.once
@pytest.mark.parametrize("steps", [None, 5])
def test_shards_have_the_batches_of_one_process_together(numbered, steps):
    """Other images in each shard, in all epochs, and as many steps."""
    shards = [
        ImageBatches(numbered, 2, steps=steps, num_shards=3, shard=shard)
        for shard in range(3)
    ]
    together = ImageBatches(numbered, 6, steps=steps)
    for epoch in range(3):
        found = np.stack([seen(batches, epoch)[0] for batches in shards], axis=1)
        expected, _ = seen(together, epoch)
        assert found.shape == (len(together), 3, 2)
        np.testing.assert_array_equal(
            np.sort(found.reshape(expected.shape)), np.sort(expected)
        )
    assert len({seen(batches)[1].tobytes() for batches in shards}) == 3


@pytest.mark.once
def test_shards_are_the_processes_of_the_backend(numbered, monkeypatch):
    assert ImageBatches(numbered, 2).num_shards == 1
    monkeypatch.setattr(image_batches, "processes", lambda: (3, 2))
    batches = ImageBatches(numbered, 2)
    assert (batches.num_shards, batches.shard, len(batches)) == (3, 2, 2)
    np.testing.assert_array_equal(
        batches[1][0], ImageBatches(numbered, 2, num_shards=3, shard=2)[1][0]
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_fit_sees_the_epoch_it_is_in(workers):
    """Whatever Keras reads ahead, and also when it starts in the middle."""
    images, found = tiny_images(8), []
    for start in (0, 2):
        batches = ImageBatches(images, 2, workers=workers)
        model = tiny_model()
        at_epoch_2 = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs, model=model: (
                epoch == 2 and set_alike(model)
            )
        )
        callbacks = [at_epoch_2]
        optimizer = keras.optimizers.SGD(0.1)
        options = {"epochs": 4, "initial_epoch": start, "callbacks": callbacks}
        train(model, batches, optimizer, **options)
        found.append(values(model.network.weights))
    assert_same(found[0], found[1])


def test_a_copy_to_measure_on(numbered):
    batches = ImageBatches(numbered, 4)
    batches.set_epoch(3)
    other = batches.fixed()
    for one in (batches, other):
        one.on_epoch_end()  # As Keras calls it before the first epoch.
        for _ in range(2):
            one.on_epoch_begin()
            one.on_epoch_end()
    assert (batches.epoch, other.epoch) == (5, 0)


def set_alike(model):
    """Puts weights and draws where those of any other such model are."""
    other = tiny_model()
    for variable, start in zip(model.variables, other.variables, strict=True):
        variable.assign(start.value)


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"images": np.zeros((4, 8, 3))}, ValueError, "`images`.*shape.*4, 8, 3"),
        ({"batch_size": 13}, ValueError, "`batch_size` must be at most 12.*13"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be at least 1"),
        ({"batch_size": 2.0}, TypeError, "`batch_size` must be an int"),
        ({"steps": 0}, ValueError, "`steps` must be at least 1"),
        ({"seed": -1}, ValueError, "`seed` must be at least 0"),
        ({"flip": "no"}, TypeError, "`flip` must be True or False.*'no'"),
        ({"augment": 7}, TypeError, "`augment` must be a function"),
        ({"labels": np.arange(11)}, ValueError, "`labels` must contain one int for"),
        ({"labels": np.zeros(12)}, TypeError, "`labels` must be ints.*float64"),
        ({"labels": np.arange(12) - 1}, ValueError, "`labels` must be at least 0"),
        ({"num_shards": 2}, ValueError, "`num_shards` and `shard` belong together"),
        ({"num_shards": 2, "shard": 2}, ValueError, "`shard` must be at most 1"),
        ({"num_shards": 0, "shard": 0}, ValueError, "`num_shards` must be at least 1"),
        ({"num_shards": 4, "shard": 0}, ValueError, "4 shards needs 16 images"),
    ],
)
def test_refuses(arguments, error, message, numbered):
    with pytest.raises(error, match=message):
        ImageBatches(**{"images": numbered, "batch_size": 4, **arguments})


def test_no_batch_outside_the_epoch(numbered):
    with pytest.raises(ValueError, match="`index` must be at most 2"):
        ImageBatches(numbered, 4)[3]
