"""The benchmarks: their commands are documented as they are, their lines are kept."""

import argparse
import json
import re

import pytest
from fresh_python import ROOT

from benchmarks import command_line, measuring

SCRIPTS = [
    path
    for path in sorted((ROOT / "benchmarks").rglob("*.py"))
    if "__main__" in path.read_text()
]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "benchmarks" / "gpu.sh",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "keras_patchdpm").rglob("*.md")),
    *SCRIPTS,
]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_docstring_names_the_command(path):
    docstring = path.read_text().split('"""')[1]
    module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    assert f"python -m {module}" in docstring


def test_the_benchmarks_that_are_named_exist():
    found = set()
    for page in PAGES:
        text = page.read_text()
        found |= set(re.findall(r"benchmarks/[\w/]+\.(?:py|sh)", text))
        modules = re.findall(r"(?:-m |\")(benchmarks(?:\.\w+)+)", text)
        found |= {f"{module.replace('.', '/')}.py" for module in modules}
    assert len(found) > 15
    assert sorted(name for name in found if not (ROOT / name).is_file()) == []


def test_a_line_has_the_setting_the_figures_and_their_origin(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(command_line, "RESULTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["/somewhere/budgets.py"])
    options = argparse.Namespace(n=4, kinds=["grid2"], preset=None, keep=True)
    for ratio in (0.5, 0.75):
        command_line.write(options, {"kind": "grid2", "ratio": ratio})
    printed = capsys.readouterr().out
    assert (tmp_path / "budgets.jsonl").read_text() == printed
    first, second = map(json.loads, printed.splitlines())
    assert (first["benchmark"], first["n"], first["kind"]) == ("budgets", 4, "grid2")
    assert (first["ratio"], second["ratio"]) == (0.5, 0.75)
    assert {"kinds", "preset", "keep"}.isdisjoint(first)
    assert {"command", "date", "versions", "machine", "backend"} <= set(first)


def test_a_line_is_printed_alone_by_default(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command_line, "RESULTS", tmp_path)
    command_line.write(argparse.Namespace(keep=False), {"ratio": 1.0})
    assert json.loads(capsys.readouterr().out)["ratio"] == 1.0
    assert list(tmp_path.iterdir()) == []


def test_the_parser_has_the_arguments_that_are_asked_for():
    parser = command_line.parser("A benchmark.", n=[1, 2], image_size=64, width=8)
    options = parser.parse_args(["--n", "4", "8", "--image-size", "32"])
    assert vars(options) == {"n": [4, 8], "image_size": 32, "width": 8, "keep": False}


def test_contestants_are_measured_alternately():
    order = []
    measures = {
        name: lambda name=name: order.append(name) or len(order) for name in "ab"
    }
    values = measuring.alternately(measures, 2)
    assert order == ["a", "b", "a", "b"]
    assert values == {"a": [1, 3], "b": [2, 4]}
    assert measuring.ratios(values["b"], values["a"]) == [2, 4 / 3]
    assert measuring.spread("ratio", [3, 1, 2]) == {
        "ratio": 2,
        "lowest": 1,
        "highest": 3,
    }
