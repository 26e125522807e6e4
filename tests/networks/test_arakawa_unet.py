import keras
import numpy as np
import pytest
from authors_parity import authors_tensors, golden
from keras import ops

from keras_patchdpm.grid import PatchGrid
from keras_patchdpm.networks import arakawa_unet, load_authors_weights
from keras_patchdpm.testing import randomise

SMALL = {"image_size": 16, "divisions": 2, "dim": 8, "multipliers": (1, 2)}


def make_inputs(rng):
    return {
        "noisy": rng.normal(size=(2, 8, 8, 3)).astype("float32"),
        "timestep": rng.integers(0, 1000, 2).astype("int32"),
        "patch_index": rng.integers(0, 4, 2).astype("int32"),
        "content": rng.normal(size=(2, 8, 8, 3)).astype("float32"),
    }


def test_parity_with_the_authors_network():
    stored = golden()
    divisions, dim = int(stored["divisions"]), int(stored["dim"])
    network = arakawa_unet(int(stored["image_size"]), divisions, dim=dim)
    load_authors_weights(network, authors_tensors())
    grid = PatchGrid(divisions)
    images, timestep = stored["x"], stored["timestep"].astype("int32")
    patches = ops.convert_to_numpy(grid.split(images))
    content = ops.convert_to_numpy(grid.content(images))
    # The authors' order: patch 0 of every image, then patch 1 of every image.
    inputs = {
        "noisy": np.concatenate([patches[:, index] for index in range(4)]),
        "timestep": np.tile(timestep, 4),
        "patch_index": np.repeat(np.arange(4, dtype="int32"), len(images)),
        "content": np.tile(content, (4, 1, 1, 1)),
    }

    parts = keras.Model(
        network.input,
        {
            "embedding": network.get_layer("embedding").output,
            "network_input": network.get_layer("conditioned").output,
            "output": network.output,
        },
    ).predict_on_batch(inputs)
    predicted = np.stack(np.split(parts["output"], 4), axis=1)
    parts["output"] = ops.convert_to_numpy(grid.merge(predicted))
    for key, values in parts.items():
        np.testing.assert_allclose(values, stored[key], rtol=0, atol=1e-4, err_msg=key)


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "shape", "num_patches"),
    [
        ({"image_size": (24, 16), "divisions": (3, 1)}, (8, 16, 3), 3),
        ({"channels": 1}, (8, 8, 1), 4),
        ({"multipliers": (1,), "image_size": 6}, (3, 3, 3), 4),
        ({"divisions": 1}, (16, 16, 3), 1),
    ],
)
def test_sizes(arguments, shape, num_patches):
    network = arakawa_unet(**{**SMALL, **arguments})
    assert network.input["noisy"].shape == (None, *shape)
    assert network.input["content"].shape == (None, *shape)
    assert network.output_shape == (None, *shape)
    assert network.get_layer("embedding_place").num_patches == num_patches


def test_every_input_is_used(rng):
    network = arakawa_unet(**SMALL)
    randomise(network, rng)
    inputs = make_inputs(rng)
    outputs = network.predict_on_batch(inputs)
    for key, value in inputs.items():
        moved = value + 0.5 if "float" in value.dtype.name else (value + 1) % 4
        changed = network.predict_on_batch({**inputs, key: moved})
        assert np.abs(changed - outputs).max() > 1e-3, key


@pytest.mark.once
def test_names_do_not_depend_on_what_was_built_before():
    first, second = arakawa_unet(**SMALL), arakawa_unet(**SMALL)
    assert [layer.name for layer in first.layers] == [
        layer.name for layer in second.layers
    ]


@pytest.mark.once
def test_file(tmp_path, rng):
    network = arakawa_unet(**SMALL)
    randomise(network, rng)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    inputs = make_inputs(rng)
    np.testing.assert_allclose(
        loaded.predict_on_batch(inputs), network.predict_on_batch(inputs), atol=1e-5
    )


@pytest.mark.once
def test_mixed_precision_predicts_in_float32(rng):
    inputs = make_inputs(rng)
    exact = arakawa_unet(**SMALL)
    expected = exact.predict_on_batch(inputs)
    for dtype in ("bfloat16", "float16"):
        keras.config.set_dtype_policy(f"mixed_{dtype}")
        mixed = arakawa_unet(**SMALL)
        keras.config.set_dtype_policy("float32")
        mixed.set_weights(exact.get_weights())
        assert mixed.get_layer("down0_block1_conv1").compute_dtype == dtype
        assert mixed.output.dtype == "float32"
        error = np.abs(mixed.predict_on_batch(inputs) - expected).max()
        assert error < 0.1 * np.abs(expected).max()


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 17}, "does not divide into"),
        (
            {"image_size": (16, 20)},
            "8x10 pixels cannot be halved 2 times.*multiples of 4"
            ".*image of 16 or 24 by 16 or 24 pixels",
        ),
        ({"divisions": 16}, "1x1 pixels.*image of 64 by 64 pixels"),
        ({"dim": 12}, "`dim` must be a multiple of 8.*8 or 16.*dim=12"),
        ({"dim": 0}, "`dim` must be at least 1"),
        ({"multipliers": (2, 4)}, r"`multipliers` must start with 1.*\(2, 4\)"),
        ({"multipliers": ()}, "`multipliers` must have 1 to 16"),
        ({"multipliers": (1, 0)}, "`multipliers` must be at least 1"),
        ({"channels": 0}, "`channels` must be at least 1"),
        ({"divisions": 0}, "`divisions` must be at least 1"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        arakawa_unet(**{**SMALL, "multipliers": (1, 2, 4), **arguments})
