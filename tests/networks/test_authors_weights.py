import collections
import os
import sys

import keras
import numpy as np
import pytest
from authors_parity import authors_tensors

from keras_patchdpm.networks import arakawa_unet, load_authors_weights

pytestmark = pytest.mark.once

UNUSED = "_patched_decoder._embedder."
CONV = "_patched_encoder._init_conv.weight"


@pytest.fixture(scope="module")
def tensors():
    return authors_tensors()


@pytest.fixture(scope="module")
def built():
    return arakawa_unet(image_size=32, divisions=2, dim=16)


@pytest.fixture
def network(built):
    """The network, all of whose weights are NaN."""
    for variable in built.variables:
        variable.assign(np.full(variable.shape, np.nan, "float32"))
    return built


def filled(network):
    """How many weights hold a number, of the fixture's NaN."""
    weights = network.get_weights()
    return sum(np.isfinite(weight).all() for weight in weights), len(weights)


def check_filled(network, tensors, factor=1.0):
    some, every = filled(network)
    assert some == every
    kernel = network.get_layer("first_conv").get_weights()[0]
    np.testing.assert_allclose(kernel, factor * tensors[CONV].transpose(2, 3, 1, 0))


def refuses(network, source, *messages, error=ValueError, **arguments):
    with pytest.raises(error) as caught:
        load_authors_weights(network, source, **arguments)
    for message in messages:
        assert message in str(caught.value)
    assert filled(network)[0] == 0, "weights were assigned before all checks"
    return str(caught.value)


def test_mapping(network, tensors):
    assert load_authors_weights(network, tensors) is network
    check_filled(network, tensors)


def test_every_number_of_the_authors_is_used_once(network, tensors):
    """Neither a transposed nor a halved tensor loses or doubles a number."""
    load_authors_weights(network, tensors)
    used = [v.ravel() for k, v in tensors.items() if not k.startswith(UNUSED)]
    ours = np.concatenate([weight.ravel() for weight in network.get_weights()])
    np.testing.assert_array_equal(np.sort(ours), np.sort(np.concatenate(used)))


def test_prefix_and_what_stands_beside_the_network(network, tensors):
    source = {f"denoise_fn.{name}": value for name, value in tensors.items()}
    source["betas"] = np.zeros(1000, "float32")
    load_authors_weights(network, source)
    check_filled(network, tensors)


def test_the_layer_that_is_never_called_may_be_missing(network, tensors):
    source = {k: v for k, v in tensors.items() if not k.startswith(UNUSED)}
    assert len(source) == len(tensors) - 2
    load_authors_weights(network, source)
    check_filled(network, tensors)


@pytest.mark.parametrize(("which", "factor"), [("ema", 1.0), ("model", 2.0)])
def test_mapping_of_model_and_ema(network, tensors, which, factor):
    doubled = {name: 2 * value for name, value in tensors.items()}
    load_authors_weights(network, {"model": doubled, "ema": tensors}, which=which)
    check_filled(network, tensors, factor)


def test_refuses_another_configuration(tensors):
    other = arakawa_unet(image_size=32, divisions=4, dim=24, multipliers=(1, 2))
    with pytest.raises(ValueError) as caught:
        load_authors_weights(other, tensors)
    message = str(caught.value)
    assert "a different configuration" in message
    theirs = "dim=16, divisions=2, channels=3, multipliers=(1, 2, 4, 8)"
    ours = "dim=24, divisions=4, channels=3, multipliers=(1, 2)"
    assert f"a checkpoint with {theirs}; a network with {ours}." in message
    assert (
        "_embedding._pos_embedding_layer.0.weight is (16, 4), not (24, 16)" in message
    )
    assert "Surplus: _patched_encoder._downsLayers.1.3.weight" in message


def test_refuses_a_missing_a_surplus_and_a_changed_tensor(network, tensors):
    source = dict(tensors)
    source["_patched_decoder.mid_extra.g"] = source.pop(
        "_patched_decoder.mid_attn.fn.norm.g"
    )
    source["_embedding._mapping.0.bias"] = np.zeros(65, "float32")
    refuses(
        network,
        source,
        "incomplete or was changed",
        "_embedding._mapping.0.bias is (65,), not (64,)",
        "Missing: _patched_decoder.mid_attn.fn.norm.g.",
        "Surplus: _patched_decoder.mid_extra.g.",
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"own.weight": np.zeros(3)}, "Surplus: own.weight."),
        ({"_embedding._mapping.0.bias": None}, "Missing: _embedding._mapping.0.bias."),
        ({"_embedding._mapping.0.bias": np.zeros((64, 1))}, "is (64, 1), not (64,)"),
    ],
)
def test_refuses_one_change(network, tensors, changes, message):
    source = {k: v for k, v in {**tensors, **changes}.items() if v is not None}
    refuses(network, source, message)


def test_refuses_half_a_scale_and_shift(network, tensors):
    name = "_patched_decoder.mid_block1.mlp.1.bias"
    source = {**tensors, name: tensors[name][:128]}
    refuses(network, source, f"{name} is (128,), not (256,)")


@pytest.mark.parametrize("value", [np.nan, np.inf, "text", None])
def test_refuses_what_is_no_finite_number(network, tensors, value):
    source = {**tensors, CONV: np.full((10, 6, 7, 7), value)}
    refuses(network, source, "finite numbers", CONV)


def test_refuses_foreign_tensors(network, tensors):
    source = {"conv1.weight": tensors[CONV]}
    refuses(network, source, "none of its tensors", "Received: conv1.weight")
    refuses(network, {}, "none of its tensors")


def test_refuses_other_networks(tensors):
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="mine")])
    with pytest.raises(ValueError, match="built by `arakawa_unet`.*mine"):
        load_authors_weights(other, tensors)
    with pytest.raises(TypeError, match="built by `arakawa_unet`.*str"):
        load_authors_weights("network", tensors)


def test_refuses_unknown_weights(network, tensors):
    refuses(network, tensors, "`which` must be one of 'ema', 'model'", which="best")
    refuses(network, {"model": tensors}, "no 'ema' weights. It has: model")


def test_a_path_without_pytorch(network, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "x.pt").write_bytes(b"")
    messages = "keras-patchdpm[torch]", "`source`", "Received: source="
    refuses(network, tmp_path / "x.pt", *messages, error=ImportError)


class RunsCode:
    """Unpickled in the ordinary way, it makes a directory."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


class TestCheckpoint:
    """Files as the authors' trainer writes them."""

    @pytest.fixture
    def torch(self):
        return pytest.importorskip("torch")

    @pytest.fixture
    def path(self, torch, tensors, tmp_path):
        def state(factor):
            state = collections.OrderedDict(betas=torch.zeros(1000))
            for name, value in tensors.items():
                state[f"denoise_fn.{name}"] = torch.from_numpy(factor * value)
            return state

        checkpoint = {"step": 7, "model": state(2.0), "ema": state(1.0)}
        checkpoint |= {"opt": {"state": {}, "param_groups": []}, "scaler": None}
        torch.save(checkpoint, tmp_path / "model-last.pt")
        return tmp_path / "model-last.pt"

    def test_ema_and_model(self, network, tensors, path):
        load_authors_weights(network, path)
        check_filled(network, tensors)
        load_authors_weights(network, str(path), which="model")
        check_filled(network, tensors, 2.0)

    def test_bare_state_dict(self, network, tensors, torch, tmp_path):
        state = {name: torch.from_numpy(value) for name, value in tensors.items()}
        torch.save(state, tmp_path / "state.pt")
        load_authors_weights(network, tmp_path / "state.pt")
        check_filled(network, tensors)

    def test_parameters_and_half_precision(self, network, tensors, torch):
        source = {
            name: torch.nn.Parameter(torch.from_numpy(value).bfloat16())
            for name, value in tensors.items()
        }
        load_authors_weights(network, source)
        kernel = network.get_layer("first_conv").get_weights()[0]
        expected = tensors[CONV].transpose(2, 3, 1, 0)
        np.testing.assert_allclose(kernel, expected, rtol=0.01)

    @pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
    def test_refuses_a_truncated_file(self, network, path, share):
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        refuses(network, path, "truncated", f"{path.stat().st_size} bytes")

    def test_refuses_random_bytes(self, network, torch, tmp_path, rng):
        (tmp_path / "x.pt").write_bytes(rng.bytes(1000))
        refuses(network, tmp_path / "x.pt", "not a PyTorch checkpoint", "1000 bytes")

    def test_runs_no_code_of_the_file(self, network, torch, tmp_path):
        torch.save({"ema": RunsCode(tmp_path / "made")}, tmp_path / "x.pt")
        refuses(network, tmp_path / "x.pt", "could run code")
        assert not (tmp_path / "made").exists()

    def test_refuses_what_is_no_dict(self, network, torch, tmp_path):
        torch.save(torch.zeros(3), tmp_path / "x.pt")
        refuses(network, tmp_path / "x.pt", "must be a dict", "Tensor")

    def test_refuses_a_path_with_no_file(self, network, tmp_path):
        missing = tmp_path / "x.pt"
        refuses(network, missing, "There is no file at", error=FileNotFoundError)
