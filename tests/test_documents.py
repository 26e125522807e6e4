"""The Python blocks of README.md and docs/*.md."""

import ast
import json
import os
import re
import runpy
import types

import keras
import numpy as np
import pytest
from fresh_python import ROOT, run_python

import keras_patchdpm as kp

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
    "epochs=10": "epochs=1, verbose=0",
}


def tiny_unet(*arguments, **options):
    """In the place of `unet`, whose networks take minutes here."""
    tiny = {"width": 4, "multipliers": (1,), "blocks_per_depth": 1}
    return kp.networks.unet(*arguments, **{**options, **tiny, "attention_depths": ()})


def convolution(channels, filters):
    image = keras.Input((SIZE, SIZE, channels))
    return keras.Sequential([image, keras.layers.Conv2D(filters, 1)])


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """The folders of images that the blocks read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for number, image in enumerate(kp.datasets.synthetic_scenes(66, 2 * SIZE)):
        for name in (f"photos/{'ab'[number % 2]}", "img_align_celeba"):
            os.makedirs(name, exist_ok=True)
            kp.save_images(image[None], f"{name}/{number}.bmp")


@pytest.fixture
def names():
    """What the blocks of a page use and do not define."""
    package = types.SimpleNamespace(**vars(kp))
    package.networks = types.SimpleNamespace(unet=tiny_unet)
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
        "evaluate",
        "extending",
        "fit_your_gpu",
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


def linked(path):
    """What the links of a notebook lead to, without those to the web."""
    cells = json.loads(path.read_text())["cells"]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] != "code"]
    links = re.findall(r"\]\(([^)#]+)", "\n".join(texts))
    return [link for link in links if "://" not in link]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tutorials").glob("*.py")), ids=lambda path: path.stem
)
def test_a_notebook_has_the_cells_of_its_tutorial(path):
    """`make notebooks` writes it; only the tutorials are edited."""
    import jupytext

    notebook = ROOT / "notebooks" / f"{path.stem}.ipynb"
    cells = json.loads(notebook.read_text())["cells"]
    found = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    tutorial = jupytext.read(path)
    assert found == [(cell.cell_type, cell.source) for cell in tutorial.cells]


def test_links_of_notebooks_lead_somewhere():
    """In the repository as they stand, on the site as its hook writes them."""
    hook = runpy.run_path(str(ROOT / "docs" / "hooks" / "notebook_links.py"))
    count = 0
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for link in linked(path):
            target = (path.parent / link).resolve()
            assert target.is_file(), f"{path.name} links to {link}"
            page = target.relative_to(ROOT).as_posix().removeprefix("docs/")
            found = hook["site_links"](f'<a href="{link}">')
            # From site/notebooks/, where each page has the name of its source.
            expected = os.path.relpath(page, "notebooks").rpartition(".")[0] + ".html"
            assert found == f'<a href="{expected}">'
            count += 1
    assert count >= 6
