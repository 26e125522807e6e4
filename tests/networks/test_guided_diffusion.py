"""Weights of guided-diffusion, beside a network of its architecture in PyTorch.

It needs PyTorch, beside any backend: `conftest.py` leaves the file out without it.
"""

import functools

import guided_diffusion_model as models
import keras
import numpy as np
import pytest
import torch
from networks.test_diffusers_weights import saved
from networks.test_unet2d import TINY
from unet2d_inputs import inputs_of

from keras_patchdpm import GridPatching
from keras_patchdpm.networks import (
    guided_diffusion_arguments,
    load_guided_diffusion_weights,
    start_from,
    unet2d,
)

NOT_OURS = ("image_size", "learn_sigma", "num_classes", "use_new_attention_order")
KERNEL = "input_blocks.0.0.weight"
QKV = "middle_block.1.qkv.weight"
LABELS = "label_emb.weight"


def built(patching=None, *, size=16, num_classes=None, **changes):
    """A `unet2d` for a network of the model with these `changes`."""
    config = {**models.BASE, **changes}
    flags = {key: value for key, value in config.items() if key not in NOT_OURS}
    arguments = guided_diffusion_arguments(config["image_size"], **flags)
    return unet2d(size, patching, num_classes=num_classes, **arguments)


CASES = {
    "convolutions": {
        "resblock_updown": False,
        "use_scale_shift_norm": False,
        "num_heads": 1,
        "num_res_blocks": 2,
    },
    "published": {
        "num_head_channels": 16,
        "learn_sigma": True,
        "num_classes": 5,
        "attention_resolutions": (16, 8),
    },
    "heads": {"num_heads": 4, "use_scale_shift_norm": False, "channel_mult": (1, 1, 2)},
    "new order": {"num_heads": 4, "use_new_attention_order": True},
    "512 pixels": {"num_channels": 64, "channel_mult": (0.5, 1), "num_heads": 2},
}


@pytest.mark.parametrize(
    "changes",
    [
        # Tensors are mapped by NumPy, so one case is enough for other backends.
        pytest.param(one, marks=[] if name == "published" else pytest.mark.once)
        for name, one in CASES.items()
    ],
    ids=CASES,
)
def test_equals_the_network_of_guided_diffusion(changes):
    theirs = models.random_network(**changes)
    network = built(**changes)
    new_order = changes.get("use_new_attention_order", False)
    outputs = load_guided_diffusion_weights(
        network, theirs.state_dict(), use_new_attention_order=new_order
    )
    assert outputs is network
    values = inputs_of(network)
    expected = models.predicted(theirs, **values)[..., :3]
    assert np.ptp(expected) > 0.5
    outputs = network.predict_on_batch(values)
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-4)


@pytest.mark.once
def test_no_label_adds_nothing():
    changes = CASES["published"]
    theirs = models.random_network(**changes)
    network = load_guided_diffusion_weights(built(**changes), theirs.state_dict())
    values = inputs_of(network)
    expected = models.predicted(theirs, values["noisy"], values["timestep"])[..., :3]
    values["label"] = np.array([5, 5], "int32")
    outputs = network.predict_on_batch(values)
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def theirs():
    return models.random_network(num_heads=1)


@pytest.fixture
def tensors(theirs):
    return {name: tensor.numpy() for name, tensor in theirs.state_dict().items()}


@pytest.fixture(scope="module")
def whole():
    return built(num_heads=1)


@pytest.fixture
def network(whole):
    """The network, all of whose weights are NaN."""
    for variable in whole.variables:
        variable.assign(np.full(variable.shape, np.nan, "float32"))
    return whole


def check_same(network, theirs):
    values = inputs_of(network)
    expected = models.predicted(theirs, **values)
    outputs = network.predict_on_batch(values)
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-4)


@pytest.mark.once
@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pt"])
def test_files_of_each_format(network, theirs, tensors, tmp_path, suffix):
    path = saved(tensors, tmp_path / f"weights{suffix}")
    check_same(load_guided_diffusion_weights(network, str(path)), theirs)


@pytest.mark.once
def test_half_precision(network, theirs, tmp_path):
    half = {name: one.half() for name, one in theirs.state_dict().items()}
    torch.save(half, tmp_path / "half.pt")
    load_guided_diffusion_weights(network, tmp_path / "half.pt")
    kernel = network.get_layer("conv_in").get_weights()[0]
    expected = half[KERNEL].float().numpy().transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(kernel, expected)


@pytest.mark.once
def test_a_patch_network_starts_from_it(network, theirs, tensors):
    source = load_guided_diffusion_weights(network, tensors)
    patches = built(GridPatching(2), size=32, num_classes=3, num_heads=1)
    start_from(patches, source)
    values = inputs_of(patches)
    values["patch_index"] = np.array([0, 3], "int32")
    values["label"] = np.array([1, 3], "int32")
    expected = models.predicted(theirs, values["noisy"], values["timestep"])
    outputs = patches.predict_on_batch(values)
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-4)


def refuses(network, source, *messages, error=ValueError, **options):
    with pytest.raises(error) as caught:
        load_guided_diffusion_weights(network, source, **options)
    for message in messages:
        assert message in str(caught.value)
    loaded = [np.isfinite(weight).all() for weight in network.get_weights()]
    assert not any(loaded), "weights were assigned before all checks"


@pytest.mark.once
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"own.weight": np.zeros(3)}, "Surplus: own.weight."),
        ({QKV: None}, f"Missing: {QKV}."),
        ({QKV: np.zeros((192, 64))}, f"{QKV} is (192, 64), not (192, 64, 1)"),
        ({KERNEL: np.zeros((32, 6, 3, 3))}, f"{KERNEL} is (32, 6, 3, 3), not (32, 3,"),
        (
            {"out.2.weight": np.zeros((9, 32, 3, 3)), "out.2.bias": np.zeros(9)},
            "out.2.weight is (9, 32, 3, 3), not (3, 32, 3, 3), out.2.bias is (9,), not",
        ),
        ({"out.2.bias": np.zeros(6)}, "out.2.weight is (3, 32, 3, 3), not (6, 32, 3"),
        ({LABELS: np.zeros((7, 128))}, "Build the network with `num_classes=7`"),
        ({QKV: np.full((192, 64, 1), np.nan)}, "must contain finite numbers"),
    ],
    ids=["more", "less", "shape", "inputs", "outputs", "bias", "labels", "NaN"],
)
def test_refuses_one_change(network, tensors, changes, message):
    source = {k: v for k, v in {**tensors, **changes}.items() if v is not None}
    refuses(network, source, message)


@pytest.mark.once
def test_the_variance_is_read_and_dropped(network, theirs, tensors):
    rng = np.random.default_rng(0)
    for name in ("out.2.weight", "out.2.bias"):
        extra = rng.normal(size=tensors[name].shape).astype("float32")
        tensors[name] = np.concatenate([tensors[name], extra])
    check_same(load_guided_diffusion_weights(network, tensors), theirs)


@pytest.mark.once
def test_refuses_weights_of_other_networks(network, tensors):
    refuses(network, {"conv_in.weight": np.zeros(3)}, "no weights of guided-diffusion")
    fewer = {name: one for name, one in tensors.items() if "skip_" not in name}
    refuses(network, fewer, "guided_diffusion_arguments", "Missing: input_blocks.3.0.")


@pytest.mark.once
def test_refuses_other_networks(tensors):
    load = functools.partial(load_guided_diffusion_weights, source=tensors)
    with pytest.raises(ValueError, match=r"no inputs for patches.*networks.start_from"):
        load(built(GridPatching(2), size=32))
    with pytest.raises(ValueError, match=r"not conditioned on labels.*num_classes=7\."):
        load(built(num_classes=7))
    with pytest.raises(ValueError, match=r"guided_diffusion_arguments.*norm_eps=1e-06"):
        load(unet2d(8, **TINY))
    with pytest.raises(ValueError, match="built by `unet2d`"):
        load(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="mine")]))
    with pytest.raises(TypeError, match="built by `unet2d`.*str"):
        load("network")


@pytest.mark.once
def test_the_arguments_of_published_networks():
    arguments = guided_diffusion_arguments(256)
    assert arguments["block_out_channels"] == [256, 256, 512, 512, 1024, 1024]
    plain, attention = "ResnetDownsampleBlock2D", "AttnDownBlock2D"
    assert arguments["down_block_types"] == [*[plain] * 3, *[attention] * 3]
    assert (arguments["attention_head_dim"], arguments["embedding_width"]) == (64, 256)
    arguments = guided_diffusion_arguments(512)
    assert arguments["block_out_channels"][:2] == [128, 256]
    assert arguments["embedding_width"] == 256
    arguments = guided_diffusion_arguments(128, num_heads=4)
    assert (arguments["attention_head_dim"], arguments["num_attention_heads"]) == (
        None,
        4,
    )


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 96}, "`channel_mult`, or choose a size of 64, 128, 256, 512"),
        (
            {"attention_resolutions": (24,)},
            "feature maps of the network: 64, 32, 16, 8",
        ),
        ({"num_channels": 16}, "`num_channels` must be at least 32"),
        ({"num_channels": 48}, "`num_channels` must be a multiple of 32"),
        ({"num_heads": 0}, "`num_heads` must be at least 1"),
        ({"num_heads": 4, "num_head_channels": 64}, "Choose one of `num_heads` and"),
        ({"num_res_blocks": 0}, "`num_res_blocks` must be at least 1"),
        ({"channel_mult": (0, 1)}, "`channel_mult` must be in"),
    ],
    ids=str,
)
def test_refuses_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        guided_diffusion_arguments(**{"image_size": 64, **arguments})
