"""Every kind of data that Keras takes, holding the same images."""

import importlib.util

import keras
import numpy as np
import pytest
from keras import ops
from tiny_models import assert_same, tiny_images, tiny_model, train, values

from keras_patchdpm import DDPMSchedule
from keras_patchdpm.models import _images

BATCH = 4


def as_floats(images):
    return (images / 127.5 - 1).astype("float32")


class Batches(keras.utils.PyDataset):
    def __init__(self, images, labels=False):
        super().__init__()
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.images) // BATCH

    def __getitem__(self, index):
        batch = self.images[index * BATCH :][:BATCH]
        return (batch, np.arange(BATCH)) if self.labels else (batch,)


def generator(images):
    yield from Batches(images)


def tf_data(images):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(images).batch(BATCH)


def torch_data(images):
    import torch

    dataset = torch.utils.data.TensorDataset(
        torch.tensor(images), torch.arange(len(images))
    )
    return torch.utils.data.DataLoader(dataset, batch_size=BATCH)


KINDS = {
    "float array": as_floats,
    "PyDataset with labels": lambda images: Batches(images, labels=True),
    "generator": generator,
}
if importlib.util.find_spec("tensorflow"):
    KINDS["tf.data"] = tf_data
if importlib.util.find_spec("torch"):
    KINDS["DataLoader with labels"] = torch_data


@pytest.fixture(scope="module")
def trained():
    """The weights that an array of uint8 images gives."""
    model = tiny_model()
    train(model, tiny_images(8), keras.optimizers.SGD(0.1))
    return values(model.network.weights)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_images_train_the_same(kind, trained):
    model = tiny_model()
    train(model, KINDS[kind](tiny_images(8)), keras.optimizers.SGD(0.1))
    assert_same(values(model.network.weights), trained, 1e-6)


def test_labels_of_an_array_are_not_used(trained):
    model = tiny_model()
    train(model, tiny_images(8), keras.optimizers.SGD(0.1), y=np.arange(8))
    assert_same(values(model.network.weights), trained)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float32", "float64"])
def test_numbers_of_any_kind(dtype):
    images = tiny_images(4)
    given = as_floats(images).astype(dtype) if "float" in dtype else images
    found = _images.to_range(given.astype(dtype), (8, 8, 3))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(
        ops.convert_to_numpy(found), as_floats(images), atol=1e-6
    )


def test_steps_on_single_batches(trained):
    model = tiny_model()
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    for batch in Batches(tiny_images(8)):
        loss = model.train_on_batch(*batch)
    assert_same(values(model.network.weights), trained, 1e-6)
    assert np.isfinite(loss) and np.isfinite(model.test_on_batch(*batch))


def test_sample_weights_of_a_data_set_and_of_validation():
    """One per image, as a vector or a column; without labels as well."""
    images, weights = tiny_images(4), np.array([0.0, 1.0, 2.0, 5.0], "float32")
    model = tiny_model(schedule=DDPMSchedule(min_snr_gamma=5.0))
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    expected = model.evaluate(images, sample_weight=weights, verbose=0)
    assert expected != model.evaluate(images, verbose=0)

    class Weighted(Batches):
        def __getitem__(self, index):
            return *super().__getitem__(index), weights[:, None]

    assert model.evaluate(Weighted(images, labels=True), verbose=0) == expected
    held = (images, None, weights)
    history = train(model, images, validation_data=held, sample_weight=weights)
    assert history["val_loss"] == [expected]
