"""The tutorials, and the notebooks that `make notebooks` writes from them."""

import importlib.util
import json
import os
import re
import subprocess
import sys

import pytest
from fresh_python import ROOT

import keras_patchdpm as kp

pytestmark = pytest.mark.once

TUTORIALS = sorted((ROOT / "tutorials").glob("*.py"))
of_each_tutorial = pytest.mark.parametrize(
    "path", TUTORIALS, ids=lambda path: path.stem
)


def read_notebook(path):
    """The notebook of a tutorial, as a dict."""
    return json.loads((ROOT / "notebooks" / f"{path.stem}.ipynb").read_text())


def load(path):
    """The module in a file that is not part of a package."""
    spec = importlib.util.spec_from_file_location(path.stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@of_each_tutorial
def test_a_notebook_has_the_cells_of_its_tutorial(path):
    """`make notebooks` writes it; only the tutorials are edited.

    A figure's text is `# %% alt="..."`, of which Jupyter makes metadata.
    """
    import jupytext

    cells = [
        (cell["cell_type"], "".join(cell["source"]), cell["metadata"])
        for cell in read_notebook(path)["cells"]
    ]
    tutorial = jupytext.read(path)
    assert cells == [
        (cell.cell_type, cell.source, cell.metadata) for cell in tutorial.cells
    ]


def test_every_notebook_has_a_tutorial():
    notebooks = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert notebooks == {path.stem for path in TUTORIALS}


def check_run(facts):
    """Fails if the outputs are of a run for testing, or of another version."""
    assert facts["fast"] is False, "a run with PATCHDPM_FAST=1: run `make notebooks`"
    assert facts["version"].split(".")[:2] == kp.__version__.split(".")[:2]
    assert facts["backend"] in ("tensorflow", "jax", "torch")
    assert facts["seconds"] > 0


@of_each_tutorial
def test_a_notebook_is_of_a_full_run_of_this_version(path):
    check_run(read_notebook(path)["metadata"]["keras_patchdpm"])


NUMBERS = "no one two three four five six seven eight nine ten".split()


@of_each_tutorial
def test_a_tutorial_states_its_time(path):
    notebook = read_notebook(path)
    text = " ".join("".join(notebook["cells"][0]["source"]).split())
    (minutes,) = re.findall(r"takes under (\w+) minutes? on two cores", text)
    seconds = notebook["metadata"]["keras_patchdpm"]["seconds"]
    assert seconds <= 60 * NUMBERS.index(minutes)


@pytest.mark.slow
def test_a_notebook_states_what_ran(tmp_path, monkeypatch):
    maker = load(ROOT / ".ci" / "make_notebook.py")
    monkeypatch.setattr(maker, "ROOT", tmp_path)
    monkeypatch.setenv("PATCHDPM_FAST", "1")
    tutorial = tmp_path / "small.py"
    tutorial.write_text("# %% [markdown]\n# # Small\n\n# %%\nprint(1 + 1)\n")
    maker.make(tutorial)
    notebook = json.loads((tmp_path / "notebooks" / "small.ipynb").read_text())
    facts = notebook["metadata"]["keras_patchdpm"]
    assert {**facts, "seconds": None} == {
        "version": kp.__version__,
        "fast": True,
        "seconds": None,
        "backend": "torch",
    }
    assert len(notebook["cells"]) == 2
    assert notebook["cells"][1]["outputs"][0]["text"] == ["2\n"]
    import nbformat

    nbformat.validate(nbformat.from_dict(notebook))
    with pytest.raises(AssertionError, match="a run with PATCHDPM_FAST=1"):
        check_run(facts)


@pytest.mark.parametrize("version", ["0.0.9", "1.1.0"])
def test_a_notebook_of_another_version_is_refused(version):
    facts = {"fast": False, "version": version, "backend": "jax", "seconds": 1}
    check_run({**facts, "version": kp.__version__})
    with pytest.raises(AssertionError):
        check_run(facts)


def test_links_of_notebooks_lead_somewhere():
    """In the repository; MkDocs checks those of the site."""
    count = 0
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        texts = ["".join(cell["source"]) for cell in cells]
        for link in re.findall(r"\]\(([^)#]+)", "\n".join(texts)):
            if link.endswith((".md", ".ipynb")):
                assert (path.parent / link).is_file(), f"{path.name} links to {link}"
                count += 1
    assert count >= 6


def colab_cell(path):
    """The source of the cell for Google Colab: the second one, after the title."""
    import jupytext

    title, cell = jupytext.read(path).cells[:2]
    assert title.cell_type == "markdown" and cell.metadata == {"tags": ["colab"]}
    return cell.source


@of_each_tutorial
def test_a_tutorial_has_the_cell_for_colab(path):
    assert colab_cell(path) == colab_cell(TUTORIALS[0])


@pytest.fixture
def commands(monkeypatch):
    """The commands and the folder of a run of the cell, which are not executed."""
    calls = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: calls.append(command))
    monkeypatch.setattr(os, "chdir", calls.append)
    return calls


def test_the_cell_for_colab_does_nothing_elsewhere(commands, capsys):
    names = {}
    exec(colab_cell(TUTORIALS[0]), names)  # noqa: S102 (our own tutorial)
    assert commands == [] and capsys.readouterr() == ("", "")
    assert names.keys() == {"__builtins__", "importlib", "REPOSITORY"}


def test_the_cell_for_colab_does_nothing_without_the_package_google(
    commands, monkeypatch
):
    """`find_spec("google.colab")` alone raises an error there."""

    def find_spec(name):
        assert name == "google"

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    exec(colab_cell(TUTORIALS[0]), {})  # noqa: S102
    assert commands == []


def test_the_cell_for_colab_installs_the_package(commands, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    source, folder = colab_cell(TUTORIALS[0]), "/content/keras_patchdpm"
    with pytest.raises(ValueError, match="Set `REPOSITORY` to the address"):
        exec(source, {})  # noqa: S102
    address = "https://example.org/patchdpm.git"
    exec(source.replace('REPOSITORY = ""', f"REPOSITORY = {address!r}"), {})  # noqa: S102
    assert commands == [
        ["git", "clone", "--depth=1", address, folder],
        [sys.executable, "-m", "pip", "install", "-q", folder],
        folder,
    ]


def test_the_site_leaves_the_cell_for_colab_out():
    hook = load(ROOT / "docs" / "hooks" / "notebooks.py")
    notebook = read_notebook(ROOT / "tutorials" / "sample_in_five_lines.py")
    page, figures = hook.page_of(notebook, "sample_in_five_lines")
    assert "google.colab" not in page and "import keras_patchdpm as kp" in page
    assert len(figures) >= 4
