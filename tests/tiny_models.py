"""Models that train in a moment, and what the tests of training ask of them."""

import keras
import numpy as np
from keras import layers, ops

from keras_patchdpm import (
    DDPMSchedule,
    GridPatching,
    PatchDPM,
    augmentation,
    presets,
)
from keras_patchdpm.layers import (
    LabelEmbedding,
    PositionOneHotEmbedding,
    TimestepEmbedding,
)

SIZE = 8  # Pixels of an image's side.
PRESET = {
    "network": {
        "name": "unet",
        "image_size": SIZE,
        "width": 8,
        "multipliers": [1],
        "blocks_per_depth": 1,
        "attention_depths": [],
    },
    "schedule": {"name": "DDPMSchedule", "prediction": "velocity"},
    "patching": {"name": "GridPatching", "divisions": 2},
}


@keras.saving.register_keras_serializable(package="tests")
class FixedNoise(DDPMSchedule):
    """Noise that depends on the image alone: the same in every batch and backend."""

    def draw(self, count, seed_generator):
        return ops.full((count,), 300, dtype="int32")

    def add_noise(self, clean, noise, timestep):
        return super().add_noise(clean, ops.sin(50.0 * clean), timestep)


def tiny_images(count=8, seed=0, size=SIZE):
    """Uint8 images, smooth enough to learn something from."""
    rng = np.random.default_rng(seed)
    rough = rng.integers(0, 256, (count, size // 4, size // 4, 3), dtype="uint8")
    return rough.repeat(4, axis=1).repeat(4, axis=2)


def tiny_network(
    patching,
    size=SIZE,
    dropout=0.0,
    regularizer=None,
    schedule=None,
    num_classes=None,
    augmented=False,
):
    """Two convolutions that see every input the patching gives."""
    timestep_dtype = "int32" if schedule is None else schedule.timestep_dtype
    specs = patching.input_specs((size, size, 3))
    inputs = {
        name: keras.Input(spec.shape, dtype=spec.dtype, name=name)
        for name, spec in specs.items()
    }
    inputs["timestep"] = keras.Input((), dtype=timestep_dtype, name="timestep")
    if num_classes is not None:
        inputs["label"] = keras.Input((), dtype="int32", name="label")
    if augmented:
        inputs[augmentation.LABELS] = augmentation.labels_input()
    told = layers.Dense(8)(TimestepEmbedding(8)(inputs["timestep"]))
    if "patch_index" in inputs:
        place = PositionOneHotEmbedding(specs["patch_index"].size, 8)
        told = layers.Add()([told, place(inputs["patch_index"])])
    if "content_noise" in inputs:
        noise = layers.Reshape((1,))(inputs["content_noise"])
        told = layers.Add()([told, layers.Dense(8)(noise)])
    if "label" in inputs:
        told = layers.Add()([told, LabelEmbedding(num_classes, 8)(inputs["label"])])
    if augmented:
        labels = layers.Dense(8, use_bias=False)(inputs[augmentation.LABELS])
        told = layers.Add()([told, labels])
    x = inputs["noisy"]
    if "content" in inputs:
        x = layers.Concatenate()([x, inputs["content"]])
    x = layers.Conv2D(8, 3, padding="same", kernel_regularizer=regularizer)(x)
    x = layers.Add()([x, layers.Reshape((1, 1, 8))(told)])
    x = layers.Activation("silu")(x)
    if dropout:
        x = layers.Dropout(dropout, seed=3)(x)
    return keras.Model(inputs, layers.Conv2D(3, 1, dtype="float32")(x))


def tiny_model(patching=None, schedule=None, seed=0, augmentation=None, **network):
    """A `PatchDPM` whose weights depend on nothing but the arguments."""
    patching = GridPatching(2) if patching is None else patching
    schedule = DDPMSchedule(prediction="velocity") if schedule is None else schedule
    network["augmented"] = augmentation is not None
    network = tiny_network(patching, schedule=schedule, **network)
    model = PatchDPM(network, schedule, patching, seed=seed, augmentation=augmentation)
    rng = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(rng.normal(0, 0.3, weight.shape).astype("float32"))
    return model


def preset_model():
    """A model of `PRESET`, with random weights that float16 stores exactly."""
    model = PatchDPM(**presets.parts(PRESET))
    rng = np.random.default_rng(0)
    for weight in model.network.weights:
        weight.assign(rng.normal(size=weight.shape).astype("float16"))
    return model


def train(model, images, optimizer=None, **arguments):
    """Compiles if need be, trains in the order of `images`; returns the history."""
    if optimizer is not None:
        model.compile(optimizer=optimizer)
    arguments = {"batch_size": 4, "shuffle": False, "verbose": 0, **arguments}
    if not isinstance(images, np.ndarray):
        del arguments["batch_size"], arguments["shuffle"]
    return model.fit(images, **arguments).history


def values(variables):
    """Copies of variables, as NumPy arrays."""
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def assign(variables, arrays):
    """Puts copies of variables back."""
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def state(model):
    """All that training changes: weights, seeds, and what the optimizer keeps."""
    own = [v for v in model.variables if v is not model.test_seed_generator.state]
    return values([*own, *model.optimizer.variables])


def assert_same(found, expected, tolerance=0.0):
    """Compares two lists of arrays, bit for bit without a tolerance."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)
