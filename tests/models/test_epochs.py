"""Each epoch has its own order, flips and crops, also of a resumed training."""

import keras
import numpy as np
import pytest
from tiny_models import tiny_images, tiny_model

from keras_patchdpm import EDMSchedule, PatchDPM, RandomPatching, networks
from keras_patchdpm.datasets import ImageBatches
from keras_patchdpm.patching.crop_batches import CropBatches

COUNT, BATCH = 12, 4
STEPS = COUNT // BATCH


@pytest.fixture
def read(monkeypatch):
    """What is read, in this process: `{epoch: {step: bytes}}` of each kind."""
    found = {}
    for kind in (ImageBatches, CropBatches):
        original = kind.__getitem__

        def spy(self, index, original=original):
            epoch = self.epoch
            batch = original(self, index)
            images = batch[0]["images"] if isinstance(batch[0], dict) else batch[0]
            found.setdefault(epoch, {})[index] = images.tobytes()
            return batch

        monkeypatch.setattr(kind, "__getitem__", spy)
    return found


def grid_model():
    model = tiny_model()
    model.compile(optimizer=keras.optimizers.SGD(0.01))
    return model


@pytest.fixture(scope="module")
def compiled():
    """One model, which each test trains further: it is the data that counts."""
    return grid_model()


def crop_model():
    patching, schedule = RandomPatching(8, (0.5, 1.0)), EDMSchedule()
    network = networks.unet(
        8,
        patching,
        width=4,
        multipliers=(1,),
        blocks_per_depth=1,
        schedule=schedule,
    )
    model = PatchDPM(network, schedule, patching)
    model.compile(optimizer=keras.optimizers.SGD(0.01))
    return model


def assert_read(read, epochs, expected=None):
    """Every batch of these epochs was read, no two epochs alike, as `expected`."""
    for epoch in epochs:
        assert sorted(read[epoch]) == list(range(STEPS)), epoch
        if expected is not None:
            assert read[epoch] == expected[epoch]
    assert len({tuple(sorted(read[epoch].items())) for epoch in epochs}) == len(epochs)


def order(epoch, **options):
    batches = ImageBatches(tiny_images(COUNT), BATCH, **options)
    batches.epoch = epoch
    return {step: batches[step][0].tobytes() for step in range(STEPS)}


EXPECTED = {epoch: order(epoch) for epoch in range(8)}


@pytest.mark.parametrize("workers", [1, 2])
def test_without_a_callback(workers, compiled, read):
    batches = ImageBatches(tiny_images(COUNT), BATCH, workers=workers)
    compiled.fit(batches, epochs=3, verbose=0)
    assert_read(read, range(3), EXPECTED)
    read.clear()
    for _ in range(2):  # One epoch at a time, as a loop that samples between them.
        compiled.fit(batches, verbose=0)
    assert_read(read, (3, 4), EXPECTED)


def test_a_model_of_keras(read):
    """Keras calls `on_epoch_end`; also before the first epoch."""
    batches = ImageBatches(tiny_images(COUNT), BATCH)

    class Labelled(keras.utils.PyDataset):
        def __len__(self):
            return len(batches)

        def __getitem__(self, index):
            return batches[index][0], np.zeros((BATCH, 1))

        def on_epoch_begin(self):
            batches.on_epoch_begin()

        def on_epoch_end(self):
            batches.on_epoch_end()

    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    model.compile(optimizer="sgd", loss="mse")
    model.fit(Labelled(), epochs=3, verbose=0)
    read = {epoch: steps for epoch, steps in read.items() if len(steps) == STEPS}
    assert len(read) >= 3
    assert_read(read, list(read)[:3], EXPECTED)


def test_a_later_start(compiled, read):
    batches = ImageBatches(tiny_images(COUNT), BATCH)
    compiled.fit(batches, epochs=7, initial_epoch=5, verbose=0)
    assert_read(read, (5, 6), EXPECTED)
    assert 1 not in read


class Restored(keras.callbacks.Callback):
    """Starts at a later epoch as `BackupAndRestore` does: when training begins."""

    def on_train_begin(self, logs=None):
        self.model._initial_epoch = 5


@pytest.mark.parametrize(
    "build", [grid_model, pytest.param(crop_model, marks=pytest.mark.once)]
)
def test_a_start_that_a_callback_chooses(build, read):
    """Also after epochs that were trained in the same process."""
    data = {
        grid_model: lambda: ImageBatches(tiny_images(COUNT), BATCH),
        crop_model: lambda: tiny_images(COUNT),
    }[build]
    options = {"verbose": 0}
    if build is crop_model:
        options["batch_size"] = BATCH
    build().fit(data(), epochs=7, **options)
    expected = dict(read)
    read.clear()
    model, images = build(), data()
    model.fit(images, epochs=1, **options)
    read.clear()
    model.fit(images, epochs=7, callbacks=[Restored()], **options)
    assert_read(read, (5, 6), expected)


def test_crops_of_another_fit_are_others(read):
    model = crop_model()
    for _ in range(3):
        model.fit(tiny_images(COUNT), batch_size=BATCH, verbose=0)
    assert_read(read, range(3))


def test_sizes_grow_again_in_another_fit():
    patching = RandomPatching(8, (0.5, 1.0), progressive=True)
    batches = patching.batches(tiny_images(COUNT), BATCH, 0, epochs=3)
    batches.set_epoch(0, before=2)
    sizes = np.concatenate([batches.sizes(epoch) for epoch in (2, 3, 4)])
    assert (np.diff(sizes) >= 0).all() and len(set(sizes)) == 2


def test_what_is_measured_on_is_the_same_each_time(compiled, read):
    held = ImageBatches(tiny_images(COUNT), BATCH)
    model = compiled
    model.fit(
        ImageBatches(tiny_images(4), BATCH), epochs=2, validation_data=held, verbose=0
    )
    assert model.evaluate(held, verbose=0) == model.evaluate(held, verbose=0)
    assert held.epoch == 0
    # Batches that are trained on as well keep their own count.
    read.clear()
    model.fit(held, epochs=2, validation_data=held, verbose=0)
    assert_read(read, range(2), EXPECTED)
    assert held.epoch == 2


@pytest.mark.parametrize("build", [grid_model, crop_model])
def test_epochs_of_another_length_are_refused(build, compiled):
    model = build()
    for data in (ImageBatches(tiny_images(COUNT), BATCH), tiny_images(COUNT)):
        if build is grid_model and isinstance(data, np.ndarray):
            continue
        with pytest.raises(ValueError, match="ImageBatches.*steps=.*steps_per_epoch=2"):
            model.fit(data, steps_per_epoch=2, verbose=0)
    batches = ImageBatches(tiny_images(COUNT), BATCH)
    assert compiled.fit(batches, steps_per_epoch=STEPS, verbose=0)
