"""Presets from strangers, and presets whose writing was stopped."""

import hashlib
import io
import json
import os
import pathlib
import threading
import zipfile

import numpy as np
import pytest
from tiny_models import PRESET

import keras_patchdpm as kp
from keras_patchdpm import _files, presets

pytestmark = pytest.mark.once


def random_network(seed):
    rng = np.random.default_rng(seed)
    network = presets.parts(PRESET)["network"]
    for weight in network.weights:
        weight.assign(rng.normal(size=weight.shape).astype("float16"))
    return network


@pytest.fixture(scope="module")
def network():
    return random_network(0)


@pytest.fixture(scope="module")
def other():
    return random_network(1)


@pytest.fixture
def folder(network, tmp_path):
    presets.save(tmp_path, PRESET, network, card="Card.")
    return tmp_path


def config_of(folder):
    return json.loads((folder / "config.json").read_text())


def weights_of(folder):
    return folder / config_of(folder)["weights"]


def with_weights(folder, content):
    """Other bytes of weights, with the checksum that they have."""
    weights_of(folder).write_bytes(content)
    config = {**config_of(folder), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "config.json").write_text(json.dumps(config))


def refused(folder, match=".", file=""):
    with pytest.raises((TypeError, ValueError), match=match) as caught:
        kp.PatchDPM.from_preset(folder)
    assert str(folder / file) in str(caught.value)


def loads_as(network, folder):
    found = kp.PatchDPM.from_preset(folder).network
    for one, other in zip(network.weights, found.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


NETWORK = [
    ("image_size", value)
    for value in (0, -8, 8.5, "8", True, None, [8, 8, 8], 10**9, 9, {}, [8, 10**7])
]
NETWORK += [
    ("width", value) for value in (10**9, 10**400, 8192, 16, 7, "8", 8.0, False, -8)
]
NETWORK += [
    ("blocks_per_depth", value) for value in (10**7, 64, 2, 0, "1", True, None, 1.0)
]
NETWORK += [
    ("multipliers", value)
    for value in ([], 1, [1] * 10**5, [0], ["1"], [1, 1], [64], [[1]], "1", [10**9])
]
NETWORK += [
    ("attention_depths", value) for value in ([0], [1], [-1], "0", [0.0], [0] * 70)
]
NETWORK += [
    ("stem", 2),
    ("stem", 10**6),
    ("dropout", 1),
    ("dropout", "0"),
    ("channels", 4),
    ("channels", 10**6),
    ("num_classes", 10**9),
    ("num_classes", 3),
    ("num_classes", 0),
    ("patching", "GridPatching"),
    ("schedule", None),
    ("kernel", 3),
    ("name", "Lambda"),
    ("name", None),
    ("name", ["unet"]),
    ("name", {}),
]
SCHEDULE = [
    ("num_timesteps", 10**12),
    ("num_timesteps", 0),
    ("num_timesteps", "1000"),
    ("beta_schedule", "steep"),
    ("beta_schedule", []),
    ("loss", 2),
    ("prediction", {}),
    ("min_snr_gamma", "5"),
    ("min_snr_gamma", True),
    ("alphas", [1]),
]
PATCHING = [
    ("divisions", 0),
    ("divisions", 10**9),
    ("divisions", [2, 2, 2]),
    ("divisions", "2"),
    ("divisions", 4),
    ("moving", "false"),
    ("moving", 0),
    ("content", "no"),
    ("content", False),
    ("halo", 10**7),
    ("halo", -1),
    ("position", "here"),
    ("patches_per_image", 99),
    ("name", "WholeImage"),
    ("name", "OverlapPatching"),
]
LEGAL = [  # With the same weights.
    ("network", "image_size", 16),
    ("network", "dropout", 0.5),
    ("schedule", "num_timesteps", 500),
    ("patching", "divisions", [2, 2]),
]
MUTATIONS = [
    (part, key, value)
    for part, pairs in (
        ("network", NETWORK),
        ("schedule", SCHEDULE),
        ("patching", PATCHING),
    )
    for key, value in pairs
]


def test_a_configuration_that_was_changed_is_refused(folder):
    """Each is refused, with the file's name, before anything large is allocated."""
    before, failed = config_of(folder), []
    for part, key, value in MUTATIONS:
        changed = {**before, part: {**before[part], key: value}}
        (folder / "config.json").write_text(json.dumps(changed))
        try:
            refused(folder)
        except BaseException as error:
            failed.append((part, key, f"{value!r:.60}", repr(error)))
    assert failed == []


def test_a_configuration_with_the_same_weights_is_accepted(folder, network):
    before = config_of(folder)
    for part, key, value in LEGAL:
        changed = {**before, part: {**before[part], key: value}}
        (folder / "config.json").write_text(json.dumps(changed))
        loads_as(network, folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe\x00",
        b"[" * 10**5,
        b'{"network": ' + b" " * 2**21,
        b"9" * 5000,
    ],
    ids=["empty", "cut", "list", "null", "binary", "deep", "huge", "digits"],
)
def test_what_is_no_configuration_is_refused(folder, content):
    (folder / "config.json").write_bytes(content)
    refused(folder, "is not the configuration of a preset", "config.json")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("network", None),
        ("network", "unet"),
        ("schedule", []),
        ("patching", {}),
        ("training", 3),
        ("latents", "false"),
        ("latents", None),
        ("label_dropout", 2),
        ("label_dropout", "0"),
        ("licence", 3),
        ("sha256", None),
        ("sha256", "0" * 63),
        ("weights", "../weights.npz"),
        ("weights", "/etc/hostname"),
        ("weights", "folder/weights.npz"),
        ("weights", "weights.h5"),
        ("weights", None),
        ("weights", "other.npz"),
        ("code", "import os"),
    ],
)
def test_other_keys_are_checked(folder, key, value):
    config = {**config_of(folder), key: value}
    (folder / "config.json").write_text(json.dumps(config))
    refused(folder, f"{key}|other.npz")


def test_the_patches_a_training_has_seen_are_counted(folder):
    config = {**config_of(folder), "training": {"patches_seen": "many"}}
    (folder / "config.json").write_text(json.dumps(config))
    refused(folder, "`patches_seen` must be an int", "config.json")


@pytest.mark.parametrize("key", ["network", "schedule", "patching", "sha256"])
def test_missing_keys_are_named(folder, key):
    config = config_of(folder)
    del config[key]
    (folder / "config.json").write_text(json.dumps(config))
    refused(folder, key, "config.json")


def test_the_size_of_the_images_is_needed(folder):
    config = config_of(folder)
    del config["network"]["image_size"]
    (folder / "config.json").write_text(json.dumps(config))
    refused(folder, "`image_size`", "config.json")
    with pytest.raises(ValueError, match="`image_size`"):
        presets.read_config(folder)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_must_be_finite(folder, number):
    text = (folder / "config.json").read_text()
    text = text.replace('"DDPMSchedule"', f'"EDMSchedule", "sigma_max": {number}')
    (folder / "config.json").write_text(text)
    refused(folder, "Numbers must be finite", "config.json")


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b"foreign" + b[7:]])
def test_damaged_weights_are_refused(folder, damage):
    weights = weights_of(folder)
    weights.write_bytes(damage(weights.read_bytes()))
    refused(folder, "damaged.*SHA-256", weights.name)


def test_weights_of_another_configuration_are_refused(folder):
    config = config_of(folder)
    config["network"]["channels"] = 2
    (folder / "config.json").write_text(json.dumps(config))
    refused(folder, r"not fit the network.*The first is 'first/kernel'")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda array: array + np.nan, "finite in float32"),
        (lambda array: array + np.inf, "finite in float32"),
        (lambda array: np.full(array.shape, 1e300), "finite in float32"),
        (lambda array: array.astype("U8"), "not floats"),
        (lambda array: array.astype("complex64"), "not floats"),
        (lambda array: array > 0, "not floats"),
        (lambda array: array.astype("int32"), "not floats"),
        (lambda array: array.astype("int32").astype("M8[s]"), "not floats"),
        (lambda array: array.astype("float16").view("V2"), "not floats"),
        (lambda array: array.astype(object), "not floats"),
        (lambda array: array[..., :-1], "not fit the network"),
        (lambda array: array[None], "not fit the network"),
    ],
)
def test_weights_that_are_no_finite_floats_are_refused(folder, change, match):
    with np.load(weights_of(folder)) as stored:
        arrays = dict(stored)
    name = sorted(arrays)[0]
    arrays[name] = change(arrays[name].astype("float64"))
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    with_weights(folder, buffer.getvalue())
    refused(folder, match, weights_of(folder).name)


@pytest.mark.parametrize("change", ["missing", "more", "twice"])
def test_other_names_are_refused(folder, change):
    with np.load(weights_of(folder)) as stored:
        arrays = dict(stored)
    if change == "missing":
        arrays.popitem()
    if change == "more":
        arrays["more"] = np.zeros(3, "float16")
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    if change == "twice":
        with zipfile.ZipFile(buffer, "a") as archive:
            name = archive.namelist()[0]
            with pytest.warns(UserWarning, match="Duplicate name"):
                archive.writestr(name, archive.read(name))
    with_weights(folder, buffer.getvalue())
    refused(folder, "not fit the network|occurs twice", weights_of(folder).name)


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"\x93NUMPY", b"PK\x05\x06" + bytes(18)]
)
def test_what_is_no_archive_of_arrays_is_refused(folder, content):
    with_weights(folder, content)
    refused(folder, "is not a weight file", weights_of(folder).name)


def bomb(header, zeros):
    """A small archive of one array, many zeros long."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("first/kernel.npy", "w") as file:
            file.write(header)
            for _ in range(zeros // 2**20):
                file.write(bytes(2**20))
    return buffer.getvalue()


def header(shape):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        lambda: bomb(header((2**23,)), 2**25),
        lambda: bomb(header((10**12, 10**6)), 2**20),
        lambda: bomb(header((-1, 8)), 2**20),
        lambda: bomb(b"\x93NUMPY\x02\x00\xf0\xff\xff\x0f", 2**25),
        lambda: bomb(header((2**60, 2**60)), 0),
    ],
    ids=["many", "more than it holds", "negative", "in the header", "overflow"],
)
def test_small_files_that_would_fill_the_memory_are_refused(
    folder, content, monkeypatch
):
    """Before any array is read."""
    with_weights(folder, content())
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail())
    refused(folder, "not a weight file|not fit the network", weights_of(folder).name)


def test_a_pipe_as_weights_does_not_wait(folder):
    weights = weights_of(folder)
    weights.unlink()
    os.mkfifo(weights)
    refused(folder, "not a regular file", weights.name)
    weights.unlink()
    weights.mkdir()
    refused(folder, "not a regular file", weights.name)


def test_weights_that_are_missing_are_named(folder):
    weights_of(folder).unlink()
    refused(folder, "There is no file .*weights-", weights_of(folder).name)


def test_presets_of_before_have_weights_of_another_name(folder, network):
    config = config_of(folder)
    weights_of(folder).rename(folder / "weights.npz")
    del config["weights"]
    (folder / "config.json").write_text(json.dumps(config))
    loads_as(network, folder)


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_a_preset_whose_writing_is_stopped_loads(
    folder, network, other, monkeypatch, stop
):
    """Stopped before weights, card, configuration, or the removal of what was there."""
    calls, write = [], _files.write

    def stopped(path, content):
        calls.append(path.name)
        if len(calls) == stop:
            raise KeyboardInterrupt
        write(path, content)

    def not_of_weights(path, missing_ok=False):
        if path.name.startswith("weights"):
            raise KeyboardInterrupt

    monkeypatch.setattr(_files, "write", stopped)
    if stop == 4:
        monkeypatch.setattr(pathlib.Path, "unlink", not_of_weights)
    with pytest.raises(KeyboardInterrupt):
        presets.save(folder, PRESET, other, card="Other card.")
    monkeypatch.undo()
    # The configuration is written last.
    loads_as(network if stop < 4 else other, folder)
    presets.save(folder, PRESET, other, card="Other card.")
    loads_as(other, folder)


def test_the_weights_of_the_preset_before_are_removed(folder, other):
    before = weights_of(folder)
    presets.save(folder, PRESET, other, card="Other card.")
    assert not before.exists()
    assert len(list(folder.glob("*.npz"))) == 1


def test_a_preset_can_be_read_while_it_is_written(folder, network, other):
    others = [other, network]
    done = threading.Event()

    def write():
        try:
            for number in range(20):
                presets.save(folder, PRESET, others[number % 2], card="Card.")
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    found = random_network(2)
    while not done.is_set():
        presets.load_weights(found, folder)
    writer.join()
