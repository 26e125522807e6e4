"""Training on class labels."""

import importlib.util

import keras
import numpy as np
import pytest
from keras import ops
from tiny_models import (
    SIZE,
    assert_same,
    assign,
    state,
    tiny_images,
    tiny_model,
    train,
    values,
)

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
    inputs, _, _ = model.prepare(IMAGES, seeds(), labels=LABELS, training=False)
    found = ops.convert_to_numpy(inputs["label"])
    np.testing.assert_array_equal(found, LABELS.repeat(count))


def test_labels_are_withheld_as_often_as_asked():
    images, labels = np.zeros((1000, SIZE, SIZE, 3), "uint8"), np.full(1000, 2)
    model = labelled()
    model.label_dropout = 0.25
    inputs, _, _ = model.prepare(images, seeds(), labels=labels)
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


@pytest.mark.parametrize(
    "patching",
    [
        GridPatching(2),
        pytest.param(CascadePatching(2), marks=pytest.mark.once),
        pytest.param(RandomPatching(SIZE, (0.5, 1.0)), marks=pytest.mark.once),
    ],
)
def test_labels_can_be_learned(patching):
    """Images of one grey each, told by the label alone: the loss falls below chance."""
    labels = np.arange(64) % 2
    images = np.broadcast_to(
        (labels * 255).astype("uint8")[:, None, None, None], (64, SIZE, SIZE, 3)
    )
    schedule = EDMSchedule(log_mean=3.0, log_std=0.1)  # All but noise.
    network = networks.unet(
        SIZE,
        patching,
        width=8,
        multipliers=(1,),
        blocks_per_depth=1,
        schedule=schedule,
        num_classes=2,
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


@pytest.mark.parametrize(
    "given",
    [
        LABELS[:, None],
        LABELS.tolist(),
        tuple(LABELS.tolist()),
        LABELS.astype("float64"),
        LABELS.astype("uint8"),
        ops.convert_to_tensor(LABELS),
    ],
)
def test_labels_as_keras_and_people_give_them(given, still, expected_loss):
    held = {"validation_data": (IMAGES, given), "batch_size": 8}
    history = train(still, IMAGES, y=given, **held)
    assert history["val_loss"][-1] == pytest.approx(expected_loss, rel=1e-6)


@pytest.fixture(scope="module")
def still():
    """A model whose weights no step changes."""
    model = labelled()
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    return model


@pytest.fixture(scope="module")
def expected_loss(still):
    return still.evaluate(IMAGES, LABELS, verbose=0)


def test_columns_of_labels_in_a_data_set(still, expected_loss):
    batches = ((IMAGES, LABELS[:, None].astype("float32")) for _ in range(1))
    assert still.evaluate(batches, verbose=0) == pytest.approx(expected_loss, rel=1e-6)


def test_labels_that_are_not_used_are_told():
    model = tiny_model()
    model.compile(optimizer="sgd")
    with pytest.warns(UserWarning, match="labels `y` are not used.*num_classes"):
        model.fit(IMAGES, LABELS, verbose=0)
    with pytest.raises(ValueError, match="`y` is for labels.*images alone"):
        model.fit(IMAGES, IMAGES, verbose=0)


class Pairs(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        part = slice(4 * index, 4 * index + 4)
        return IMAGES[part], LABELS[part]


def as_dataset():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(4)


def as_loader():
    import torch

    tensors = torch.tensor(IMAGES), torch.tensor(LABELS)
    return torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(*tensors), batch_size=4
    )


KINDS = {"array": lambda: IMAGES, "PyDataset": Pairs}
KINDS["generator"] = lambda: (batch for batch in Pairs())
if importlib.util.find_spec("tensorflow"):
    KINDS["tf.data"] = as_dataset
if importlib.util.find_spec("torch"):
    KINDS["DataLoader"] = as_loader


@pytest.fixture(scope="module")
def weighted():
    """Trains one model, each time from its start; returns the weights."""
    model = labelled()
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    start = values(model.variables)

    def weights(data, **options):
        assign(model.variables, start)
        train(model, data, **options)
        return values(model.network.weights)

    return weights


@pytest.fixture(scope="module")
def by_sample_weight(weighted):
    weights = np.where(LABELS == 1, 3.0, np.where(LABELS == 2, 0.0, 1.0))
    return weighted(IMAGES, y=LABELS, sample_weight=weights)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_classes(kind, weighted, by_sample_weight):
    """Classes that are not named have 1."""
    options = {"y": LABELS} if kind == "array" else {}
    found = weighted(KINDS[kind](), class_weight={1: 3.0, 2: 0.0}, **options)
    assert_same(found, by_sample_weight, 1e-6)


@pytest.mark.once
@pytest.mark.parametrize(
    ("class_weight", "error", "match"),
    [
        ({3: 1.0}, ValueError, "`class_weight` must be at most 2"),
        ({"cat": 1.0}, TypeError, "`class_weight` must be an int.*cat"),
        ({0: np.nan}, ValueError, "`class_weight` must be at least 0, and finite"),
        ({0: -1}, ValueError, "`class_weight` must be at least 0"),
        ("balanced", TypeError, "`class_weight` must be a dict"),
    ],
)
def test_wrong_weights_of_classes(class_weight, error, match):
    model = labelled()
    model.compile(optimizer="sgd")
    with pytest.raises(error, match=match):
        model.fit(IMAGES, LABELS, class_weight=class_weight, verbose=0)


@pytest.mark.once
def test_weights_of_classes_without_labels():
    model = tiny_model()
    model.compile(optimizer="sgd")
    with pytest.raises(ValueError, match="`class_weight` needs a network with labels"):
        model.fit(IMAGES, class_weight={0: 2.0}, verbose=0)
    model = labelled()
    model.compile(optimizer="sgd")
    with pytest.raises(ValueError, match="not both"):
        weights = {"class_weight": {0: 2.0}, "sample_weight": np.ones(8)}
        model.fit(IMAGES, LABELS, verbose=0, **weights)


@pytest.mark.once
def test_weights_of_classes_are_for_training_alone():
    """The held-out loss is not weighted, as in Keras."""
    losses = []
    for class_weight in (None, {0: 5.0, 1: 0.5}):
        model = labelled()
        model.compile(optimizer=keras.optimizers.SGD(0.0))
        history = model.fit(
            IMAGES,
            LABELS,
            batch_size=4,
            validation_split=0.5,
            class_weight=class_weight,
            shuffle=False,
            verbose=0,
        ).history
        losses.append((history["loss"][0], history["val_loss"][0]))
    (plain, held), (weighted, held_again) = losses
    assert abs(weighted - plain) > 1e-3
    assert held_again == pytest.approx(held, rel=1e-6)


@pytest.mark.once
def test_crops_keep_the_labels_of_their_images():
    images = np.broadcast_to(
        np.arange(12, dtype="uint8")[:, None, None, None], (12, SIZE, SIZE, 3)
    )
    labels = np.arange(12) * 10
    batches = RandomPatching(SIZE).batches(images, 4, 0, labels=labels)
    for step in range(len(batches)):
        data, found = batches[step]
        np.testing.assert_array_equal(data["images"][:, 0, 0, 0] * 10, found)


@pytest.mark.once
def test_both_papers_networks_take_labels():
    patching = GridPatching(2)
    small = {"multipliers": (1,), "num_classes": 5}
    own = networks.unet(16, patching, width=8, blocks_per_depth=1, **small)
    theirs = networks.arakawa_unet(16, 2, dim=8, **small)
    for network in (own, theirs):
        model = PatchDPM(network, tiny_model().schedule, patching)
        assert model.num_classes == 5
        draws = np.random.default_rng(0)
        for weight in network.weights:
            weight.assign(draws.normal(0, 0.3, weight.shape).astype("float32"))
        inputs, _, _ = model.prepare(
            tiny_images(2, size=16), seeds(), labels=np.array([0, 0])
        )
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


@pytest.mark.once
@pytest.mark.parametrize(
    ("labels", "error", "match"),
    [
        (None, ValueError, "needs labels .num_classes=3.*`fit.images, labels.`"),
        (LABELS + 1, ValueError, r"in \[0, 2\].*labels from 1 to 3"),
        (LABELS - 1, ValueError, "labels from -1 to 1"),
        (LABELS[:4], ValueError, r"one int for each image.*\(8,\).*\(4,\)"),
        (np.eye(3)[LABELS], ValueError, r"argmax.*shape \(8, 3\)"),
        (LABELS + 0.5, TypeError, "must be ints.*float64.*0.5"),
        (LABELS * np.nan, TypeError, "must be ints.*float64.*nan"),
        (LABELS.astype(str), TypeError, "must be ints.*<U"),
        (LABELS > 0, TypeError, "must be ints.*bool"),
        ([0, 1, "cat"] * 2, ValueError, r"of the shape \(6,\)"),
        ([0, 1, None] * 2 + [0, 1], TypeError, "must be ints.*object"),
        ([[0], [1, 2]] * 4, ValueError, "different shapes"),
        ({"label": LABELS}, TypeError, "dict"),
        (tiny_images(8), ValueError, "one int for each image"),
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


@pytest.mark.once
@pytest.mark.parametrize("rate", [-0.1, 1.1])
def test_the_dropout_is_a_share(rate):
    network = tiny_model().network
    with pytest.raises(ValueError, match=r"`label_dropout` must be in \[0, 1\]"):
        PatchDPM(network, tiny_model().schedule, GridPatching(2), label_dropout=rate)
