"""The Python blocks of README.md and docs/*.md."""

import ast
import json
import os
import pkgutil
import re
import types

import keras
import numpy as np
import pytest
from fresh_python import ROOT, run_python

import keras_patchdpm as kp
from keras_patchdpm.networks import diffusers_weights

pytestmark = pytest.mark.once

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(path):
    """The fenced blocks of Python in a page."""
    return re.findall(r"^```python\n(.*?)^```", path.read_text(), re.M | re.S)


def imports(source):
    """The modules that a block imports at its top level, in order."""
    found = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module)
    return found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_package_is_imported_before_keras(path):
    """It picks the backend that is installed; Keras alone asks for TensorFlow."""
    for source in blocks(path):
        names = [name.split(".")[0] for name in imports(source)]
        if "keras" in names:
            assert "keras_patchdpm" in names[: names.index("keras")], source


def test_the_readme_starts_without_tensorflow(tmp_path):
    """Nothing is set, as after an installation with JAX or PyTorch alone."""
    first = blocks(ROOT / "README.md")[0]
    lines = [
        line for line in first.splitlines() if line.startswith(("import ", "from "))
    ]
    hidden = "import sys\nsys.modules['tensorflow'] = None\n"
    script = hidden + "\n".join([*lines, "print(keras.backend.backend())"])
    environment = {"KERAS_BACKEND": None, "KERAS_HOME": str(tmp_path)}
    result = run_python(script, tmp_path, **environment)
    assert result.stdout.strip() in ("jax", "torch"), result.stderr


SIZE = 64
SMALL = {
    "num_images=1000": "num_images=2",
    "range(64, 128)": "range(1, 2)",
    '"8GB"': '"20MB"',
    '"300MB"': '"20MB"',
    "steps=50": "steps=2",
    "steps=20": "steps=2",
    "steps=[20, 10]": "steps=[2, 1]",
    "epochs=10": "epochs=1, verbose=0",
    "hf://google/ddpm-celebahq-256": "theirs",  # No connection in tests.
}
TINY_UNET2D = {
    "block_out_channels": (4,),
    "down_block_types": ("AttnDownBlock2D",),
    "up_block_types": ("AttnUpBlock2D",),
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "attention_head_dim": None,
    "norm_eps": 1e-6,
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
}


def tiny_unet(*arguments, **options):
    """In the place of `unet`, whose networks take minutes here."""
    tiny = {"width": 4, "multipliers": (1,), "blocks_per_depth": 1}
    return kp.networks.unet(*arguments, **{**options, **tiny, "attention_depths": ()})


def tiny_unet2d(*arguments, **options):
    return kp.networks.unet2d(*arguments, **{**options, **TINY_UNET2D})


def write_diffusers(folder):
    """A small network in the files of `diffusers`, and its weights as `.npz`."""
    from safetensors.numpy import save_file

    slots = diffusers_weights.slots(tiny_unet2d(16))
    tensors = {
        name: np.full(slot.shape, 0.1, "float32")
        for slot in slots
        for name in slot.tensors
    }
    network = {"_class_name": "UNet2DModel", "_diffusers_version": "0.0.4"}
    files = {
        "config.json": {**network, "sample_size": 16, **TINY_UNET2D},
        "scheduler_config.json": {"_class_name": "DDPMScheduler"},
    }
    (folder / "theirs").mkdir()
    for name, config in files.items():
        (folder / "theirs" / name).write_text(json.dumps(config))
    save_file(tensors, folder / "theirs" / "diffusion_pytorch_model.safetensors")
    np.savez(folder / "weights.npz", **tensors)


def convolution(channels, filters):
    image = keras.Input((SIZE, SIZE, channels))
    return keras.Sequential([image, keras.layers.Conv2D(filters, 1)])


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """The folders of images and weights that the blocks read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for number, image in enumerate(kp.datasets.synthetic_scenes(66, 2 * SIZE)):
        for name in (f"photos/{'ab'[number % 2]}", "img_align_celeba"):
            os.makedirs(name, exist_ok=True)
            kp.save_images(image[None], f"{name}/{number}.bmp")
    write_diffusers(tmp_path)


@pytest.fixture
def names():
    """What the blocks of a page use and do not define."""
    package = types.SimpleNamespace(**vars(kp))
    package.networks = types.SimpleNamespace(
        **{**vars(kp.networks), "unet": tiny_unet, "unet2d": tiny_unet2d}
    )
    patching = kp.CascadePatching(2)
    network = tiny_unet(16, patching)
    return {
        "kp": package,
        "keras": keras,
        "np": np,
        "images": kp.datasets.synthetic_scenes(4, SIZE),
        "labels": np.arange(4),
        "model": kp.PatchDPM(network, kp.DDPMSchedule(), patching),
        "encoder": convolution(3, 4),
        "decoder": convolution(4, 3),
    }


@pytest.mark.parametrize(
    "page",
    [
        "cutting",
        "data",
        "edge",
        "evaluate",
        "extending",
        "faq",
        "fit_your_gpu",
        "other_weights",
        "patch_diffusion",
        "sampling",
        "several_devices",
    ],
)
def test_the_blocks_of_a_page_run(page, names, folders):
    for source in blocks(ROOT / "docs" / f"{page}.md"):
        for large, small in SMALL.items():
            source = source.replace(large, small)
        exec(source, names)  # noqa: S102 (our own pages)


def test_the_table_of_presets_is_that_of_the_package():
    text = (ROOT / "docs" / "presets.md").read_text()
    for preset in kp.PatchDPM.presets():
        height, width = preset["image_size"]
        divisions = ", ".join(map(str, preset["n"]))
        size = f"{preset['bytes'] / 1e6:.1f} MB"
        cells = [f"`{preset['name']}`", f"{height} x {width}", divisions, size]
        assert f"| {' | '.join([*cells, preset['licence']])} |\n" in text
        assert f'"keras_patchdpm/presets/{preset["name"]}/card.md' in text


def test_the_citation_names_the_version():
    assert f"\nversion: {kp.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_entries_of_the_reference_can_be_imported():
    """The heading of an entry is its path."""
    pages = (ROOT / "docs").rglob("*.md")
    text = "\n".join(page.read_text() for page in pages)
    paths = re.findall(r"^::: (\S+)", text, re.M)
    for path in paths:
        assert pkgutil.resolve_name(path) is not None
    assert len(paths) == len(set(paths)) > 60
