"""Training on class labels."""

import keras
import numpy as np
import pytest
from keras import ops
from tiny_models import SIZE, assert_same, state, tiny_images, tiny_model, train

from keras_patchdpm import (
    CascadePatching,
    EDMSchedule,
    GridPatching,
    PatchDPM,
    RandomPatching,
    networks,
)

IMAGES, LABELS = tiny_images(8), np.arange(8, dtype="int32") % 3


def labelled(patching=None, **options):
    return tiny_model(patching, num_classes=3, **options)


def seeds():
    return keras.random.SeedGenerator(0)


@pytest.mark.parametrize("count", [1, 3])
def test_each_patch_has_the_label_of_its_image(count):
    model = labelled(GridPatching(2, patches_per_image=count))
    inputs, _, _ = model.prepare(IMAGES, seeds(), LABELS, training=False)
    found = ops.convert_to_numpy(inputs["label"])
    np.testing.assert_array_equal(found, LABELS.repeat(count))


def test_labels_are_withheld_as_often_as_asked():
    images, labels = np.zeros((1000, SIZE, SIZE, 3), "uint8"), np.full(1000, 2)
    model = labelled()
    model.label_dropout = 0.25
    inputs, _, _ = model.prepare(images, seeds(), labels)
    found = ops.convert_to_numpy(inputs["label"])
    assert set(found) == {2, 3}
    assert 200 < np.sum(found == 3) < 300


def test_evaluation_withholds_none():
    images = tiny_images(4)
    model = labelled()
    model.label_dropout = 1.0
    model.compile()
    right, wrong = (
        model.evaluate(images, np.full(4, label), verbose=0) for label in (0, 1)
    )
    assert right != wrong


def patchings():
    return [GridPatching(2), CascadePatching(2), RandomPatching(SIZE, (0.5, 1.0))]


@pytest.mark.parametrize("patching", patchings())
def test_labels_can_be_learned(patching):
    """Images of one grey each, told by the label alone: the loss falls below chance."""
    labels = np.arange(64) % 2
    images = np.broadcast_to(
        (labels * 255).astype("uint8")[:, None, None, None], (64, SIZE, SIZE, 3)
    )
    schedule = EDMSchedule(log_mean=3.0, log_std=0.1)  # All but noise.
    network = networks.unet(
        SIZE, patching, width=8, multipliers=(1,), schedule=schedule, num_classes=2
    )
    model = PatchDPM(network, schedule, patching, label_dropout=0.0)
    optimizer = keras.optimizers.Adam(3e-3)
    train(model, images.copy(), optimizer, y=labels, epochs=6, batch_size=8)
    same = model.evaluate(images, labels, verbose=0)
    swapped = model.evaluate(images, 1 - labels, verbose=0)
    assert same < swapped / 2


def test_arrays_and_data_sets_train_the_same():
    trained = []
    batches = [(IMAGES[i : i + 4], LABELS[i : i + 4]) for i in (0, 4)]

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return batches[index]

    for data, more in ((IMAGES, {"y": LABELS}), (Batches(), {})):
        model = labelled()
        train(model, data, keras.optimizers.SGD(0.1), **more)
        trained.append(state(model))
    assert_same(*trained, tolerance=1e-6)


def test_crops_keep_the_labels_of_their_images():
    images = np.broadcast_to(
        np.arange(12, dtype="uint8")[:, None, None, None], (12, SIZE, SIZE, 3)
    )
    labels = np.arange(12) * 10
    batches = RandomPatching(SIZE).batches(images, 4, 0, labels=labels)
    for step in range(len(batches)):
        data, found = batches[step]
        np.testing.assert_array_equal(data["images"][:, 0, 0, 0] * 10, found)


def test_both_papers_networks_take_labels():
    patching = GridPatching(2)
    own = networks.unet(16, patching, width=8, multipliers=(1, 2), num_classes=5)
    theirs = networks.arakawa_unet(16, 2, dim=8, multipliers=(1, 2), num_classes=5)
    for network in (own, theirs):
        model = PatchDPM(network, tiny_model().schedule, patching)
        assert model.num_classes == 5
        draws = np.random.default_rng(0)
        for weight in network.weights:
            weight.assign(draws.normal(0, 0.3, weight.shape).astype("float32"))
        inputs, _, _ = model.prepare(tiny_images(2, size=16), seeds(), np.array([0, 0]))
        outputs = [
            ops.convert_to_numpy(
                network({**inputs, "label": ops.full((2,), label, "int32")})
            )
            for label in (0, 5)
        ]
        assert np.abs(outputs[0] - outputs[1]).max() > 1e-3


def test_a_saved_model_keeps_its_classes(tmp_path):
    model = labelled()
    model.label_dropout = 0.3
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert (loaded.num_classes, loaded.label_dropout) == (3, 0.3)


@pytest.mark.parametrize(
    ("labels", "error", "match"),
    [
        (None, ValueError, "takes labels .num_classes=3.*`fit.images, labels.`"),
        (LABELS + 1, ValueError, r"in \[0, 2\].*labels from 1 to 3"),
        (LABELS - 1, ValueError, "labels from -1 to 1"),
        (LABELS[:4], ValueError, r"one int for each image.*\(8,\).*\(4,\)"),
        (LABELS[:, None], ValueError, r"shape of \(8, 1\)"),
        (LABELS.astype("float32"), TypeError, "must be ints. Received: float32"),
    ],
)
def test_wrong_labels_are_refused(labels, error, match):
    model = labelled()
    model.compile(optimizer="adam")
    with pytest.raises(error, match=match):
        model.fit(IMAGES, labels, batch_size=4, verbose=0)


def test_weights_do_not_stand_in_for_labels():
    model = labelled()
    model.compile(optimizer="adam")
    for work in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="there are none. Train with"):
            work(IMAGES, sample_weight=np.ones(8), batch_size=4, verbose=0)


@pytest.mark.parametrize("rate", [-0.1, 1.1])
def test_the_dropout_is_a_share(rate):
    network = tiny_model().network
    with pytest.raises(ValueError, match=r"`label_dropout` must lie in \[0, 1\]"):
        PatchDPM(network, tiny_model().schedule, GridPatching(2), label_dropout=rate)
