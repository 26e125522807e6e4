"""Training by the clock: on record, resumable, and never mixed up."""

import csv
import dataclasses
import json
import re

import filelock
import numpy as np
import pytest
from tiny_models import PRESET

import keras_patchdpm as kp
from keras_patchdpm.training import TrainingSettings, _run, train

OF_CROPS = {
    "network": PRESET["network"],
    "schedule": {"name": "EDMSchedule"},
    "patching": {"name": "RandomPatching", "image_size": 8, "content": True},
}
SETTINGS = TrainingSettings(batch_size=4, steps_per_epoch=3, precision="float32")


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (16, 8, 8, 3), dtype="uint8")


def run(images, folder, settings=SETTINGS):
    return train(PRESET, images, folder, minutes=0, settings=settings)


def curve(folder):
    with open(folder / "curve.csv") as file:
        return [(int(row["epoch"]), float(row["loss"])) for row in csv.DictReader(file)]


def test_the_preset_has_the_trained_weights(images, tmp_path):
    model = run(images, tmp_path)
    loaded = kp.PatchDPM.from_preset(tmp_path / "preset")
    for trained, found in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_allclose(np.asarray(found), np.asarray(trained), atol=2e-3)
    config = json.loads((tmp_path / "preset" / "config.json").read_text())
    assert config["training"]["patches_seen"] == 4


@pytest.mark.once
def test_a_second_run_goes_on(images, tmp_path):
    run(images, tmp_path)
    run(images, tmp_path)
    assert [epoch for epoch, _ in curve(tmp_path)] == [0, 1]
    config = json.loads((tmp_path / "preset" / "config.json").read_text())
    assert config["training"]["patches_seen"] == 2 * 4


@pytest.mark.once
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
    assert config["training"]["patches_seen"] == 2 * 4


@pytest.mark.once
def test_a_preset_of_another_network_is_refused_by_name(images, tmp_path):
    other = dataclasses.replace(SETTINGS, start_from="faces64_n2")
    with pytest.raises(ValueError, match="has another network") as error:
        config = {**PRESET, "schedule": {**PRESET["schedule"], "loss": "l2"}}
        train(config, images, tmp_path / "run", epochs=1, settings=other)
    for line in (
        "network.image_size: the preset has 64, this call has 8",
        "network.stem: the preset has 2, this call has 1",
        "`start_from` out",
    ):
        assert line in str(error.value)
    assert "loss" not in str(error.value)  # The preset has it by default.
    assert not (tmp_path / "run").exists()


@pytest.mark.once
def test_a_preset_of_other_settings_is_named(images, tmp_path):
    run(images, tmp_path / "first")
    start = dataclasses.replace(SETTINGS, start_from=tmp_path / "first" / "preset")
    schedule = {"name": "DDPMSchedule", "prediction": "noise"}
    with pytest.warns(UserWarning, match="prediction: the preset has 'velocity'"):
        config = {**PRESET, "schedule": schedule}
        train(config, images, tmp_path / "second", minutes=0, settings=start)


@pytest.mark.once
def test_epochs_count_over_all_runs(images, tmp_path):
    for epochs, expected in ((2, [0, 1]), (3, [0, 1, 2])):
        train(PRESET, images, tmp_path, epochs=epochs, settings=SETTINGS)
        assert [epoch for epoch, _ in curve(tmp_path)] == expected


@pytest.mark.once
def test_the_time_limit_is_checked_after_each_step(images, tmp_path):
    long = dataclasses.replace(SETTINGS, steps_per_epoch=10**6)
    model = train(PRESET, images, tmp_path, minutes=0, settings=long)
    assert int(model.optimizer.iterations) == 1


def test_an_early_state_is_kept(images, tmp_path):
    """It is that of the second of sixteen steps, and disturbs nothing."""
    settings = dataclasses.replace(SETTINGS, learning_rate=0.1, warmup_steps=0)
    settings = dataclasses.replace(settings, steps_per_epoch=16)
    model = train(PRESET, images, tmp_path / "a", epochs=1, settings=settings)
    config = json.loads((tmp_path / "a" / "early" / "config.json").read_text())
    assert config["training"]["patches_seen"] == 2 * 4
    early = kp.PatchDPM.from_preset(tmp_path / "a" / "early")
    assert np.abs(early.get_weights()[0] - model.get_weights()[0]).max() > 1e-3
    (tmp_path / "b" / "early").mkdir(parents=True)  # Another one is not written.
    other = train(PRESET, images, tmp_path / "b", epochs=1, settings=settings)
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.once
def test_a_line_says_how_far_it_is(images, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(_run, "SECONDS", 0)
    train(PRESET, images, tmp_path, epochs=1, minutes=60, settings=SETTINGS)
    line = r"step (\d), loss \d\S+, \d\S+ steps a second, \d+% of the training\n"
    assert re.findall(line, capsys.readouterr().out) == ["1", "2", "3"]


@pytest.mark.once
def test_other_settings_are_refused_by_name(images, tmp_path):
    run(images, tmp_path)
    before = (tmp_path / "settings.json").read_text()
    other = dataclasses.replace(SETTINGS, batch_size=8)
    with pytest.raises(ValueError, match="batch_size: the folder has 4, the call 8"):
        run(images, tmp_path, other)
    assert (tmp_path / "settings.json").read_text() == before


@pytest.mark.once
@pytest.mark.parametrize("change", ["a pixel", "another image", "floats"])
def test_other_images_are_refused(change, images, tmp_path):
    run(images, tmp_path)
    if change == "a pixel":
        images[-1, -1, -1, -1] ^= 1
    elif change == "another image":
        images = np.concatenate([images, images[:1]])
    else:
        images = images / np.float32(127.5) - 1
    with pytest.raises(ValueError, match="images.sha256: the folder has"):
        run(images, tmp_path)


def small(**options):
    return {**PRESET, "network": {**PRESET["network"], **options}}


WRONG = {
    "no images": ({"images": np.zeros((0, 8, 8, 3), "uint8")}, "`images` must contain"),
    "ragged images": ({"images": [[1], [2, 3]]}, "`images` must be an array"),
    "few images": (
        {"settings": dataclasses.replace(SETTINGS, batch_size=17)},
        r"16 images, fewer than `batch_size=17`. Use .* at most 16 \(`--batch-size`\)",
    ),
    "large images": (
        {"images": np.zeros((4, 9, 8, 3), "uint8")},
        r"shape \(8, 8, 3\).*shape \(9, 8, 3\)",
    ),
    "grey images": ({"images": np.zeros((4, 8, 8), "uint8")}, "`images` must have"),
    "no end": ({"epochs": None}, "Pass `minutes`, `epochs` or both"),
    "no epochs": ({"epochs": 0}, "`epochs` must be at least 1"),
    "minutes": ({"minutes": -1}, "`minutes` must be at least 0"),
    "NaN minutes": ({"minutes": float("nan")}, "`minutes` must be at least 0"),
    "width": ({"config": small(width=7)}, "7"),
    "divisions": (
        {"config": {**PRESET, "patching": {"name": "GridPatching", "divisions": 3}}},
        "3",
    ),
    "prediction": (
        {"config": {**PRESET, "schedule": {"name": "DDPMSchedule", "prediction": "v"}}},
        "`prediction` must be one of",
    ),
    "half a config": ({"config": {"network": {}}}, "`config` must be a dict with"),
    "no name": ({"config": {**PRESET, "network": {}}}, "`network` in `config`"),
    "code in it": ({"config": small(a=object())}, "`config` may contain"),
    "a dict of settings": ({"settings": {"batch_size": 4}}, "`TrainingSettings`"),
    "no preset": (
        {"settings": dataclasses.replace(SETTINGS, start_from="nowhere")},
        "no preset",
    ),
}


@pytest.mark.once
@pytest.mark.parametrize(("wrong", "message"), WRONG.values(), ids=WRONG)
def test_a_first_try_that_fails_leaves_nothing(wrong, message, images, tmp_path):
    right = {"config": PRESET, "images": images, "settings": SETTINGS, "epochs": 1}
    folder = tmp_path / "a" / "run"
    with pytest.raises((TypeError, ValueError), match=message):
        train(folder=folder, **{**right, **wrong})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.once
@pytest.mark.parametrize("name", ["", "sub", "backup", "early", "preset"])
def test_a_file_in_a_folders_place_is_refused(name, images, tmp_path):
    folder = tmp_path / "run"
    if name in ("backup", "early", "preset"):
        folder.mkdir()
        (folder / name).touch()
    else:
        folder.touch()
    given = folder / "sub" if name == "sub" else folder
    with pytest.raises(ValueError, match="must be a folder, and .* is a file"):
        run(images, given)


@pytest.mark.once
def test_what_failed_tries_left_is_replaced(images, tmp_path):
    """Older versions wrote `settings.json` before anything was checked."""
    (tmp_path / "settings.json").write_text('{"training": {"batch_size": 64}}')
    (tmp_path / "curve.csv").write_text("epoch,loss\n0,")
    run(images, tmp_path)
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert settings["training"]["batch_size"] == 4
    assert settings["images"]["shape"] == [16, 8, 8, 3]
    assert [epoch for epoch, _ in curve(tmp_path)] == [0]


def content(folder):
    """All files but those of backups, and the preset's weights as arrays."""
    files = [p for p in folder.rglob("*") if p.is_file() and p.suffix != ".npz"]
    texts = {p.name: p.read_bytes() for p in files if "backup" not in p.parts}
    (weights,) = (folder / "preset").glob("weights-*.npz")
    with np.load(weights) as arrays:
        return texts, {name: arrays[name].tolist() for name in arrays.files}


@pytest.mark.once
def test_a_finished_training_stays_as_it_is(images, tmp_path):
    train(PRESET, images, tmp_path, epochs=2, settings=SETTINGS)
    before = content(tmp_path)
    # Killed between the last backup and the end.
    (tmp_path / "curve.csv").unlink()
    (tmp_path / "settings.json").write_text("{")
    (tmp_path / ".1-0123abcd.part").touch()
    train(PRESET, images, tmp_path, epochs=2, settings=SETTINGS)
    assert content(tmp_path) == before


@pytest.mark.once
def test_an_interrupted_training_lets_others_in(images, tmp_path, monkeypatch):
    def interrupt(self, epoch, logs=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(_run.Progress, "on_epoch_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(images, tmp_path)
    monkeypatch.undo()
    for folder in (tmp_path, tmp_path / "backup"):
        with filelock.FileLock(folder / ".lock", timeout=0):
            pass
    run(images, tmp_path)
    assert [epoch for epoch, _ in curve(tmp_path)] == [0, 1]


@pytest.mark.once
def test_a_second_training_in_a_folder_is_refused(images, tmp_path):
    with filelock.FileLock(tmp_path / ".lock"):
        with pytest.raises(BlockingIOError, match="Another process is training in"):
            run(images, tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / ".lock"]


@pytest.mark.once
def test_the_dtype_policy_is_put_back(images, tmp_path):
    import keras

    mixed = TrainingSettings(batch_size=4, steps_per_epoch=1)
    model = run(images, tmp_path, mixed)
    assert model.dtype_policy.name == "mixed_bfloat16"
    assert keras.mixed_precision.dtype_policy().name == "float32"


@pytest.mark.once
def test_a_training_on_crops_goes_on_as_if_unbroken(images, tmp_path):
    settings = dataclasses.replace(SETTINGS, cooldown=0)  # It is at the end of a call.
    for number in (1, 2):
        stopped = train(
            OF_CROPS, images, tmp_path / "a", epochs=number, settings=settings
        )
    unbroken = train(OF_CROPS, images, tmp_path / "b", epochs=2, settings=settings)
    for one, other in zip(stopped.weights, unbroken.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    samples = kp.sample(n=4, steps=2, preset=tmp_path / "a" / "preset")
    assert samples.shape == (2, 8, 8, 3)
    config = json.loads((tmp_path / "a" / "preset" / "config.json").read_text())
    assert config["training"]["patches_seen"] == round(2 * 3 * 4 * 1.9)
