"""Training by the clock: on record, resumable, and never mixed up."""

import csv
import dataclasses
import json

import numpy as np
import pytest

import keras_patchdpm as kp
from keras_patchdpm.training import (
    TrainingSettings,
    ema_momentum,
    images_per_step,
    train,
)

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
OF_CROPS = {
    "network": CONFIG["network"],
    "schedule": {"name": "EDMSchedule"},
    "patching": {"name": "RandomPatching", "image_size": 8, "content": True},
}
SETTINGS = TrainingSettings(batch_size=4, steps_per_epoch=3, precision="float32")


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (16, 8, 8, 3), dtype="uint8")


def run(images, folder, settings=SETTINGS):
    return train(CONFIG, images, folder, minutes=0, settings=settings)


def curve(folder):
    with open(folder / "curve.csv") as file:
        return [(int(row["epoch"]), float(row["loss"])) for row in csv.DictReader(file)]


def test_the_preset_has_the_trained_weights(images, tmp_path):
    model = run(images, tmp_path)
    loaded = kp.PatchDPM.from_preset(tmp_path / "preset")
    for trained, found in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_allclose(np.asarray(found), np.asarray(trained), atol=2e-3)
    config = json.loads((tmp_path / "preset" / "config.json").read_text())
    assert config["training"]["patches_seen"] == 3 * 4


def test_a_second_run_goes_on(images, tmp_path):
    run(images, tmp_path)
    run(images, tmp_path)
    assert [epoch for epoch, _ in curve(tmp_path)] == [0, 1]
    config = json.loads((tmp_path / "preset" / "config.json").read_text())
    assert config["training"]["patches_seen"] == 2 * 3 * 4


def test_a_run_starts_from_a_preset(images, tmp_path):
    before = run(images, tmp_path / "first")
    still = dataclasses.replace(
        SETTINGS, start_from=str(tmp_path / "first" / "preset"), learning_rate=0.0
    )
    after = run(images, tmp_path / "second", still)
    for old, new in zip(before.network.weights, after.network.weights, strict=True):
        kept = np.asarray(old).astype("float16")  # As the preset has it.
        np.testing.assert_allclose(np.asarray(new), kept, atol=1e-6)
    config = json.loads((tmp_path / "second" / "preset" / "config.json").read_text())
    assert config["training"]["patches_seen"] == 2 * 3 * 4


def test_a_preset_of_another_network_is_refused(images, tmp_path):
    other = dataclasses.replace(SETTINGS, start_from="faces64_n2")
    with pytest.raises(ValueError, match="another configuration than the network"):
        run(images, tmp_path, other)


def test_epochs_count_over_all_runs(images, tmp_path):
    for epochs, expected in ((2, [0, 1]), (3, [0, 1, 2])):
        train(CONFIG, images, tmp_path, epochs=epochs, settings=SETTINGS)
        assert [epoch for epoch, _ in curve(tmp_path)] == expected


def test_the_learning_rate_falls(images, tmp_path):
    falling = dataclasses.replace(SETTINGS, learning_rate=0.1, decay_steps=6)
    for epochs in (1, 2):  # A second run goes on where the first stood.
        model = train(CONFIG, images, tmp_path, epochs=epochs, settings=falling)
        rate = float(model.optimizer.learning_rate)
        assert rate == pytest.approx({1: 0.05, 2: 0.0}[epochs], abs=1e-6)


def test_the_learning_rate_rises_first(images, tmp_path):
    rising = dataclasses.replace(SETTINGS, learning_rate=0.1, warmup_steps=6)
    for epochs, expected in ((1, 0.05), (2, 0.1), (3, 0.1)):
        model = train(CONFIG, images, tmp_path, epochs=epochs, settings=rising)
        assert float(model.optimizer.learning_rate) == pytest.approx(expected)


def test_a_training_without_an_end_is_refused(images, tmp_path):
    with pytest.raises(ValueError, match="give `minutes`, `epochs` or both"):
        train(CONFIG, images, tmp_path, settings=SETTINGS)


def test_other_settings_are_refused(images, tmp_path):
    run(images, tmp_path)
    other = TrainingSettings(batch_size=8, steps_per_epoch=3, precision="float32")
    with pytest.raises(ValueError, match=r"another configuration.*'training'"):
        run(images, tmp_path, other)


def test_the_dtype_policy_is_put_back(images, tmp_path):
    import keras

    mixed = TrainingSettings(batch_size=4, steps_per_epoch=1)
    model = run(images, tmp_path, mixed)
    assert model.dtype_policy.name == "mixed_bfloat16"
    assert keras.mixed_precision.dtype_policy().name == "float32"


def test_a_training_on_crops_goes_on_as_if_unbroken(images, tmp_path):
    for number in (1, 2):
        stopped = train(
            OF_CROPS, images, tmp_path / "a", epochs=number, settings=SETTINGS
        )
    unbroken = train(OF_CROPS, images, tmp_path / "b", epochs=2, settings=SETTINGS)
    for one, other in zip(stopped.weights, unbroken.weights, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), atol=1e-5)
    samples = kp.sample(n=4, steps=2, preset=tmp_path / "a" / "preset")
    assert samples.shape == (2, 8, 8, 3)
    config = json.loads((tmp_path / "a" / "preset" / "config.json").read_text())
    assert config["training"]["patches_seen"] == round(2 * 3 * 4 * 1.9)


def test_half_of_an_average_is_forgotten_in_its_half_life():
    patching = kp.RandomPatching(64)
    model = type("Model", (), {"patching": patching})
    seen = images_per_step(model, 256)
    assert seen == pytest.approx(1.9 * 256)
    momentum = ema_momentum(half_life=100 * seen, images_per_step=seen)
    assert momentum**100 == pytest.approx(0.5)
    model.patching = kp.GridPatching(2)
    assert images_per_step(model, 256) == 256
    with pytest.raises(ValueError, match="`half_life` must be at least"):
        ema_momentum(0, 32)
