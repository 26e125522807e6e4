"""Extractors: the networks, how images are resized, and what is refused."""

import re
import sys

import keras
import numpy as np
import pytest
from inception_tensors import CONVOLUTIONS, random_tensors
from keras import ops
from PIL import Image

from keras_patchdpm.datasets import synthetic_scenes
from keras_patchdpm.metrics import (
    Extractor,
    _inception_v3,
    frechet_distance,
    load_extractor,
    statistics,
)
from keras_patchdpm.metrics._resizing import bicubic, bilinear

# Frechet distances of 24 scenes of 64 pixels (seed 1) to 24 of 64 and of 160 (seed 2)
# by another implementation; tests/golden/README.md has the command.
GOLDEN = {64: 261.279, 160: 480.136}
# Features 0, 40, 80 and 120 of the first scene in the narrow Inception v3, on PyTorch.
NARROW = (2.65367, 0.0, 1.32212, 3.14597)


@pytest.fixture
def narrow(monkeypatch, tmp_path):
    """Path of weights of an Inception v3 with 1/16 of the channels, for 107 pixels."""
    monkeypatch.setattr(_inception_v3, "DIVISOR", 16)
    monkeypatch.setattr(_inception_v3, "SIZE", 107)
    np.savez(tmp_path / "narrow.npz", **random_tensors(16))
    return tmp_path / "narrow.npz"


def changed(path, **changes):
    """Writes the tensors of a file again with some of them changed or left out."""
    with np.load(path) as file:
        tensors = dict(file)
    tensors.update((name.replace("__", "."), value) for name, value in changes.items())
    np.savez(path, **{k: value for k, value in tensors.items() if value is not None})
    return path


def test_mobilenet_gives_the_distances_of_another_implementation():
    keras.config.set_dtype_policy("mixed_float16")  # Of no concern to extractors.
    extractor = load_extractor("mobilenet_v2")
    assert keras.config.dtype_policy().name == "mixed_float16"
    small = statistics(synthetic_scenes(24, 64, seed=1), extractor, batch_size=12)
    for size, expected in GOLDEN.items():
        scenes = synthetic_scenes(24, size, seed=2)
        other = statistics(scenes, extractor, batch_size=12)
        with pytest.warns(UserWarning, match="24 images, no more than the 1280"):
            found = float(frechet_distance(small, other))
        assert found == pytest.approx(expected, abs=0.1)
    with pytest.warns(UserWarning):
        assert float(frechet_distance(small, small)) == pytest.approx(0, abs=1e-6)


def test_inception_as_a_stand_in_with_few_channels(narrow):
    """By the route of the real one, on every backend: the same features."""
    extractor = load_extractor("inception_v3", str(narrow))
    description = extractor.description
    assert (description.extractor, description.size) == ("inception_v3", (107, 107))
    assert description.dimensions == 2048 // 16
    assert description.resizing == "antialiased bicubic (Pillow)"
    assert description.weights == "29e514110f182264"
    features = extractor(synthetic_scenes(2, 64))
    np.testing.assert_allclose(features[0, ::40], NARROW, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("pool", ["average", "maximum"])
def test_pooling_leaves_out_the_padding(pool):
    image = -1 - np.arange(12, dtype="float32").reshape(1, 3, 4, 1)
    layer = _inception_v3._average_pool, _inception_v3._max_pool_same
    found = layer[pool == "maximum"](ops.convert_to_tensor(image))
    reduce = np.mean if pool == "average" else np.max
    expected = [
        reduce(image[0, max(row - 1, 0) : row + 2, max(col - 1, 0) : col + 2])
        for row in range(3)
        for col in range(4)
    ]
    found = ops.convert_to_numpy(found).ravel()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def made(layer):
    """When Keras made the layer: the number at the end of its name, or 0."""
    return int((re.search(r"_(\d+)$", layer.name) or (0, 0))[1])


@pytest.mark.once
def test_inception_is_the_network_of_keras_up_to_its_last_block():
    """Keras' own has no pooling by the maximum in the last block."""
    tensors = random_tensors()
    network = keras.applications.InceptionV3(
        weights=None, include_top=False, input_shape=(139, 139, 3)
    )
    convolutions, normalisations = (
        sorted((layer for layer in network.layers if isinstance(layer, kind)), key=made)
        for kind in (keras.layers.Conv2D, keras.layers.BatchNormalization)
    )
    assert len(convolutions) == len(CONVOLUTIONS) == 94
    pairs = zip(CONVOLUTIONS, convolutions, normalisations, strict=True)
    for (name, *_), convolution, normalisation in pairs:
        scale, shift, mean, variance = (
            tensors[f"{name}.bn.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        kernel = tensors[f"{name}.conv.weight"].transpose(2, 3, 1, 0)
        # Keras' normalisation has no scale: it is moved into the variance.
        convolution.set_weights([kernel])
        inner = (variance + 1e-3) / scale**2 - 1e-3
        normalisation.set_weights([shift, mean, inner])
    theirs = keras.Model(network.inputs, network.get_layer("mixed9").output)
    builder = _inception_v3._Builder(tensors, "a test")
    inputs = keras.Input((139, 139, 3))
    _inception_v3._features(builder, inputs)
    for layer, weights in builder.weights:
        layer.set_weights(weights)
    last = next(layer for layer, _ in builder.weights if "7c_branch1x1" in layer.name)
    ours = keras.Model(inputs, last.input)
    images = bicubic(synthetic_scenes(1, 64), (139, 139))
    expected = theirs.predict_on_batch(images / 128 - 1)
    assert expected.shape == (1, 3, 3, 2048) and expected.std() > 0.1
    found = ours.predict_on_batch(images)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def cubic_matrix(old, new):
    """Keys' cubic filter (a = -1/2), as wide as a new pixel: new rows, old columns."""
    scale = max(old / new, 1)
    centres = (np.arange(new) + 0.5) * old / new
    x = np.abs(np.arange(old) + 0.5 - centres[:, None]) / scale
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    weights = np.where(x < 1, near, np.where(x < 2, far, 0))
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.once
@pytest.mark.parametrize("size", [(299, 299), (17, 40), (64, 48)])
def test_bicubic_is_pillows_and_the_formula(size, rng):
    images = rng.integers(0, 256, (2, 64, 48, 3), dtype="uint8")
    found = bicubic(images, size)
    down, across = (cubic_matrix(*sides) for sides in zip((64, 48), size, strict=True))
    expected = np.einsum("hH,bHWc->bhWc", down, images, optimize=True)
    expected = np.einsum("wW,bhWc->bhwc", across, expected, optimize=True)
    np.testing.assert_allclose(found, expected.clip(0, 255), atol=2e-3)
    images = images // 2 + 64  # Pillow clips after each of two directions.
    found = bicubic(images, size)
    rounded = Image.fromarray(images[0]).resize(size[::-1], Image.Resampling.BICUBIC)
    assert np.abs(found[0] - np.asarray(rounded)).max() < 1.5  # Rounded twice there.


def test_bilinear_skips_pixels_when_it_shrinks():
    """A new pixel in the middle between two old ones is their mean, nothing else."""
    line = np.arange(8, dtype="uint8") ** 2
    images = np.broadcast_to(line[None, None, :, None], (1, 8, 8, 3))
    found = bilinear(images, (2, 2))[0, 0, :, 0]
    np.testing.assert_allclose(found, [(1 + 4) / 2, (25 + 36) / 2])
    doubled = bilinear(images, (16, 16))[0, 0, :4, 0]
    np.testing.assert_allclose(doubled, [0, 0.25, 0.75, 1.75])


@pytest.mark.once
def test_a_network_of_keras_gets_images_from_minus_1_to_1(monkeypatch, tmp_path):
    calls = []

    def mobilenet(**options):
        calls.append(options)
        return keras.Sequential(
            [
                keras.Input(options["input_shape"]),
                keras.layers.GlobalAveragePooling2D(),
            ]
        )

    monkeypatch.setattr(keras.applications, "MobileNetV2", mobilenet)
    (tmp_path / "a.h5").touch()
    for weights in (None, tmp_path / "a.h5"):
        extractor = load_extractor("keras_mobilenet_v2", weights)
        images = np.stack([np.full((9, 9, 3), v, "uint8") for v in (0, 255)])
        np.testing.assert_allclose(extractor(images), [[-1] * 3, [1] * 3], atol=1e-5)
    assert extractor.description.extractor == "keras_mobilenet_v2"
    assert extractor.description.size == (224, 224)
    assert [call["weights"] for call in calls] == ["imagenet", str(tmp_path / "a.h5")]
    assert all(not call["include_top"] and call["pooling"] == "avg" for call in calls)


@pytest.mark.once
def test_a_file_of_pytorch(narrow, tmp_path):
    import torch

    expected = load_extractor("inception_v3", narrow)
    tensors = {name: torch.from_numpy(v) for name, v in random_tensors(16).items()}
    torch.save(tensors, tmp_path / "narrow.pth")
    with pytest.warns(UserWarning, match="not those of pytorch-fid.*no FID"):
        found = load_extractor("inception_v3", tmp_path / "narrow.pth")
    assert found.description == expected.description
    content = (tmp_path / "narrow.pth").read_bytes()
    (tmp_path / "narrow.pth").write_bytes(content[:-2000])
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="truncated"):
        load_extractor("inception_v3", tmp_path / "narrow.pth")
    torch.save({"model": tensors}, tmp_path / "nested.pth")
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="names and tens"):
        load_extractor("inception_v3", tmp_path / "nested.pth")


@pytest.mark.once
def test_a_file_of_pytorch_without_pytorch(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "a.pth").touch()
    message = "needs PyTorch, .*pass a .npz file .*weights=.*a.pth"
    with pytest.warns(UserWarning), pytest.raises(ImportError, match=message):
        load_extractor("inception_v3", tmp_path / "a.pth")


@pytest.mark.once
def test_other_weights_give_another_description(narrow):
    one = load_extractor("inception_v3", narrow).description
    kernel = "Mixed_7c__branch_pool__conv__weight"
    changed(narrow, **{kernel: random_tensors(16)[kernel.replace("__", ".")] + 1e-3})
    other = load_extractor("inception_v3", narrow).description
    assert one.weights != other.weights


@pytest.mark.once
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Mixed_7c__branch1x1__conv__weight": None}, "no tensor 'Mixed_7c.branch1x1"),
        ({"Conv2d_1a_3x3__bn__bias": np.zeros(3)}, r"must have the shape \(2,\)"),
        ({"Conv2d_1a_3x3__bn__bias": np.full(2, np.nan)}, "no NaN or infinity"),
        ({"Conv2d_1a_3x3__bn__running_var": np.full(2, -1.0)}, "is a variance"),
        ({"Mixed_8a__conv__weight": np.zeros(2)}, "does not have, such as 'Mixed_8a"),
        ({"Conv2d_1a_3x3__bn__bias": np.array([None] * 2)}, "no complete .npz file"),
    ],
)
def test_wrong_tensors(changes, message, narrow):
    path = changed(narrow, **changes)
    with pytest.raises(ValueError, match=f"{message}.*Received: .*narrow.npz"):
        load_extractor("inception_v3", path)


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("inception",), ValueError, "`name` must be one of 'mobilenet_v2', 'incep"),
        (("inception_v3",), ValueError, "needs a file of weights.*weights=None"),
        (("inception_v3", "no.pth"), FileNotFoundError, "no file at that path.*no.pth"),
        (("inception_v3", 3), TypeError, "`weights` must be a path"),
        (("mobilenet_v2", __file__), ValueError, "are in the package. Leave `weights`"),
        (("keras_mobilenet_v2", __file__), ValueError, "is no weight file.*Received"),
    ],
)
def test_wrong_names_and_files(arguments, error, message):
    with pytest.raises(error, match=message):
        load_extractor(*arguments)


@pytest.mark.once
def test_no_network_is_an_error_and_no_other_extractor(monkeypatch):
    def fail(**options):
        raise Exception("URL fetch failure on https://storage: None")  # As Keras does.

    monkeypatch.setattr(keras.applications, "InceptionV3", fail)
    with pytest.raises(OSError, match="URL fetch failure.*choose 'mobilenet_v2'"):
        load_extractor("keras_inception_v3")


@pytest.mark.once
@pytest.mark.parametrize(
    ("network", "error", "message"),
    [
        (lambda images: images, ValueError, r"returns the shape \(1, 8, 8, 3\)"),
        (lambda images: np.full((1, 3), np.nan), ValueError, "must return finite"),
        (
            keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]),
            ValueError,
            r"returns the shape \(1, 8, 8, 2\) for one image of shape \(8, 8, 3\)",
        ),
        (lambda images: "features", TypeError, "`network` must be a function that"),
        ("mobilenet_v2", TypeError, "`network` must be a function"),
        (keras.Model, TypeError, "`network` must be a Keras model or a function"),
    ],
)
def test_wrong_networks(network, error, message):
    with pytest.raises(error, match=message):
        Extractor(network, "ours", 8)


@pytest.mark.once
def test_a_network_that_fails_later(rng):
    """For the first image it returns what it should."""
    answers = iter([np.zeros((1, 2)), np.full((2, 2), np.inf), np.zeros((2, 3))])
    extractor = Extractor(lambda images: next(answers), "ours", 8)
    images = rng.integers(0, 256, (2, 8, 8, 3), dtype="uint8")
    with pytest.raises(ValueError, match="returns NaN or infinity for an image"):
        extractor(images)
    with pytest.raises(ValueError, match="must return 2 features for each image"):
        extractor(images)
