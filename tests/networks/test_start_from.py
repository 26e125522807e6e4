"""A network of whole images is the start of a network of patches."""

import keras
import numpy as np
import pytest
from keras import ops
from networks.test_unet2d import TINY, inputs_of
from tiny_models import tiny_images, train

import keras_patchdpm as kp
from keras_patchdpm.networks import start_from, unet, unet2d
from keras_patchdpm.testing import randomise

UNET = {"width": 8, "multipliers": (1, 2), "blocks_per_depth": 1}
UNET |= {"attention_depths": (), "stem": 2}
MOVING = kp.GridPatching(2, "coordinates", shift=True)


def values_of(network):
    return {one.path: np.array(ops.convert_to_numpy(one)) for one in network.weights}


@pytest.mark.parametrize(
    ("make", "options", "patching"),
    [
        (unet2d, TINY, kp.GridPatching(2)),
        (unet2d, TINY, kp.CascadePatching(2)),
        (unet, UNET, kp.GridPatching(2)),
        (unet, UNET, MOVING),
    ],
    ids=["grid", "cascade", "unet", "unet, moving"],
)
def test_at_first_it_computes_what_its_source_computes(make, options, patching, rng):
    source = make(8, **options)
    randomise(source, rng)
    network = make(16, patching, num_classes=3, **options)
    assert start_from(network, source) is network
    values = inputs_of(network)
    values["label"] = np.array([0, 2], "int32")
    expected = source.predict_on_batch(
        {"noisy": values["noisy"], "timestep": values["timestep"]}
    )
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(network.predict_on_batch(values), expected, atol=1e-5)


@pytest.mark.once
def test_the_new_inputs_are_trained(rng):
    source = unet2d(4, **TINY)
    randomise(source, rng, scale=0.1)
    patching = kp.GridPatching(2)
    network = start_from(unet2d(8, patching, **TINY), source)
    model = kp.PatchDPM(network, kp.DDPMSchedule(), patching)
    before = values_of(network)
    history = train(model, tiny_images(), keras.optimizers.Adam(1e-2), epochs=2)
    assert np.isfinite(history["loss"]).all()
    change = {path: after - before[path] for path, after in values_of(network).items()}
    for path in ("conv_in/kernel", "patch_index_added/kernel"):
        assert not before[path][..., -1 if "added" in path else slice(3, None), :].any()
        assert np.abs(change[path]).max() > 1e-3
    assert np.abs(change["patch_index_vector/kernel"]).max() > 0


@pytest.mark.once
def test_the_same_inputs_and_half_precision(rng):
    patching = kp.GridPatching(2)
    source, network = (unet2d(8, patching, **TINY) for _ in range(2))
    randomise(source, rng)
    start_from(network, source)
    for path, value in values_of(source).items():
        np.testing.assert_array_equal(values_of(network)[path], value)


@pytest.mark.once
@pytest.mark.parametrize(
    ("source", "message"),
    [
        (lambda: unet2d(4, **{**TINY, "layers_per_block": 2}), "only in `source`"),
        (
            lambda: unet2d(4, **{**TINY, "block_out_channels": (8, 8)}),
            r"conv_in/kernel is \(3, 3, 3, 8\), not \(3, 3, 6, 4\)",
        ),
        (lambda: unet2d(4, channels=1, **TINY), "4 channels|1 channels"),
        (lambda: unet2d(8, MOVING, **TINY), r"source with \['noisy', 'content', 'coo"),
        (lambda: unet(4, **UNET), "is only in `network`"),
    ],
    ids=["depth", "width", "channels", "inputs", "builder"],
)
def test_refuses_another_network(source, message):
    network = unet2d(8, kp.GridPatching(2), **TINY)
    before = values_of(network)
    with pytest.raises(ValueError, match=message):
        start_from(network, source())
    for path, value in values_of(network).items():
        np.testing.assert_array_equal(value, before[path])


@pytest.mark.once
def test_refuses_what_is_no_network(tmp_path):
    network = unet2d(4, **TINY)
    for wrong in (None, "faces128", keras.Sequential([keras.layers.Dense(2)])):
        with pytest.raises(TypeError, match="`source` must be a functional model"):
            start_from(network, wrong)
        with pytest.raises(TypeError, match="`network` must be a functional model"):
            start_from(wrong, network)
    wide = unet2d(4, **{**TINY, "block_out_channels": (32, 32)})
    kp.PatchDPM(wide, kp.DDPMSchedule(), kp.WholeImage()).save_to_preset(tmp_path)
    narrow = kp.PatchDPM.from_preset(tmp_path, storage="int8").network
    with pytest.raises(ValueError, match="only for sampling"):
        start_from(wide, narrow)
