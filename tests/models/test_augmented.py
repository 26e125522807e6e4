"""Training with an augmentation, and sampling without it."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from tiny_models import (
    SIZE,
    assert_same,
    assign,
    tiny_images,
    tiny_model,
    tiny_network,
    train,
    values,
)

from keras_patchdpm import (
    CascadePatching,
    DDPMSchedule,
    GeometricAugmentation,
    GridPatching,
    PatchDPM,
    PatchGrid,
    PatchSampler,
    RandomPatching,
    WholeImage,
    memory,
    presets,
)
from keras_patchdpm import train as train_in_folder
from keras_patchdpm.augmentation import LABELS, labels_input
from keras_patchdpm.layers import TimestepEmbedding
from keras_patchdpm.networks import unet
from keras_patchdpm.resize import shrink
from keras_patchdpm.training import TrainingSettings
from keras_patchdpm.windows import places

ALWAYS = GeometricAugmentation(0.0, mirror_probability=1.0)
OFTEN = GeometricAugmentation(0.5)
CROPS = RandomPatching(SIZE, (0.5, 1.0))
IMAGES = tiny_images(8)


def seeds():
    return keras.random.SeedGenerator(0)


def prepared(model, data, **options):
    """The inputs of a step without noise, as NumPy arrays."""
    model.schedule.add_noise = lambda clean, noise, timestep: (clean, clean)
    inputs, _, _ = model.prepare(data, seeds(), **options)
    return {name: ops.convert_to_numpy(value) for name, value in inputs.items()}


def in_range(images):
    return images.astype("float32") / 127.5 - 1


@pytest.mark.parametrize(
    "patching",
    [
        GridPatching(2, patches_per_image=2),
        CascadePatching(2),
        CROPS,
        pytest.param(
            RandomPatching(SIZE, (0.5, 1.0), content=True), marks=pytest.mark.once
        ),
    ],
    ids=lambda patching: type(patching).__name__,
)
def test_a_model_is_trained(patching):
    model = tiny_model(patching, augmentation=OFTEN)
    before = values(model.network.trainable_variables)
    optimizer = keras.optimizers.Adam(1e-3)
    history = train(model, IMAGES, optimizer, epochs=2)
    assert np.isfinite(history["loss"]).all()
    changes = [
        np.abs(one - other).max()
        for one, other in zip(
            before, values(model.network.trainable_variables), strict=True
        )
    ]
    assert min(changes) > 0  # Those of the labels too.


@pytest.mark.once
def test_each_patch_is_cut_from_the_transformed_image():
    model = tiny_model(GridPatching(2, patches_per_image=3), augmentation=ALWAYS)
    inputs = prepared(model, IMAGES)
    mirrored = in_range(IMAGES[:, :, ::-1])
    patches = ops.convert_to_numpy(PatchGrid(2).split(mirrored))
    image = np.arange(len(IMAGES)).repeat(3)
    expected = patches[image, inputs["patch_index"]]
    np.testing.assert_allclose(inputs["noisy"], expected, atol=1e-6)
    np.testing.assert_array_equal(inputs[LABELS], np.eye(9)[[0] * len(image)])


@pytest.mark.once
def test_a_thumbnail_is_that_of_the_transformed_image():
    patching = CascadePatching(2, stage_shares=(1, 0))
    inputs = prepared(tiny_model(patching, augmentation=ALWAYS), IMAGES)
    expected = shrink(in_range(IMAGES[:, :, ::-1]), (SIZE // 2, SIZE // 2))
    found = np.sort(inputs["noisy"].reshape(8, -1), axis=0)  # In any order.
    expected = np.sort(ops.convert_to_numpy(expected).reshape(8, -1), axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.once
@pytest.mark.parametrize("content", [False, True])
def test_crops_have_the_places_of_the_transformed_image(content):
    patching = RandomPatching(SIZE, (0.5,), content=content)
    model = tiny_model(patching, augmentation=ALWAYS)
    (data,) = patching.batches(IMAGES, 4, 0, whole=True)[0]
    assert data["images"].shape[1:] == (SIZE, SIZE, 3)
    inputs = prepared(model, data)
    mirrored = in_range(data["images"][:, :, ::-1])
    expected = [
        image[rows][:, cols]
        for image, rows, cols in zip(mirrored, data["rows"], data["cols"], strict=True)
    ]
    np.testing.assert_allclose(inputs["noisy"], np.stack(expected), atol=1e-6)
    where = places(data["rows"], data["cols"], (SIZE, SIZE))
    np.testing.assert_allclose(inputs["coordinates"], ops.convert_to_numpy(where))


@pytest.mark.once
def test_without_an_augmentation_crops_are_cut_on_the_host():
    (data,) = CROPS.batches(IMAGES, 4, 0)[0]
    assert data["images"].shape[1:3] == (data["rows"].shape[1], data["cols"].shape[1])


@pytest.mark.once
@pytest.mark.parametrize("whole", [False, True])
def test_evaluation_transforms_nothing(whole):
    patching = RandomPatching(SIZE, (0.5,))
    model = tiny_model(patching, augmentation=ALWAYS)
    (data,) = patching.batches(IMAGES, 4, 0, whole=whole)[0]
    inputs = prepared(model, data, training=False)
    (crops,) = patching.batches(IMAGES, 4, 0)[0]
    expected = in_range(crops["images"])
    np.testing.assert_allclose(inputs["noisy"], expected, atol=1e-6)
    assert inputs[LABELS].shape == (len(expected), 9) and not inputs[LABELS].any()


def test_the_loss_of_evaluate_is_that_without_an_augmentation():
    """With the same weights, and the labels' weights at 0 or not: labels are 0."""
    augmented, plain = tiny_model(augmentation=ALWAYS), tiny_model()
    kernels = {weight.shape: weight for weight in augmented.network.weights}
    shared = [w for w in augmented.network.weights if w is not kernels[9, 8]]
    assign(plain.network.weights, values(shared))
    losses = []
    for model in (augmented, plain):
        model.compile(optimizer="sgd")
        losses.append(model.evaluate(IMAGES, verbose=0))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize(
    "patching",
    [GridPatching(2), pytest.param(CROPS, marks=pytest.mark.once)],
    ids=lambda patching: type(patching).__name__,
)
def test_sampling_has_labels_of_zero(patching):
    model = tiny_model(patching, augmentation=OFTEN)
    asked = dict(model.network.input)
    asked.pop(LABELS)
    inputs = {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        for name, tensor in asked.items()
    }
    step = ops.reshape(ops.cast(inputs["timestep"], "float32"), (-1, 1))
    zeros = ops.repeat(0.0 * step, 9, axis=1)
    network = keras.Model(inputs, model.network({**inputs, LABELS: zeros}))
    explicit = PatchDPM(network, model.schedule, model.patching)
    found, expected = (
        PatchSampler(one, "ddim", 2)(2, seed=1, dtype="float32")
        for one in (model, explicit)
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert set(model.tiled().network.input) == set(asked)


@pytest.mark.once
def test_labels_change_the_prediction_of_a_unet():
    """The network of a sampling is the one with labels of 0."""
    tiny = {"width": 8, "multipliers": (1,), "blocks_per_depth": 1}
    patching = GridPatching(2)
    augmented = unet(SIZE, patching, augmented=True, **tiny)
    rng = np.random.default_rng(0)
    for weight in augmented.weights:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    labels = {LABELS: np.zeros((2, 9), "float32")}
    model = PatchDPM(augmented, DDPMSchedule(), patching, augmentation=OFTEN)
    inputs = prepared(model, IMAGES[:2], training=False)
    without = {name: value for name, value in inputs.items() if name != LABELS}
    zero = augmented.predict_on_batch({**without, **labels})
    sampled = model.tiled().network.predict_on_batch(without)
    np.testing.assert_allclose(sampled, zero, atol=1e-6)
    labels[LABELS][:, 3] = 1
    one = augmented.predict_on_batch({**without, **labels})
    assert np.abs(one - zero).max() > 1e-2


def test_a_saved_model_keeps_its_augmentation(tmp_path):
    model = tiny_model(augmentation=OFTEN)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.augmentation.get_config() == OFTEN.get_config()
    assert_same(values(loaded.weights), values(model.weights))


def built(augmentation, patching=None, **options):
    patching = GridPatching(2) if patching is None else patching
    tiny = {"width": 8, "multipliers": (1,), "blocks_per_depth": 1}
    network = unet(SIZE, patching, attention_depths=(), **tiny, **options)
    return PatchDPM(network, DDPMSchedule(), patching, augmentation=augmentation)


@pytest.mark.once
def test_a_preset_keeps_its_augmentation(tmp_path):
    model = built(OFTEN, augmented=True)
    model.save_to_preset(tmp_path / "preset")
    loaded = PatchDPM.from_preset(tmp_path / "preset")
    assert loaded.augmentation.get_config() == OFTEN.get_config()
    assert_same(values(loaded.weights[:4]), values(model.weights[:4]), 1e-3)
    assert loaded.sampler(solver="ddim", steps=2)(1).shape == (1, SIZE, SIZE, 3)
    built(None).save_to_preset(tmp_path / "plain")
    assert "augmentation" not in presets.read_config(tmp_path / "plain")


@pytest.mark.once
def test_a_training_in_a_folder_has_an_augmentation(tmp_path):
    config = {
        "network": {
            "name": "unet",
            "image_size": SIZE,
            "width": 8,
            "multipliers": [1],
            "attention_depths": [],
        },
        "schedule": {"name": "DDPMSchedule"},
        "patching": {"name": "GridPatching", "divisions": 2},
    }
    chosen = {"name": "GeometricAugmentation", "probability": 0.25}
    settings = {"batch_size": 4, "steps_per_epoch": 1, "precision": "float32"}
    train_in_folder(
        {**config, "augmentation": chosen},
        IMAGES,
        tmp_path / "run",
        epochs=1,
        settings=TrainingSettings(**settings),
    )
    loaded = PatchDPM.from_preset(tmp_path / "run" / "preset")
    assert loaded.augmentation.probability == 0.25
    start = TrainingSettings(**settings, start_from=tmp_path / "run" / "preset")
    with pytest.raises(ValueError, match="augmentation: the preset has .*nothing"):
        train_in_folder(config, IMAGES, tmp_path / "next", epochs=1, settings=start)


@pytest.mark.once
def test_the_memory_of_a_training_with_crops_is_measured():
    model = tiny_model(CROPS, augmentation=OFTEN)
    model.compile(optimizer="sgd")
    report = memory.profile(model, batch_size=1, training=True, isolated=False)
    assert report.activations > 0


@pytest.mark.once
@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: built(OFTEN), ValueError, r"`networks.unet\(..., augmented=True\)`"),
        (
            lambda: built(None, augmented=True),
            ValueError,
            "'augmentation_labels', but there is no augmentation.*augmentation=None",
        ),
        (
            lambda: built(0.12, augmented=True),
            TypeError,
            "`augmentation` must be a `GeometricAugmentation`.*0.12",
        ),
        (
            lambda: built(GeometricAugmentation, augmented=True),
            TypeError,
            "`augmentation` must be a `GeometricAugmentation`",
        ),
        (lambda: built(OFTEN, augmented=1), TypeError, "`augmented` must be True or"),
        (
            lambda: PatchDPM(
                tiny_network(GridPatching(2), augmented=True),
                DDPMSchedule(prediction="velocity"),
                GridPatching(2),
                latents=True,
                augmentation=OFTEN,
            ),
            ValueError,
            "not transformed latents.*latents=True",
        ),
        (
            lambda: tiny_model(CROPS, augmentation=OFTEN).prepare(
                RandomPatching(SIZE, (0.5,)).batches(IMAGES, 4, 0)[0][0], seeds()
            ),
            ValueError,
            r"these are crops.*whole=True.*\(8, 4, 4, 3\)",
        ),
        (
            lambda: CROPS.batches(IMAGES, 4, 0, whole="yes"),
            TypeError,
            "`whole` must be True or False.*'yes'",
        ),
        (
            lambda: presets.parts({**PRESET, "augmentation": {"name": "Colours"}}),
            ValueError,
            "`augmentation.name` must be one of 'GeometricAugmentation'.*Colours",
        ),
        (
            lambda: presets.parts({**PRESET, "augmentation": 0.12}),
            TypeError,
            "`augmentation` must be a dict",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()


PRESET = {
    "network": {"name": "unet", "image_size": SIZE, "width": 8, "multipliers": [1]},
    "schedule": {"name": "DDPMSchedule"},
    "patching": {"name": "GridPatching", "divisions": 2},
}


def dense_network(augmented):
    """It sees the whole image of 4 x 4 pixels at once, and learns fast."""
    inputs = {
        "noisy": keras.Input((4, 4, 1), name="noisy"),
        "timestep": keras.Input((), dtype="int32", name="timestep"),
    }
    joined = [layers.Flatten()(inputs["noisy"])]
    joined.append(TimestepEmbedding(8)(inputs["timestep"]))
    if augmented:
        inputs[LABELS] = labels_input()
        joined.append(inputs[LABELS])
    x = layers.Dense(64, activation="silu")(layers.Concatenate()(joined))
    x = layers.Dense(64, activation="silu")(x)
    return keras.Model(inputs, layers.Reshape((4, 4, 1))(layers.Dense(16)(x)))


def sampled_after_training(images, augmentation):
    """64 samples of a model that a few hundred steps have trained."""
    keras.utils.set_random_seed(0)
    network = dense_network(augmentation is not None)
    schedule = DDPMSchedule(prediction="clean")
    model = PatchDPM(network, schedule, WholeImage(), augmentation=augmentation)
    train(model, images, keras.optimizers.Adam(3e-3), epochs=30, batch_size=64)
    return PatchSampler(model, "ddim", 10)(64, dtype="float32")


@pytest.mark.once
def test_an_augmentation_does_not_leak():
    """Images are dark on the left and bright on the right; so must samples be."""
    image = np.where(np.arange(4) < 2, -0.8, 0.8) * np.ones((4, 1))
    images = np.broadcast_to(image[..., None], (640, 4, 4, 1)).astype("float32")
    samples = sampled_after_training(images, OFTEN)
    contrast = (samples * np.sign(image)[..., None]).mean(axis=(1, 2, 3))
    assert contrast.min() > 0.5
    # The same images in the data, without labels.
    data, _ = GeometricAugmentation(0.5)(images, seeds())
    leaking = sampled_after_training(ops.convert_to_numpy(data), None)
    contrast = (leaking * np.sign(image)[..., None]).mean(axis=(1, 2, 3))
    assert 0.2 < np.mean(contrast < 0) < 0.8
