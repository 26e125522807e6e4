"""Every kind of data that Keras takes, holding the same images."""

import importlib.util

import keras
import numpy as np
import pytest
from keras import ops
from tiny_models import assert_same, assign, tiny_images, tiny_model, train, values

from keras_patchdpm import DDPMSchedule, RandomPatching, WholeImage, _images

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


def bare_torch_data(images):
    import torch

    return torch.utils.data.DataLoader(torch.tensor(images), batch_size=BATCH)


def torch_stream(images):
    import torch

    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            yield from torch.tensor(images)

    return torch.utils.data.DataLoader(Stream(), batch_size=BATCH)


def tf_data_of_unknown_size(images, shape=(None, None, 3)):
    import tensorflow as tf

    return tf.data.Dataset.from_generator(
        lambda: iter(images), output_signature=tf.TensorSpec(shape, tf.uint8)
    ).batch(BATCH)


KINDS = {
    "float array": as_floats,
    "PyDataset with labels": lambda images: Batches(images, labels=True),
    "generator": generator,
    "generator of arrays": lambda images: (batch for (batch,) in Batches(images)),
    "iterator": lambda images: iter([[batch] for (batch,) in Batches(images)]),
}
if importlib.util.find_spec("tensorflow"):
    KINDS["tf.data"] = tf_data
    KINDS["tf.data of unknown size"] = tf_data_of_unknown_size
    KINDS["tf.data of unknown rank"] = lambda images: tf_data_of_unknown_size(
        images, None
    )
if importlib.util.find_spec("torch"):
    KINDS["DataLoader with labels"] = torch_data
    KINDS["DataLoader of tensors"] = bare_torch_data
    KINDS["DataLoader of unknown length"] = torch_stream


@pytest.fixture(scope="module")
def started():
    """A function that puts one compiled model back to its start, and returns it."""
    model = tiny_model()
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    start = values(model.variables)

    def start_again():
        assign(model.variables, start)
        return model

    return start_again


@pytest.fixture(scope="module")
def trained(started):
    """The weights that an array of uint8 images gives, and the loss of them then."""
    model, images = started(), tiny_images(8)
    train(model, images)
    loss = model.evaluate(images, batch_size=BATCH, verbose=0)
    return values(model.network.weights), loss


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_images_train_the_same(kind, started, trained):
    model, images = started(), tiny_images(8)
    options = {}
    if "ator" not in kind:  # Generators can be read only once.
        options["validation_data"] = KINDS[kind](images)
    history = train(model, KINDS[kind](images), **options)
    weights, loss = trained
    assert_same(values(model.network.weights), weights, 1e-6)
    if "array" in kind:
        found = model.evaluate(KINDS[kind](images), batch_size=BATCH, verbose=0)
    else:
        found = model.evaluate(KINDS[kind](images), verbose=0)
    assert [found, *history.get("val_loss", [])] == pytest.approx(
        [loss] * (1 + len(options)), rel=1e-5
    )


def test_images_of_unknown_size_are_told():
    with pytest.raises(ValueError, match="does not state the size.*ensure_shape"):
        _images.check_shape((None, None, None, 3), (8, 8, 3))
    with pytest.raises(ValueError, match="does not state the size.*shape None"):
        _images.check_shape(None, (8, 8, 3))


@pytest.mark.parametrize("patching", [None, RandomPatching(8, (0.5, 1.0))])
def test_images_that_are_held_out_of_an_array(patching):
    """The last ones, split off before crops are cut."""
    images, weights = tiny_images(8), np.arange(1.0, 9.0)
    options = {"epochs": 2, "sample_weight": weights}
    split, by_hand = tiny_model(patching), tiny_model(patching)
    found = train(
        split, images, keras.optimizers.SGD(0.1), validation_split=0.3, **options
    )
    held = images[5:], None, weights[5:]
    options["sample_weight"] = weights[:5]
    expected = train(
        by_hand,
        images[:5],
        keras.optimizers.SGD(0.1),
        validation_data=held,
        **options,
    )
    assert found == expected and len(found["val_loss"]) == 2
    with pytest.raises(ValueError, match="`validation_split` leaves no images"):
        split.fit(images, validation_split=0.99)
    with pytest.raises(ValueError, match="`validation_split` is only for arrays"):
        split.fit(Batches(images), validation_split=0.5)


def test_labels_of_an_array_are_not_used(started, trained):
    model = started()
    train(model, tiny_images(8), y=np.arange(8))
    assert_same(values(model.network.weights), trained[0])


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float32", "float64"])
def test_numbers_of_any_kind(dtype):
    images = tiny_images(4)
    given = as_floats(images).astype(dtype) if "float" in dtype else images
    found = _images.to_range(given.astype(dtype), (8, 8, 3))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(
        ops.convert_to_numpy(found), as_floats(images), atol=1e-6
    )


def test_steps_on_single_batches(started, trained):
    model = started()
    for batch in Batches(tiny_images(8)):
        loss = model.train_on_batch(*batch)
    assert_same(values(model.network.weights), trained[0], 1e-6)
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


if keras.backend.backend() == "tensorflow":

    def test_arrays_are_read_in_a_new_order_in_each_epoch():
        """And without the thread that tunes data sets: it delays the end of an epoch.

        The tests' own fixture keeps it from all other data sets.
        """
        count = np.arange(12)
        data = count[:, None].astype("uint8"), None, None

        def epochs(shuffle):
            keras.utils.set_random_seed(3)
            options = {"batch_size": 5, "shuffle": shuffle}
            batches, *others = tiny_model(WholeImage()).of_arrays(data, **options)
            assert others == [None, None]
            assert batches.options().autotune.enabled is False
            assert [len(batch) for (batch,) in batches] == [5, 5, 2]
            return [
                np.concatenate([batch for (batch,) in batches])[:, 0] for _ in range(2)
            ]

        for epoch in epochs(shuffle=False):
            np.testing.assert_array_equal(epoch, count)
        first, second = epochs(shuffle=True)
        np.testing.assert_array_equal(np.sort(first), count)
        assert (first != second).any() and (first != count).any()
        np.testing.assert_array_equal(epochs(shuffle=True), [first, second])
