"""Crops of mixed sizes: how often, where, and what the network is told of them."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_patchdpm import EDMSchedule, PatchDPM, RandomPatching
from keras_patchdpm.callbacks import BackupAndRestore
from keras_patchdpm.networks import unet


def images(count=12, size=(16, 24), dtype="uint8"):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, *size, 3), dtype=dtype)


def crops(patching=None, batch_size=2, seed=0, count=12, **options):
    patching = RandomPatching((16, 24), **options) if patching is None else patching
    return patching.batches(images(count), batch_size, seed)


@pytest.mark.once
def test_sizes_probabilities_and_multipliers_are_the_papers():
    patching = RandomPatching(64)
    assert patching.sizes == [(16, 16), (32, 32), (64, 64)]
    np.testing.assert_allclose(patching.probabilities, [0.2, 0.3, 0.5])
    assert patching.batch_multipliers == (4, 2, 1)
    latents = RandomPatching(32, (0.5, 1), full_size_probability=0.3)
    np.testing.assert_allclose(latents.probabilities, [0.7, 0.3])
    rare = RandomPatching(64, full_size_probability=0.1)
    np.testing.assert_allclose(rare.probabilities, [0.36, 0.54, 0.1])
    assert RandomPatching(64, (1.0,)).probabilities == (1.0,)


@pytest.mark.once
def test_images_may_have_any_shape():
    patching = RandomPatching((24, 40), (0.25, 0.75, 1.0))
    assert patching.sizes == [(6, 10), (18, 30), (24, 40)]


@pytest.mark.once
def test_sizes_come_as_often_as_they_should():
    batches = crops(batch_size=1, count=2000)
    found = np.bincount(batches.sizes(0), minlength=3) / 2000
    np.testing.assert_allclose(found, [0.2, 0.3, 0.5], atol=0.03)


@pytest.mark.once
@pytest.mark.parametrize("content", [False, True])
def test_crops_are_of_the_images_where_they_say(content):
    batches = crops(content=content)
    whole = images()
    seen = set()
    for step in range(len(batches)):
        (data,) = batches[step]
        size = batches.sizes(0)[step]
        h, w = batches.patching.sizes[size]
        assert data["rows"].shape == (2 * (4, 2, 1)[size], h)
        assert data["cols"].shape == (2 * (4, 2, 1)[size], w)
        seen.add(size)
        for image, rows, cols in zip(*data.values(), strict=True):
            assert 0 <= rows[0] and rows[-1] < 16
            assert 0 <= cols[0] and cols[-1] < 24
            assert (np.diff(rows) == 1).all() and (np.diff(cols) == 1).all()
            expected = whole if content else whole[:, rows][:, :, cols]
            assert (expected == image).all(axis=(1, 2, 3)).any()
    assert len(seen) > 1


@pytest.mark.once
def test_crops_lie_anywhere():
    batches = crops(fractions=(0.5,), batch_size=400, count=400)
    (data,) = batches[0]
    assert set(data["rows"][:, 0]) == set(range(16 - 8 + 1))
    assert set(data["cols"][:, 0]) == set(range(24 - 12 + 1))
    corners = np.stack([data["rows"][:, 0], data["cols"][:, 0]], axis=1)
    assert len(np.unique(corners, axis=0)) > 80  # Each image has a place of its own.


@pytest.mark.once
def test_each_image_comes_once_before_any_comes_again():
    batches = crops(fractions=(1.0,), batch_size=3, count=12)
    taken = np.concatenate([batches[step][0]["images"] for step in range(4)])
    assert len(np.unique(taken.reshape(12, -1), axis=0)) == 12


@pytest.mark.once
def test_epochs_differ_and_seeds_repeat():
    def first(seed, epochs):
        batches = crops(fractions=(0.5,), seed=seed)
        batches.epoch = epochs
        return batches[0][0]["images"]

    np.testing.assert_array_equal(first(0, 1), first(0, 1))
    assert not np.array_equal(first(0, 0), first(0, 1))
    assert not np.array_equal(first(0, 0), first(1, 0))


@pytest.mark.once
def test_processes_have_one_size_and_other_crops():
    patching = RandomPatching((16, 24))
    shards = [patching.batches(images(), 2, 0, shard=shard) for shard in range(3)]
    assert len({tuple(shard.sizes(5)) for shard in shards}) == 1
    (step,) = np.flatnonzero(shards[0].sizes(0) == 0)[:1]
    batches = [shard[step][0] for shard in shards]
    for name in ("images", "rows", "cols"):
        assert len({batch[name].tobytes() for batch in batches}) == 3, name
    for name, values in patching.batches(images(), 2, 0)[step][0].items():
        np.testing.assert_array_equal(batches[0][name], values)


def test_a_training_goes_on_where_it_stopped(tmp_path):
    """With the crops it would have had, after a stop in the middle of an epoch."""

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(self.model.optimizer.iterations) == 5:
                raise KeyboardInterrupt

    def train(*callbacks):
        keras.utils.set_random_seed(0)
        built = model(progressive=True)
        held = images(6, (16, 16))
        built.fit(held, batch_size=2, epochs=3, verbose=0, callbacks=list(callbacks))
        return built

    unbroken = train()
    backup = BackupAndRestore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(backup, Stop())
    resumed = train(BackupAndRestore(tmp_path))
    for found, expected in zip(resumed.weights, unbroken.weights, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.once
def test_sizes_grow_over_the_training_if_progressive():
    patching = RandomPatching((16, 24), progressive=True)
    batches = patching.batches(images(), 2, 0, epochs=5)
    plain = RandomPatching((16, 24)).batches(images(), 2, 0, epochs=5)
    sizes = np.concatenate([batches.sizes(epoch) for epoch in range(5)])
    drawn = np.concatenate([plain.sizes(epoch) for epoch in range(5)])
    assert (np.diff(sizes) >= 0).all()
    np.testing.assert_array_equal(np.bincount(sizes), np.bincount(drawn))


def cut(patching, step):
    (data,) = patching.batches(images(), 2, 0)[step]
    clean = data.pop("images").astype("float32")
    noise = np.random.default_rng(1).normal(size=clean.shape).astype("float32")
    inputs, target = patching.example(
        clean, lambda clean: (clean + noise, noise), None, **data
    )
    return clean, noise, data, inputs, target


@pytest.mark.parametrize("step", range(4))
def test_coordinates_tell_the_place_in_the_whole_image(step):
    _, _, data, inputs, _ = cut(RandomPatching((16, 24)), step)
    u, v = np.moveaxis(ops.convert_to_numpy(inputs["coordinates"]), -1, 0)
    expected_u = 2 * data["cols"] / 23 - 1
    expected_v = 2 * data["rows"] / 15 - 1
    np.testing.assert_allclose(u, expected_u[:, None, :] + 0 * u, atol=1e-6)
    np.testing.assert_allclose(v, expected_v[:, :, None] + 0 * v, atol=1e-6)


@pytest.mark.parametrize("step", range(4))
def test_content_and_crop_are_of_the_same_noisy_image(step):
    patching = RandomPatching((16, 24), content=True)
    clean, noise, data, inputs, target = cut(patching, step)
    noisy = clean + noise
    h, w = data["rows"].shape[1], data["cols"].shape[1]
    pooled = noisy.reshape(-1, h, 16 // h, w, 24 // w, 3).mean((2, 4))
    np.testing.assert_allclose(inputs["content"], pooled, rtol=1e-5, atol=1e-3)
    for index, (rows, cols) in enumerate(zip(data["rows"], data["cols"], strict=True)):
        np.testing.assert_array_equal(
            inputs["noisy"][index], noisy[index][rows][:, cols]
        )
        np.testing.assert_array_equal(target[index], noise[index][rows][:, cols])


def model(seed=0, **options):
    """Of two sizes of crops: each is compiled."""
    patching = RandomPatching(16, (0.5, 1.0), **options)
    schedule = EDMSchedule()
    small = {"width": 4, "multipliers": (1,), "blocks_per_depth": 1}
    network = unet(16, patching, schedule=schedule, **small)
    found = PatchDPM(network, schedule, patching, seed=seed)
    found.compile(keras.optimizers.Adam(1e-3))
    return found


def record(monkeypatch):
    """`(epoch, step)` of each batch that is made."""
    made, get = [], keras_batches().__getitem__

    def spy(self, step):
        made.append((self.epoch, step))
        return get(self, step)

    monkeypatch.setattr(keras_batches(), "__getitem__", spy)
    return made


def keras_batches():
    return type(crops())


@pytest.mark.parametrize("content", [False, pytest.param(True, marks=pytest.mark.once)])
def test_fit_sees_every_batch_of_every_epoch(content, monkeypatch):
    made = record(monkeypatch)
    built = model(content=content)
    history = built.fit(images(6, (16, 16)), batch_size=2, epochs=3, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert {(epoch, step) for epoch in range(3) for step in range(3)} <= set(made)
    assert int(built.optimizer.iterations) == 9


@pytest.mark.once
def test_batches_that_were_made_by_hand_are_taken():
    built = model()
    batches = built.patching.batches(images(6, (16, 16)), 2, seed=5)
    built.fit(batches, epochs=2, verbose=0)
    assert int(built.optimizer.iterations) == 6


def test_data_sets_of_whole_images_are_cropped():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, step):
            return (images(6, (16, 16))[2 * step : 2 * step + 2],)

    built = model()
    built.fit(Batches(), epochs=2, verbose=0)
    assert int(built.optimizer.iterations) == 6


@pytest.mark.once
def test_weights_go_with_their_images():
    weights = np.arange(12, dtype="float32")
    batches = RandomPatching((16, 24), (1.0,)).batches(
        images(), 4, 0, sample_weight=weights
    )
    whole = images()
    data, _, found = batches[1]
    for image, weight in zip(data["images"], found, strict=True):
        np.testing.assert_array_equal(image, whole[int(weight)])
    built = model()
    built.fit(images(4, (16, 16)), batch_size=2, sample_weight=np.zeros(4), verbose=0)
    loss = built.evaluate(images(4, (16, 16)), sample_weight=np.zeros(4), verbose=0)
    assert loss == 0


@pytest.mark.once
def test_each_epoch_starts_a_data_set_again():
    """So a validation has the same crops of the same images each time."""
    whole = images(6, (16, 16))
    data = [whole[:2], whole[2:4], whole[4:]]
    batches = RandomPatching(16).batches(data, None, 0)
    epochs = [[batches[step][0] for step in range(3)] for _ in range(3)]
    for epoch in epochs[1:]:
        for found, expected in zip(epoch, epochs[0], strict=True):
            for name, values in expected.items():
                np.testing.assert_array_equal(found[name], values)


def test_evaluation_is_the_same_every_time():
    built = model()
    held = images(6, (16, 16))
    built.fit(held, batch_size=2, validation_data=held, verbose=0)
    first = built.evaluate(held, batch_size=2, verbose=0)
    assert built.evaluate(held, batch_size=2, verbose=0) == first


class Counted(keras.layers.Layer):
    """Counts how often it is called: in a compiled step, once for each compilation."""

    calls = 0

    def call(self, x):
        Counted.calls += 1
        return x


def test_one_compilation_for_each_size(monkeypatch):
    patching, schedule = RandomPatching(16), EDMSchedule()
    small = {"width": 4, "multipliers": (1,), "blocks_per_depth": 1}
    inner = unet(16, patching, schedule=schedule, **small)
    inputs = inner.input
    network = keras.Model(inputs, Counted()(inner.output))
    built = PatchDPM(network, schedule, patching)
    built.compile(keras.optimizers.Adam(1e-3))
    monkeypatch.setattr(Counted, "calls", 0)
    built.fit(images(40, (16, 16)), batch_size=2, epochs=2, verbose=0)
    if keras.backend.backend() == "torch":  # Nothing is compiled.
        assert Counted.calls == 40
    else:
        assert 1 <= Counted.calls <= len(patching.sizes)


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fractions": (0.3, 1.0)}, "whole number of pixels, but 0.3 of .16, 16."),
        ({"fractions": (0.75, 1.0), "content": True}, "0.75 does not fit"),
        ({"probabilities": (0.5, 0.5, 0.5)}, "must sum to 1.*1.5"),
        ({"probabilities": (0.5, 0.5)}, "one number for each of the 3"),
        ({"batch_multipliers": (2, 1)}, "one number for each of the 3"),
        ({"full_size_probability": 1.5}, "must be in .0, 1.*1.5"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        RandomPatching(16, **options)


@pytest.mark.once
def test_sizes_that_the_network_cannot_halve_are_refused():
    with pytest.raises(ValueError, match="4x4 pixels .* must be multiples of 8"):
        unet(16, RandomPatching(16), width=8, multipliers=(1, 1, 1, 1))


@pytest.mark.once
def test_batches_that_hold_no_places_are_refused():
    with pytest.raises(ValueError, match="Train with `model.fit"):
        model().train_on_batch(images(2, (16, 16)))


@pytest.mark.once
def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match="16, 16, 3"):
        model().fit(images(2, (16, 24)), verbose=0)
    with pytest.raises(ValueError, match="images of .16, 16. pixels.*32, 32"):
        unet(32, RandomPatching(16))


@pytest.mark.once
def test_data_sets_of_unknown_length_are_refused():
    with pytest.raises(ValueError, match="a data set with a length"):
        RandomPatching(16).batches(iter([images(2)]), None, 0)


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": np.zeros(3, int)}, "`labels` must contain one number for each"),
        ({"labels": np.zeros(4)}, "`labels` must be an array of ints"),
        ({"sample_weight": [1, 1, 1, np.nan]}, "`sample_weight` must be at least 0"),
        ({"sample_weight": [1, 1, 1, -1]}, "`sample_weight` must be at least 0"),
        ({"batch_size": 0}, "`batch_size` must be at least 1"),
        ({"images": np.zeros((4, 8, 8, 3))}, "images of .16, 16. pixels"),
        ({"images": []}, "`images` must be an array, or a data set"),
        ({"images": "xyz"}, "`images` must be an array, or a data set"),
        ({"images": [2, 2]}, "`images` must have the shape"),
    ],
)
def test_batches_refuses(options, message):
    arguments = {"images": images(4, (16, 16)), "batch_size": 2, "seed": 0, **options}
    with pytest.raises((TypeError, ValueError), match=message):
        RandomPatching(16).batches(**arguments)


@pytest.mark.once
def test_labels_in_a_column_are_labels():
    labels = np.arange(4)[:, None]
    batches = RandomPatching(16, (1.0,)).batches(
        images(4, (16, 16)), 4, 0, labels=labels
    )
    assert sorted(batches[0][1]) == [0, 1, 2, 3]


@pytest.mark.once
def test_an_overlap_below_0_is_refused():
    with pytest.raises(ValueError, match="`overlap`.*overlap=-1"):
        RandomPatching(16).tiled((16, 16, 3), 2, overlap=-1)
