"""`unet2d` beside the `UNet2DModel` of `diffusers`, which has the same weights."""

import keras
import numpy as np
import pytest
from unet2d_inputs import THEIRS, inputs_of, wave

from keras_patchdpm import CascadePatching, EDMSchedule, GridPatching, WholeImage
from keras_patchdpm.networks import unet2d
from keras_patchdpm.testing import randomise

TINY = {"block_out_channels": (4, 8), "layers_per_block": 1, "norm_num_groups": 2}
RESIDUAL = {
    "down_block_types": ("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
    "resnet_time_scale_shift": "scale_shift",
    "upsample_type": "resnet",
    "num_attention_heads": 2,
    "embedding_width": 6,
}


def waves_of(network):
    """Predictions of a network with weights that need no generator."""
    for index, weight in enumerate(sorted(network.weights, key=lambda one: one.path)):
        weight.assign(0.5 * wave(weight.shape, index))
    return network.predict_on_batch(inputs_of(network))


def test_every_backend_gives_these_numbers():
    """If they change, it is not the network of `diffusers` any more."""
    outputs = waves_of(unet2d((8, 24), GridPatching((2, 3)), **{**TINY, **THEIRS}))
    assert outputs.std() == pytest.approx(0.155789, abs=1e-4)
    np.testing.assert_allclose(
        outputs[1, ::3, ::7, 0],
        [[-0.40038, -0.15553], [-0.48004, -0.32039]],
        atol=1e-4,
    )
    expected = [-0.45692, -0.53064, -0.35479]
    np.testing.assert_allclose(outputs[0, 1, 2], expected, atol=1e-4)


def test_every_backend_gives_these_numbers_with_residual_blocks():
    outputs = waves_of(unet2d(8, num_classes=2, **{**TINY, **RESIDUAL}))
    assert outputs.std() == pytest.approx(0.178844, abs=1e-4)
    expected = [-0.34950, -0.47900, -0.38322]
    np.testing.assert_allclose(outputs[1, 5, 6], expected, atol=1e-4)


def test_asks_for_what_the_patching_gives():
    moving = GridPatching(2, "coordinates", halo=2, shift=True)
    for patching in (GridPatching(2), moving, CascadePatching(2), WholeImage()):
        network = unet2d((8, 16), patching, num_classes=3, **TINY)
        specs = patching.input_specs((8, 16, 3))
        assert set(network.input) == {*specs, "timestep", "label"}
        assert network.output_shape == network.input["noisy"].shape
    network = unet2d(8, schedule=EDMSchedule(), **TINY)
    assert network.input["timestep"].dtype == "float32"


def test_the_prediction_depends_on_every_input(rng):
    network = unet2d((8, 24), GridPatching((2, 3)), num_classes=3, **TINY)
    randomise(network, rng)
    values = inputs_of(network)
    before = network.predict_on_batch(values)
    for name in network.input:
        changed = {**values, name: values[name].copy()}
        changed[name][1] = 2
        change = np.abs(network.predict_on_batch(changed) - before)
        assert change[1].max() > 1e-3 and change[0].max() < 1e-5, name


def test_starts_from_a_prediction_of_zero():
    network = unet2d(8, **TINY)
    assert not network.predict_on_batch(inputs_of(network)).any()


def test_a_file_gives_the_network_back(rng, tmp_path):
    network = unet2d(8, dropout=0.5, **{**TINY, **THEIRS})
    randomise(network, rng)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    values = inputs_of(network)
    expected = network.predict_on_batch(values)
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(loaded.predict_on_batch(values), expected, atol=1e-6)
    dropouts = [layer for layer in network.layers if "dropout" in layer.name]
    assert len({layer.seed for layer in dropouts} - {None}) == len(dropouts) == 8


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"image_size": 7}, ValueError, "A patch of 7x7 pixels"),
        ({"patching": GridPatching(3)}, ValueError, "8x8 pixels does not divide"),
        ({"patching": 2}, TypeError, "`patching` must be"),
        ({"schedule": "cosine"}, TypeError, "`schedule` must be"),
        ({"block_out_channels": (3, 8)}, ValueError, "multiples of `norm_num_groups`"),
        ({"block_out_channels": (2, 8)}, ValueError, "an even number of at least 4"),
        ({"block_out_channels": ()}, ValueError, "`block_out_channels` must have 1"),
        (
            {"down_block_types": ("DownBlock2D",)},
            ValueError,
            "`down_block_types` must have one type for each",
        ),
        (
            {"down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D")},
            ValueError,
            "`down_block_types` must be one of .*CrossAttnDownBlock2D",
        ),
        ({"up_block_types": ("x", "UpBlock2D")}, ValueError, "`up_block_types` must"),
        ({"attention_head_dim": 3}, ValueError, "`attention_head_dim` must divide"),
        ({"num_attention_heads": 3}, ValueError, "`num_attention_heads` must divide"),
        (
            {"attention_head_dim": 4, "num_attention_heads": 2},
            ValueError,
            "Choose one of `attention_head_dim` and `num_attention_heads`",
        ),
        ({"downsample_type": "fir"}, ValueError, "`downsample_type` must be one of"),
        ({"upsample_type": None}, ValueError, "`upsample_type` must be one of"),
        (
            {"resnet_time_scale_shift": "spatial"},
            ValueError,
            "`resnet_time_scale_shift` must be one of 'default', 'scale_shift'",
        ),
        ({"embedding_width": 5}, ValueError, "`embedding_width` must be even"),
        (
            {"downsample_padding": 2},
            ValueError,
            "`downsample_padding` must be at most 1",
        ),
        ({"freq_shift": 2}, ValueError, "`freq_shift` must be in"),
        ({"norm_eps": 0}, ValueError, "`norm_eps` must be at least"),
        ({"layers_per_block": 0}, ValueError, "`layers_per_block` must be at least 1"),
        ({"dropout": 1.0}, ValueError, "`dropout` must be in"),
        ({"block_out_channels": (8192,) * 16}, ValueError, "A patch of|weights"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        unet2d(**{"image_size": 8, **TINY, **arguments})


@pytest.mark.once
def test_refuses_too_many_weights_before_they_are_built():
    widths = (8192,) * 8
    with pytest.raises(ValueError, match="would have at least .* weights"):
        unet2d(128, block_out_channels=widths, layers_per_block=2)
