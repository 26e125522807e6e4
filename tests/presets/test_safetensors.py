"""Presets whose weights are in the format safetensors."""

import hashlib
import json
import sys

import numpy as np
import pytest
from tiny_models import preset_model

import keras_patchdpm as kp

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def model():
    return preset_model()


def test_safetensors_is_an_extra(model, monkeypatch, tmp_path):
    model.save_to_preset(tmp_path / "preset", format="safetensors")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match=r"keras-patchdpm\[hub\]"):
        kp.PatchDPM.from_preset(tmp_path / "preset")
    with pytest.raises(ImportError, match=r"keras-patchdpm\[hub\]"):
        model.save_to_preset(tmp_path / "other", format="safetensors")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("storage", ["float16", "int8"])
def test_safetensors_has_the_same_arrays(model, tmp_path, storage):
    from safetensors.numpy import load_file

    for format in ("npz", "safetensors"):
        model.save_to_preset(tmp_path / format, storage=storage, format=format)
    found = load_file(next((tmp_path / "safetensors").glob("*.safetensors")))
    with np.load(next((tmp_path / "npz").glob("*.npz"))) as expected:
        assert set(found) == set(expected)
        for name, array in found.items():
            np.testing.assert_array_equal(array, expected[name])
            assert array.dtype == expected[name].dtype
    one, other = (
        kp.PatchDPM.from_preset(tmp_path / format) for format in ("npz", "safetensors")
    )
    for first, second in zip(one.network.weights, other.network.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(first), np.asarray(second))
    model.save_to_preset(tmp_path / "safetensors")
    assert not list((tmp_path / "safetensors").glob("*.safetensors"))


@pytest.mark.parametrize("change", ["cut", "text", "ints", "missing"])
def test_damaged_safetensors_are_refused(model, tmp_path, change):
    from safetensors.numpy import load_file, save_file

    model.save_to_preset(tmp_path, format="safetensors")
    weights = next(tmp_path.glob("*.safetensors"))
    tensors = load_file(weights)
    name = sorted(tensors)[0]
    if change in ("cut", "text"):
        content = weights.read_bytes()
        weights.write_bytes(content[:-9] if change == "cut" else b"text" * 100)
    if change == "ints":
        tensors[name] = tensors[name].astype("int32")
        save_file(tensors, weights)
    if change == "missing":
        del tensors[name]
        save_file(tensors, weights)
    with pytest.raises(ValueError, match="SHA-256"):
        kp.PatchDPM.from_preset(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    (tmp_path / "config.json").write_text(json.dumps(config))
    message = {"ints": "not floats", "missing": f"first is '{name}'"}
    with pytest.raises(ValueError, match=message.get(change, "not a weight file")):
        kp.PatchDPM.from_preset(tmp_path)
