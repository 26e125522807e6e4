import itertools
import re

import keras
import numpy as np
import pytest
from keras import ops

from keras_patchdpm import CascadePatching, EDMSchedule, GridPatching, WholeImage
from keras_patchdpm.networks import unet
from keras_patchdpm.patching import InputSpec
from keras_patchdpm.testing import randomise

TINY = {"width": 4, "multipliers": (1, 2), "blocks_per_depth": 1}
FLAT = {**TINY, "multipliers": (1,), "attention_depths": ()}
GRID = GridPatching((2, 3))


def inputs_of(network, rng, batch=3):
    """Random inputs of every kind that a network asks for."""
    values = {}
    for name, tensor in network.input.items():
        shape = (batch, *tensor.shape[1:])
        values[name] = rng.normal(size=shape).astype("float32")
    values["timestep"] = np.array([0, 500, 999], "int32")[:batch]
    if "patch_index" in values:
        values["patch_index"] = np.array([0, 2, 5], "int32")[:batch]
    if "stage" in values:
        values["stage"] = np.zeros(batch, "int32")
    return values


@pytest.fixture(scope="module")
def network():
    network = unet((8, 24), GRID, attention_depths=(1,), **TINY)
    randomise(network, np.random.default_rng(1))
    return network


def test_starts_from_a_prediction_of_zero(rng):
    network = unet(4, **FLAT)
    assert not network.predict_on_batch(inputs_of(network, rng)).any()


def test_asks_for_what_the_patching_gives():
    moving = GridPatching(2, "coordinates", halo=1, shift=True)
    for patching in (GRID, GridPatching(2, content=False), moving, WholeImage()):
        network = unet((8, 24), patching, **FLAT)
        specs = patching.input_specs((8, 24, 3))
        assert set(network.input) == {*specs, "timestep"}
        specs["timestep"] = InputSpec((), "int32")
        for name, (shape, dtype, *_) in specs.items():
            assert network.input[name].shape == (None, *shape)
            assert network.input[name].dtype == dtype
            assert network.input[name].name == name
        assert network.output_shape == network.input["noisy"].shape


def test_without_patching_it_sees_the_whole_image():
    network = unet((4, 6), channels=1, **FLAT)
    assert network.input["noisy"].shape == (None, 4, 6, 1)
    assert set(network.input) == {"noisy", "timestep"}


@pytest.mark.parametrize("name", ["noisy", "timestep", "patch_index", "content"])
def test_the_prediction_depends_on_every_input(network, rng, name):
    values = inputs_of(network, rng)
    before = network.predict_on_batch(values)
    changed = {**values, name: values[name].copy()}
    changed[name][1] = 1
    after = network.predict_on_batch(changed)
    assert np.abs(after - before)[1].max() > 1e-3
    np.testing.assert_allclose(after[[0, 2]], before[[0, 2]], atol=1e-5)


@pytest.mark.parametrize("name", ["local_content", "coordinates", "stage"])
def test_the_prediction_depends_on_what_tells_the_place(rng, name):
    network = unet((8, 24), CascadePatching(2), **FLAT)
    randomise(network, rng)
    values = inputs_of(network, rng)
    changed = {**values, name: values[name] + 1}
    change = network.predict_on_batch(changed) - network.predict_on_batch(values)
    assert np.abs(change).max(axis=(1, 2, 3)).min() > 1e-3


def test_attention_is_where_it_was_asked_for(network):
    blocks = {layer.name for layer in network.layers if "attention" in layer.name}
    sides = {name.split("_attention")[0] for name in blocks}
    assert sides == {"down1", "up1"}


@pytest.mark.parametrize(
    ("image_size", "patching", "stem"),
    [
        ((12, 24), GridPatching((3, 2)), 2),
        ((24, 36), GridPatching((2, 1), position=False), 3),
    ],
)
def test_any_patch_that_the_levels_divide(image_size, patching, stem, rng):
    network = unet(image_size, patching, stem=stem, attention_depths=(), **TINY)
    randomise(network, rng)
    values = inputs_of(network, rng)
    outputs = network.predict_on_batch(values)
    assert outputs.shape == values["noisy"].shape
    assert np.isfinite(outputs).all() and np.ptp(outputs) > 0


@pytest.mark.once
@pytest.mark.parametrize(
    ("image_size", "stem", "factor"),
    [((6, 8), 1, 2), ((8, 6), 1, 2), ((2, 2), 1, 2), ((12, 12), 2, 4)],
)
def test_refuses_patches_the_levels_do_not_divide(image_size, stem, factor):
    h, w = (side // 2 for side in image_size)
    message = f"A patch of {h}x{w} pixels .* must be multiples of {factor}\\."
    with pytest.raises(ValueError, match=message):
        unet(image_size, GridPatching(2), stem=stem, **TINY)


def test_the_stem_makes_it_cheaper():
    """A stem of 2 leaves a quarter of the pixels to the first level."""
    maps = [
        unet(16, stem=stem, **FLAT).get_layer("first").output.shape for stem in (1, 2)
    ]
    assert maps == [(None, 16, 16, 4), (None, 8, 8, 4)]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_predicts_in_float32(network, rng, policy):
    values = inputs_of(network, rng)
    expected = network.predict_on_batch(values)
    keras.config.set_dtype_policy(policy)
    mixed = unet((8, 24), GRID, attention_depths=(1,), **TINY)
    mixed.set_weights(network.get_weights())
    assert mixed.output.dtype == "float32"
    assert mixed.get_layer("down0_block0_conv1").compute_dtype == policy[6:]
    assert {weight.dtype for weight in mixed.weights} == {"float32"}
    outputs = mixed.predict_on_batch(values)
    assert outputs.dtype == "float32"
    atol = 0.05 * np.abs(expected).max()
    np.testing.assert_allclose(outputs, expected, atol=atol)


def test_a_file_gives_the_network_back(network, rng, tmp_path):
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    values = inputs_of(network, rng)
    expected = network.predict_on_batch(values)
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(loaded.predict_on_batch(values), expected, atol=1e-6)


def wave(shape, shift):
    """Numbers in [-1, 1] that need no generator."""
    angles = 0.7 * np.arange(np.prod(shape, dtype=int)) + shift
    return np.sin(angles).reshape(shape).astype("float32")


def test_every_backend_gives_these_numbers():
    """If they change, weights that were trained before are worth nothing."""
    network = unet((8, 24), GRID, stem=2, attention_depths=(1,), **TINY)
    by_name = sorted(network.weights, key=lambda weight: weight.path)
    for index, weight in enumerate(by_name):
        weight.assign(0.5 * wave(weight.shape, index))
    outputs = network.predict_on_batch(
        {
            "noisy": wave((2, 4, 8, 3), 0.1),
            "content": wave((2, 4, 8, 3), 0.2),
            "timestep": np.array([3, 900], "int32"),
            "patch_index": np.array([1, 4], "int32"),
        }
    )
    assert outputs.std() == pytest.approx(0.347130, abs=1e-4)
    np.testing.assert_allclose(
        outputs[1, ::3, ::7, 0], [[0.13994, -0.37381], [0.15276, 0.23931]], atol=1e-4
    )
    np.testing.assert_allclose(outputs[0, 1, 2], [0.03517, 0.33309, 0.47435], atol=1e-4)


def test_a_network_of_the_same_arguments_takes_the_weights(network, rng, tmp_path):
    network.save_weights(tmp_path / "network.weights.h5")
    other = unet((8, 24), GRID, attention_depths=(1,), **TINY)
    other.load_weights(tmp_path / "network.weights.h5")
    for mine, theirs in zip(other.weights, network.weights, strict=True):
        assert mine.path == theirs.path
        np.testing.assert_array_equal(*map(ops.convert_to_numpy, (mine, theirs)))


def test_dropout_is_there_if_asked_for():
    network = unet(4, dropout=0.5, **FLAT)
    assert network.get_layer("middle_dropout").rate == 0.5
    dropouts = [layer for layer in network.layers if "dropout" in layer.name]
    assert len(dropouts) == 3  # Of one block down, the middle, one block up.
    # On PyTorch a layer without a seed has its state where no backup finds it.
    assert len({layer.seed for layer in dropouts} - {None}) == 3


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"image_size": 0}, ValueError, "`image_size` must be at least 1"),
        ({"image_size": 8.0}, TypeError, "`image_size` must be an int"),
        ({"channels": 0}, ValueError, "`channels` must be at least 1"),
        ({"width": 2}, ValueError, "`width` must be at least 4"),
        ({"width": 5}, ValueError, "`width` must be even"),
        ({"multipliers": (1, 0)}, ValueError, "`multipliers` must be at least 1"),
        ({"blocks_per_depth": 0}, ValueError, "`blocks_per_depth` must be at least 1"),
        ({"stem": 0}, ValueError, "`stem` must be at least 1"),
        ({"dropout": 1.0}, ValueError, "`dropout` must be in"),
        ({"patching": GridPatching(3)}, ValueError, "8x8 pixels does not divide"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        unet(**{"image_size": 8, **arguments})


@pytest.mark.once
@pytest.mark.parametrize(
    ("image_size", "patching"),
    [
        (28, GridPatching(2)),
        ((28, 32), CascadePatching(4)),
        (28, GridPatching(2, halo=2)),
    ],
    ids=("grid", "cascade", "halo"),
)
def test_the_image_sizes_it_names_would_do(image_size, patching):
    with pytest.raises(ValueError, match="Choose an `image_size` of") as error:
        unet(image_size, patching)
    found = re.search(r"of ([\d or]+) by ([\d or]+) pixels, fewer", str(error.value))
    heights, widths = (map(int, sides.split(" or ")) for sides in found.groups())
    for height, width in itertools.product(heights, widths):
        h, w, _ = patching.input_specs((height, width, 3))["noisy"][0]
        assert h % 4 == 0 and w % 4 == 0


@pytest.mark.once
@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("patching", 2),
        ("patching", GridPatching),
        ("schedule", "cosine"),
        ("schedule", EDMSchedule),
        ("name", 3),
        ("num_classes", "10"),
        ("multipliers", 2),
        ("attention_depths", {1}),
    ],
)
def test_refuses_another_type(argument, value):
    with pytest.raises(
        TypeError, match=f"`{argument}` must be .*Received: {argument}="
    ):
        unet(8, **{argument: value})
