"""A preset is plain data: it round trips, and what is damaged is refused."""

import json

import keras
import numpy as np
import pytest

import keras_patchdpm as kp
from keras_patchdpm.models import presets

CONFIG = {
    "network": {
        "name": "unet",
        "image_size": 8,
        "width": 8,
        "multipliers": [1],
        "blocks_per_level": 1,
        "attention_levels": [],
    },
    "schedule": {"name": "DDPMSchedule", "prediction": "velocity"},
    "patching": {"name": "GridPatching", "divisions": 2},
}


@pytest.fixture
def network(rng):
    network = presets.parts(CONFIG)["network"]
    for weight in network.weights:
        weight.assign(rng.normal(size=weight.shape))
    return network


@pytest.fixture
def folder(network, tmp_path):
    presets.save(tmp_path / "mine", CONFIG, network, "Checksum {sha256}.")
    return tmp_path / "mine"


def test_round_trip_in_half_precision(network, folder):
    model = kp.PatchDPM.from_preset(folder)
    for kept, found in zip(network.weights, model.network.weights, strict=True):
        kept, found = np.asarray(kept), np.asarray(found)
        assert found.dtype == "float32"
        np.testing.assert_array_equal(found, kept.astype("float16"))
    assert model.schedule.prediction == "velocity"
    assert model.patching.grid.divisions == (2, 2)


def test_weights_to_be_read_are_not_drawn_before(folder, monkeypatch):
    initializer = keras.initializers.GlorotUniform
    draw = initializer.__call__
    monkeypatch.setattr(initializer, "__call__", lambda *_, **__: pytest.fail("drawn"))
    network = kp.PatchDPM.from_preset(folder).network
    assert isinstance(network.get_layer("first").kernel_initializer, initializer)
    monkeypatch.setattr(initializer, "__call__", draw)
    layer = keras.layers.Dense(4)
    layer.build((None, 4))
    assert np.ptp(keras.ops.convert_to_numpy(layer.kernel)) > 0


def test_card_names_the_checksum(folder):
    checksum = json.loads((folder / "config.json").read_text())["sha256"]
    assert (folder / "card.md").read_text() == f"Checksum {checksum}."


def test_no_temporary_file_is_left(folder):
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["card.md", "config.json", "weights.npz"]


def test_unknown_preset_lists_those_there_are():
    with pytest.raises(ValueError, match=r"faces64_n2.*preset='faces1024'"):
        kp.PatchDPM.from_preset("faces1024")


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b"foreign" + b[7:]])
def test_damaged_weights_are_refused(folder, damage):
    weights = folder / "weights.npz"
    weights.write_bytes(damage(weights.read_bytes()))
    with pytest.raises(ValueError, match="damaged.*SHA-256"):
        kp.PatchDPM.from_preset(folder)


def test_weights_of_another_configuration_are_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    config["network"]["width"] = 16
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        ValueError, match=r"another configuration.*'down0_block0_conv1/bias'"
    ):
        kp.PatchDPM.from_preset(folder)


def test_foreign_builders_are_refused():
    config = {**CONFIG, "network": {"name": "os.system"}}
    with pytest.raises(ValueError, match=r"one of 'unet'.*os\.system"):
        presets.parts(config)
