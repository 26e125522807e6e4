"""Wrong arguments to every public callable: refused by name, or they work."""

import inspect
import json

import numpy as np
import pytest
from argument_calls import arguments_of, failures, public_callables
from argument_table import ENTRIES, SLOW
from argument_values import VALUES

from keras_patchdpm import RandomPatching, layers

pytestmark = pytest.mark.once

FEW = ("none", "text", "true", "nan", "huge", "object", "generator", "text array")


def test_every_public_callable_is_in_the_table():
    public = public_callables()
    assert sorted(ENTRIES) == sorted(public), "give it an `Entry`, or take it out"
    for name, function in public.items():
        assert set(ENTRIES[name].kinds) == set(arguments_of(function)), name
    assert set(ENTRIES) >= SLOW


@pytest.mark.parametrize("name", ENTRIES)
def test_wrong_arguments_are_refused_by_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function, arguments = ENTRIES[name].valid()
    with ENTRIES[name].stub(None):
        function(**arguments)
    found = failures(name, FEW if name in SLOW else VALUES)
    assert not found, "\n".join(found)


def _as_numpy(value):
    """Numbers as NumPy has them, those in sequences included."""
    if isinstance(value, list | tuple):
        return [_as_numpy(entry) for entry in value]
    kinds = {bool: np.bool_, int: np.int64, float: np.float32}
    return kinds.get(type(value), lambda same: same)(value)


SERIALISED = [
    name
    for name, kind in public_callables().items()
    if isinstance(kind, type) and hasattr(kind, "get_config") and name != "PatchDPM"
]


@pytest.mark.parametrize("name", SERIALISED)
def test_numpy_scalars_become_plain_values(name):
    kind, arguments = ENTRIES[name].valid()
    defaults = arguments_of(kind).items()
    arguments = {k: v for k, v in defaults if v is not inspect.Parameter.empty}
    arguments |= ENTRIES[name].valid()[1]
    config = kind(**{k: _as_numpy(v) for k, v in arguments.items()}).get_config()
    again = kind.from_config(json.loads(json.dumps(config))).get_config()
    assert again == config


def test_numpy_arrays_become_plain_values():
    shares = np.array([0.25, 0.75], "float32")
    patching = RandomPatching(np.array([8, 8]), np.array([0.5, 1]), shares)
    config = json.loads(json.dumps(patching.get_config()))
    assert config["probabilities"] == [0.25, 0.75]
    assert RandomPatching.from_config(config).get_config() == patching.get_config()


@pytest.mark.parametrize(
    "layer",
    [
        layers.DepthToSpace(2),
        layers.SpaceToDepth(2),
        layers.UpsamplingConvolution2D(2),
        layers.LinearAttention(1, 2),
        layers.GroupNormalization2D(2),
        layers.SelfAttention2D(1, 2),
    ],
    ids=lambda layer: layer.name,
)
@pytest.mark.parametrize("shape", [(4, 4), (2, 4, 4), (1, 2, 4, 4, 4)])
def test_layers_of_maps_refuse_another_rank(layer, shape):
    with pytest.raises(ValueError, match=f"expected ndim=4, found ndim={len(shape)}"):
        layer(np.zeros(shape, "float32"))
