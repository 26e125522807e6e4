"""Networks whose weights are read afterwards are built without random numbers."""

import threading

import keras
import numpy as np
import pytest
from keras import ops
from tiny_models import PRESET

import keras_patchdpm as kp
from keras_patchdpm import presets
from keras_patchdpm.presets._blank_weights import blank_weights

NETWORK = {**PRESET["network"], "attention_depths": [0], "num_classes": 2}
GRID = {**PRESET, "network": NETWORK}
CASCADE = {**GRID, "patching": {"name": "CascadePatching", "divisions": 2}}
AUTHORS = {
    **GRID,
    "network": {
        "name": "arakawa_unet",
        "image_size": 8,
        "dim": 8,
        "multipliers": [1, 2],
        "num_classes": 2,
    },
}
RANDOM = ("GlorotUniform", "RandomUniform", "RandomNormal")


def spread(variable):
    return np.ptp(ops.convert_to_numpy(variable))


@pytest.mark.parametrize("config", [GRID, CASCADE, AUTHORS])
def test_nothing_is_drawn(config, monkeypatch):
    for name in RANDOM:
        initializer = getattr(keras.initializers, name)
        monkeypatch.setattr(initializer, "__call__", lambda *_, **__: pytest.fail())
    with blank_weights():
        network = presets.parts(config)["network"]
    assert not any(spread(weight) for weight in network.weights)


@pytest.mark.parametrize("config", [GRID, CASCADE, AUTHORS])
def test_a_copy_of_such_a_network_starts_from_random_weights(config):
    expected = presets.parts(config)["network"]
    with blank_weights():
        network = presets.parts(config)["network"]
    assert network.to_json() == expected.to_json()
    copy = keras.models.clone_model(network)
    for one, other in zip(copy.weights, expected.weights, strict=True):
        assert (spread(one) > 0) == (spread(other) > 0)


def test_layers_built_afterwards_are_random():
    with pytest.raises(RuntimeError), blank_weights():
        raise RuntimeError
    layer = keras.layers.Dense(4)
    layer.build((None, 4))
    assert spread(layer.kernel) > 0


@pytest.mark.once
def test_layers_of_other_threads_are_random(tmp_path):
    network = presets.parts(GRID)["network"]
    presets.save(tmp_path, GRID, network, card="Card.")
    errors, spreads, done = [], [], threading.Event()

    def load():
        try:
            for _ in range(3):
                kp.PatchDPM.from_preset(tmp_path)
        except Exception as error:
            errors.append(error)

    def build():
        while not done.is_set():
            layer = keras.layers.Dense(4)
            layer.build((None, 4))
            spreads.append(spread(layer.kernel))

    loading = [threading.Thread(target=load) for _ in range(4)]
    building = threading.Thread(target=build)
    for thread in (building, *loading):
        thread.start()
    for thread in loading:
        thread.join()
    done.set()
    building.join()
    assert errors == []
    assert len(spreads) > 10 and min(spreads) > 0
    layer = keras.layers.Dense(4)
    layer.build((None, 4))
    assert spread(layer.kernel) > 0
