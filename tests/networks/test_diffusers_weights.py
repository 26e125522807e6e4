"""Files of `diffusers`, complete and damaged, are read or refused."""

import os
import sys

import keras
import numpy as np
import pytest
from networks.test_unet2d import TINY
from unet2d_inputs import tensors_of

from keras_patchdpm import GridPatching
from keras_patchdpm.networks import (
    diffusers_weights,
    load_diffusers_weights,
    unet2d,
)

pytestmark = pytest.mark.once

KERNEL = "conv_in.weight"
QUERY = "mid_block.attentions.0.to_q.weight"


@pytest.fixture(scope="module")
def built():
    return unet2d(8, **TINY)


@pytest.fixture
def network(built):
    """The network, all of whose weights are NaN."""
    for variable in built.variables:
        variable.assign(np.full(variable.shape, np.nan, "float32"))
    return built


@pytest.fixture(scope="module")
def tensors(built):
    """Random tensors of the names and shapes of `diffusers`."""
    rng = np.random.default_rng(0)
    return {
        name: rng.normal(size=zeros.shape).astype("float32")
        for name, zeros in tensors_of(built, diffusers_weights.NAMES).items()
    }


def check_loaded(network, tensors):
    """Each number is used once."""
    ours = np.concatenate([weight.ravel() for weight in network.get_weights()])
    theirs = np.concatenate([tensor.ravel() for tensor in tensors.values()])
    np.testing.assert_array_equal(np.sort(ours), np.sort(theirs))
    kernel = network.get_layer("conv_in").get_weights()[0]
    np.testing.assert_array_equal(kernel, tensors[KERNEL].transpose(2, 3, 1, 0))


def refuses(network, source, *messages, error=ValueError):
    with pytest.raises(error) as caught:
        load_diffusers_weights(network, source)
    for message in messages:
        assert message in str(caught.value)
    loaded = [np.isfinite(weight).all() for weight in network.get_weights()]
    assert not any(loaded), "weights were assigned before all checks"


def saved(tensors, path):
    """A file of the tensors, in the format of its suffix."""
    if path.suffix == ".safetensors":
        from safetensors.numpy import save_file

        save_file(tensors, path)
    elif path.suffix == ".npz":
        np.savez(path, **tensors)
    else:
        import torch

        torch.save({name: torch.tensor(one) for name, one in tensors.items()}, path)
    return path


def test_the_names_are_those_of_diffusers(tensors):
    import diffusers_models

    options = {name: value for name, value in TINY.items()}
    blocks = {"down_block_types": ("AttnDownBlock2D", "DownBlock2D")}
    blocks |= {"up_block_types": ("UpBlock2D", "AttnUpBlock2D")}
    theirs = diffusers_models.random_unet(
        **options, **blocks, attention_head_dim=None
    ).state_dict()
    assert {name: tuple(one.shape) for name, one in theirs.items()} == {
        name: one.shape for name, one in tensors.items()
    }


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".bin", ".pt"])
def test_files_of_each_format(network, tensors, tmp_path, suffix):
    path = saved(tensors, tmp_path / f"weights{suffix}")
    assert load_diffusers_weights(network, str(path)) is network
    check_loaded(network, tensors)


def test_half_precision(network, tensors, tmp_path):
    half = {name: tensor.astype("float16") for name, tensor in tensors.items()}
    load_diffusers_weights(network, saved(half, tmp_path / "half.safetensors"))
    check_loaded(network, {name: one.astype("float32") for name, one in half.items()})


def test_bfloat16(network, tensors, tmp_path):
    import torch
    from safetensors.torch import save_file

    half = {name: torch.tensor(one).bfloat16() for name, one in tensors.items()}
    save_file(half, tmp_path / "half.safetensors")
    load_diffusers_weights(network, tmp_path / "half.safetensors")
    check_loaded(network, {name: one.float().numpy() for name, one in half.items()})


def test_former_names_of_attention(network, tensors):
    def former(name):
        for new, old in (("to_q", "query"), ("to_k", "key"), ("to_v", "value")):
            name = name.replace(f".{new}.", f".{old}.")
        return name.replace(".to_out.0.", ".proj_attn.")

    source = {former(name): tensor for name, tensor in tensors.items()}
    assert set(source) != set(tensors)
    load_diffusers_weights(network, source)
    check_loaded(network, tensors)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"own.weight": np.zeros(3)}, "Surplus: own.weight."),
        ({QUERY: None}, f"Missing: {QUERY}."),
        ({QUERY: np.zeros((8, 8, 1))}, f"{QUERY} is (8, 8, 1), not (8, 8)"),
    ],
)
def test_refuses_one_change(network, tensors, changes, message, tmp_path):
    source = {k: v for k, v in {**tensors, **changes}.items() if v is not None}
    refuses(network, source, "do not fit the network", message)
    refuses(network, saved(source, tmp_path / "x.safetensors"), message)


@pytest.mark.parametrize("value", [np.nan, np.inf, "text", None])
def test_refuses_what_is_no_finite_number(network, tensors, value):
    shape = tensors[QUERY].shape
    refuses(network, {**tensors, QUERY: np.full(shape, value)}, "finite numbers", QUERY)


def test_refuses_foreign_tensors(network):
    refuses(network, {"conv1.weight": np.zeros(3)}, "none of its tensors", "conv1")
    refuses(network, {}, "none of its tensors", "Received: source")


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".bin"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_refuses_a_truncated_file(network, tensors, tmp_path, suffix, share):
    path = saved(tensors, tmp_path / f"weights{suffix}")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refuses(network, path, "truncated", f"{path.stat().st_size} bytes")


class RunsCode:
    """Unpickled in the ordinary way, it makes a directory."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_runs_no_code_of_a_file(network, tmp_path):
    import torch

    torch.save({"x": RunsCode(tmp_path / "made")}, tmp_path / "x.bin")
    refuses(network, tmp_path / "x.bin", "could run code")
    array = np.array([RunsCode(tmp_path / "made")])
    np.savez(tmp_path / "x.npz", x=array)
    refuses(network, tmp_path / "x.npz", "could run code")
    assert not (tmp_path / "made").exists()


def test_refuses_other_paths(network, tmp_path):
    missing = tmp_path / "x.safetensors"
    refuses(network, missing, "There is no file at", error=FileNotFoundError)
    (tmp_path / "x.ckpt").write_bytes(b"")
    refuses(network, tmp_path / "x.ckpt", "one of the suffixes")


def test_safetensors_is_an_extra(network, tensors, tmp_path, monkeypatch):
    path = saved(tensors, tmp_path / "weights.safetensors")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    refuses(network, path, "keras-patchdpm[hub]", "Received: ", error=ImportError)


def test_refuses_other_networks(tensors):
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="mine")])
    with pytest.raises(ValueError, match="built by `unet2d`"):
        load_diffusers_weights(other, tensors)
    with pytest.raises(TypeError, match="built by `unet2d`.*str"):
        load_diffusers_weights("network", tensors)
    with pytest.raises(ValueError, match=r"networks.start_from.*'patch_index'"):
        load_diffusers_weights(unet2d(8, GridPatching(2), **TINY), tensors)
