"""The Python blocks of README.md and docs/*.md."""

import ast
import pkgutil
import re

import documented
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


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """The folders of images and weights that the blocks read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    documented.write_folders(tmp_path)


@pytest.mark.parametrize(
    "path", list(filter(blocks, PAGES)), ids=lambda path: path.stem
)
def test_the_blocks_of_a_page_run(path, folders):
    names = documented.names()
    for source in blocks(path):
        exec(documented.at_small_size(source), names)  # noqa: S102 (our own pages)


def test_files_are_included_by_their_mark():
    """ruff formats Python blocks, and would turn the mark into a comparison."""
    included = []
    for path in PAGES:
        lines = [line for line in path.read_text().splitlines() if "--8" in line]
        for line in lines:
            (file,) = re.findall(r'^--8<-- "([^":]+)[\d:]*"$', line)
            included.append(file)
    assert all((ROOT / file).is_file() for file in included) and len(included) > 8


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
