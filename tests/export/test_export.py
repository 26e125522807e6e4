"""Exported folders: their files, their images, and what cannot be exported."""

import importlib.util
import json
import shutil

import keras
import numpy as np
import pytest
from fresh_python import ROOT, run_python
from PIL import Image
from tiny_models import tiny_model

import keras_patchdpm as kp
import keras_patchdpm_edge as edge
from keras_patchdpm.export import _export, _networks, _onnx_weights
from keras_patchdpm.export._inputs import image_inputs, tile_inputs
from keras_patchdpm.patching.tiled_model import as_tiled
from keras_patchdpm_edge.__main__ import main as sample_from_command_line
from keras_patchdpm_edge.folder import NAME
from keras_patchdpm_edge.runtimes import network_call

pytestmark = pytest.mark.once


def wide_cascade():
    """With a guide, random weights, and a kernel that is large enough for int8."""
    patching = kp.CascadePatching(2, sampling_noise=0.05)
    network = kp.networks.unet(
        8,
        patching,
        width=24,
        multipliers=(1,),
        blocks_per_depth=1,
        attention_depths=(),
    )
    model = kp.PatchDPM(network, kp.DDPMSchedule(prediction="velocity"), patching)
    kp.testing.randomise(network, np.random.default_rng(1), scale=0.1)
    guidance = kp.Guidance(tiny_model(kp.CascadePatching(2)), 1.5, stages=[0])
    model.set_sampling(solver="dpmpp_2m", steps=3, guidance=guidance)
    return model


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The folder of an exported cascade with a guide, and the package's images."""
    folder = tmp_path_factory.mktemp("exported") / "new" / "cascade"
    model = wide_cascade()
    kp.export.onnx(model, folder, steps=[3, 2], patches_per_call=2)
    return folder, model.sampler()(2, 5, dtype="float32")


def test_an_exported_cascade_gives_the_images_of_the_package(exported):
    folder, wanted = exported
    found = edge.sample(folder, num_images=2, seed=5, dtype="float32", threads=2)
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    names = {path.name for path in folder.iterdir()}
    assert names == {"network.onnx", "guide.onnx", NAME, "card.md"}
    fewer = edge.sample(folder, n=1, steps=2, num_images=1, seed=5)
    assert fewer.shape == (1, 4, 4, 3) and fewer.dtype == "uint8"


def test_no_line_of_code_of_this_machine_is_in_the_file(exported):
    content = (exported[0] / "network.onnx").read_bytes()
    assert b".py" not in content and str(ROOT).encode() not in content


def test_sampling_imports_neither_keras_nor_the_package(exported, tmp_path):
    script = f"""
        import sys
        for name in ("keras", "keras_patchdpm", "tensorflow", "jax", "torch", "PIL"):
            sys.modules[name] = None
        import numpy, keras_patchdpm_edge
        images = keras_patchdpm_edge.sample({str(exported[0])!r}, seed=5)
        numpy.save("images.npy", images)
    """
    result = run_python(script, tmp_path)
    assert result.returncode == 0, result.stderr
    found = np.load(tmp_path / "images.npy")
    wanted = np.rint((exported[1][:1] + 1) * 127.5)
    assert np.abs(found - wanted).max() <= 1


@pytest.mark.parametrize(
    ("precision", "smaller", "largest"), [("float16", 0.7, 0.01), ("int8", 0.6, 0.1)]
)
def test_weights_in_fewer_bits(precision, smaller, largest, exported, tmp_path):
    path = exported[0] / "network.onnx"
    narrow = tmp_path / path.name
    shutil.copy(path, narrow)
    _onnx_weights.store(narrow, precision)
    assert narrow.stat().st_size < smaller * path.stat().st_size
    rng = np.random.default_rng(0)
    calls = [network_call(one, "onnx") for one in (path, narrow)]
    inputs = {
        name: rng.standard_normal(shape, "float32")
        if len(shape) > 1 or name == "content_noise"
        else np.ones(shape, "int32")
        for name, shape in calls[0].inputs.items()
    }
    wanted, found = (call(inputs) for call in calls)
    assert 1e-5 < np.abs(found - wanted).max() / np.abs(wanted).max() < largest


def test_on_tensorflow_both_formats(tmp_path):
    """In another process, whose Keras has another backend."""
    script = """
        import json, numpy as np
        import keras_patchdpm as kp, keras_patchdpm_edge as edge
        from tiny_models import tiny_model
        model = tiny_model(kp.CascadePatching(2))
        model.set_sampling(solver="heun", steps=3)
        wanted = model.sampler()(1, dtype="float32")
        for name, precision in (
            ("onnx", "float32"), ("litert", "float32"), ("litert", "float16"),
            ("litert", "int8"),
        ):
            write = {"onnx": kp.export.onnx, "litert": kp.export.litert}[name]
            write(model, "folder", precision=precision, patches_per_call=2)
            found = edge.sample("folder", dtype="float32")
            difference = float(np.abs(found - wanted).max())
            print("RESULT", json.dumps([name, precision, difference]))
        try:
            kp.export.onnx(model, "other")
        except RuntimeError as error:
            print(error)
    """
    path = f"{ROOT}:{ROOT / 'tests'}"
    result = run_python(script, tmp_path, KERAS_BACKEND="tensorflow", PYTHONPATH=path)
    lines = [line for line in result.stdout.splitlines() if line.startswith("RESULT")]
    found = [json.loads(line.removeprefix("RESULT ")) for line in lines]
    assert len(found) == 4, result.stderr[-3000:]
    for _, precision, difference in found:
        assert difference < {"float32": 1e-4, "float16": 0.01, "int8": 0.3}[precision]
    assert found[3][2] > 1e-4  # The weights were converted.
    assert "no valid ONNX" in result.stdout and "torch" in result.stdout


@pytest.mark.parametrize(
    ("runtime", "backend", "named"),
    [
        ("onnx", "jax", "tensorflow or torch"),
        ("litert", "jax", "the backend tensorflow."),
        ("litert", "torch", "the backend tensorflow."),
    ],
)
def test_a_backend_that_cannot_export_is_refused(runtime, backend, named, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    with pytest.raises(ValueError, match=named) as caught:
        _networks.check_route(runtime, "float32")
    assert f"Received: backend={backend!r}" in str(caught.value)


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(ImportError, match=r"keras-patchdpm\[export\].*ai_edge_quant"):
        _networks.check_route("litert", "int8")


def test_a_file_that_predicts_other_numbers_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(_networks, "network_call", lambda path, runtime: _Zeros())
    with pytest.raises(RuntimeError, match="predicts other numbers than Keras"):
        kp.export.onnx(tiny_model(), tmp_path, steps=2)
    assert not (tmp_path / NAME).exists()


class _Zeros:
    inputs = ()

    def __call__(self, inputs):
        return np.zeros((1, 4, 4, 3), "float32")


def refused(match, model, **options):
    with pytest.raises((TypeError, ValueError), match=match):
        kp.export.onnx(model, "never", **options)


def test_models_that_cannot_be_exported_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    crops = tiny_model(kp.RandomPatching(8), kp.EDMSchedule())
    refused("one size of patch", crops.tiled(2, whole_above=1.0))
    latents = kp.PatchDPM(
        tiny_model().network, kp.DDPMSchedule(), kp.GridPatching(2), latents=True
    )
    refused("needs a decoder|need a decoder", latents)
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    refused("must be in float32", tiny_model())
    keras.mixed_precision.set_global_policy("float32")
    denoiser = kp.TiledDenoiser(lambda noisy, level: noisy, (8, 8, 3), patch=4)
    tiled = as_tiled(denoiser)
    refused("Only the network of a Keras model", tiled)
    refused("`steps`", tiny_model(), steps=1.5)
    refused("`model` must be", "faces128")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder_for_an_export(tmp_path):
    (tmp_path / "file").touch()
    for write in (kp.export.onnx, kp.export.litert):
        with pytest.raises(ValueError, match="`folder` must be a folder, and .* is a"):
            write(tiny_model(), tmp_path / "file")


def strange(noisy, previous):
    return {"content": noisy[:, :2, :2] ** 2}


def test_an_input_that_cannot_be_described_is_named():
    stage = kp.patching.Stage(kp.patching.Tiling(4, 2), 3, strange)
    with pytest.raises(ValueError, match="`content`.*cannot be exported"):
        image_inputs(stage, [])
    far = kp.patching.Stage(
        kp.patching.Tiling(4, 2), 3, None, lambda index, corners: {"far": index**2}
    )
    with pytest.raises(ValueError, match="`far`.*cannot be exported"):
        tile_inputs(far)


def copied(exported, tmp_path, change=lambda text: text):
    """A copy of an exported folder, with another description."""
    folder = tmp_path / "copy"
    shutil.copytree(exported[0], folder)
    path = folder / NAME
    path.write_text(change(path.read_text()))
    return folder


DAMAGES = {
    "incomplete": (lambda text: text[:-9], "is damaged"),
    "no description": (lambda text: "[]", "is damaged"),
    "another version": (
        lambda text: text.replace('"version": 1', '"version": 99'),
        "Received: keras_patchdpm.export 99",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_description_is_refused(damage, exported, tmp_path):
    change, message = DAMAGES[damage]
    with pytest.raises(ValueError, match=message):
        edge.sample(copied(exported, tmp_path, change))


def test_missing_and_damaged_files_are_refused(exported, tmp_path):
    folder = copied(exported, tmp_path)
    network = folder / "guide.onnx"
    network.write_bytes(network.read_bytes()[:-1])
    with pytest.raises(ValueError, match="guide.onnx is incomplete"):
        edge.sample(folder)
    network.unlink()
    with pytest.raises(ValueError, match="no file .*guide.onnx"):
        edge.sample(folder)
    with pytest.raises(ValueError, match=f"no {NAME} in the folder"):
        edge.sample(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 3}, r"`n` must be one of \[1, 2\].*n=3"),
        ({"n": True}, "n=True"),
        ({"steps": 4}, r"`steps` must be one of \[3, 2\].*steps=4"),
        ({"num_images": 0}, "num_images=0"),
        ({"num_images": 1.0}, "num_images=1.0"),
        ({"seed": -1}, "seed=-1"),
        ({"labels": 1}, "without labels"),
        ({"threads": 0}, "threads=0"),
        ({"dtype": "int8"}, "dtype='int8'"),
        ({"folder": 3}, "folder=3"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message, exported):
    with pytest.raises((TypeError, ValueError), match=message):
        edge.sample(**{"folder": exported[0], **arguments})


def test_the_command_line_of_the_interpreter(exported, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = str(exported[0])
    command = [folder, "--num-images", "2", "--seed", "5", "--out"]
    for name in ("faces.png", "faces.npy"):
        assert sample_from_command_line([*command, name]) == 0
    assert "2 images are in faces.png" in capsys.readouterr().out
    images = np.load("faces.npy")
    assert np.abs(images - np.rint((exported[1] + 1) * 127.5)).max() <= 1
    picture = np.asarray(Image.open("faces.png"))
    np.testing.assert_array_equal(picture, np.concatenate(images, axis=1))
    for wrong, message in (
        ([folder, "--n", "3"], "`n` must be one of"),
        ([folder, "--out", "faces.gif"], ".png or .npy"),
        ([folder, "--out", "none/faces.png"], "no folder"),
        (["nowhere"], NAME),
    ):
        assert sample_from_command_line(wrong) == 2
        assert message in capsys.readouterr().err


def test_the_card_and_the_licence_are_kept(tmp_path):
    model = kp.PatchDPM.from_preset("faces128")
    assert "non-commercial" in model.provenance.licence
    cards = _export._cards(model, None)
    assert set(cards) == {"card.md", "guide_card.md"}
    assert "CelebA" in cards["card.md"] and "guide" in cards["guide_card.md"]
    assert _export._cards(model, "My card")["card.md"] == "My card"
