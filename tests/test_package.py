"""What is shipped: names, version, data, commands, licence."""

import importlib.metadata
import runpy
import sys
import tomllib

import pytest
from fresh_python import ROOT

import keras_patchdpm

pytestmark = pytest.mark.once

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_public_names_exist_and_are_sorted():
    names = keras_patchdpm.__all__
    assert [name for name in names if not hasattr(keras_patchdpm, name)] == []
    assert list(names) == sorted(set(names))


def test_dir_lists_the_public_names_alone():
    assert set(dir(keras_patchdpm)) == {*keras_patchdpm.__all__, "__version__"}


def test_type_checkers_may_read_the_package():
    assert (ROOT / "keras_patchdpm" / "py.typed").exists()


def test_the_source_distribution_has_what_the_tests_need():
    text = (ROOT / "MANIFEST.in").read_text().split()
    needed = "Makefile", "mkdocs.yml", "CHANGELOG.md", "CONTRIBUTING.md"
    folders = ".ci", "benchmarks", "demo", "docs", "notebooks", "tests", "tutorials"
    assert [name for name in (*needed, *folders) if name not in text] == []
    assert all((ROOT / name).exists() for name in (*needed, *folders))


def test_public_names_are_documented():
    bare = [
        name
        for name in keras_patchdpm.__all__
        if not name.startswith("__") and not getattr(keras_patchdpm, name).__doc__
    ]
    assert bare == []


def test_version_is_in_the_changelog_and_in_the_metadata():
    version = keras_patchdpm.__version__
    assert f"\n## {version}" in (ROOT / "CHANGELOG.md").read_text()
    assert importlib.metadata.version("keras-patchdpm") == version


def test_every_data_file_is_shipped():
    package = ROOT / "keras_patchdpm"
    shipped = {
        path
        for pattern in PROJECT["tool"]["setuptools"]["package-data"]["keras_patchdpm"]
        for path in package.glob(pattern)
    }
    present = {
        path
        for path in package.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert sorted(present - shipped) == []


def test_every_folder_is_a_package():
    """A folder without `__init__.py` would be left out of the wheel."""
    package = ROOT / "keras_patchdpm"
    bare = {p.parent for p in package.rglob("*.py")}
    assert sorted(p for p in bare if not (p / "__init__.py").exists()) == []


def test_licence_is_apache_2():
    text = (ROOT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text and "END OF TERMS" in text
    assert PROJECT["project"]["license"] == "Apache-2.0"


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_each_backend_is_an_extra_and_no_dependency(backend):
    project = PROJECT["project"]
    assert project["optional-dependencies"][backend][0].startswith(backend)
    assert not [name for name in project["dependencies"] if name.startswith(backend)]


def test_both_commands_explain_themselves(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["keras-patchdpm", "--help"])
    monkeypatch.delitem(sys.modules, "keras_patchdpm.__main__", raising=False)
    scripts = importlib.metadata.entry_points(group="console_scripts")
    for command in (
        lambda: runpy.run_module("keras_patchdpm", run_name="__main__"),
        lambda: next(iter(scripts.select(name="keras-patchdpm"))).load()(),
    ):
        with pytest.raises(SystemExit, match="^0$"):
            command()
        assert "sample" in capsys.readouterr().out
