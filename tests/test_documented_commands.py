"""The commands in README.md, docs/*.md and the model cards.

The options of all exist. Those of the package itself run, at small sizes.
"""

import argparse
import re
import runpy
import shlex

import numpy as np
import pytest
from fresh_python import ROOT

import keras_patchdpm as kp

pytestmark = pytest.mark.once

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "keras_patchdpm").rglob("card.md")),
]
# What a reader replaces, and variables of the shell.
VALUES = {"METHOD": "original", "$patching": "whole", "$n": "2", "A:B": "0:2"}

# Added to a command, so that it ends in a moment: the last of equal options counts.
SMALL = {
    "sample": "--steps 1",
    "train": "--minutes 0.01 --width 4 --multipliers 1 --batch-size 2",
    "evaluate": "",
}
COUNTS = {"--num-images": "4", "--indices": "0:2"}
# Other tests run these: they need files that are not here, or processes.
ELSEWHERE = (
    "export",
    "--ray",
    "inception_v3",
    "keras_patchdpm.memory",
    "keras_patchdpm_edge",
)


class ParsedError(BaseException):
    """Ends a command when its options are read."""


def commands(path):
    """The commands of Python in the code blocks of a page, each a list of words."""
    text = "\n".join(
        re.findall(r"^ *```\w*\n(.*?)^ *```", path.read_text(), re.M | re.S)
    )
    lines = text.replace("\\\n", " ").splitlines()
    every = []
    for line in lines:
        for name, value in VALUES.items():
            line = line.replace(name, value)
        for ours in re.findall(r"python -m ((?:keras_patchdpm|benchmarks).*)", line):
            every.append(shlex.split(ours.split(" > ")[0], comments=True))
    return every


def runnable(path):
    """The commands of a page that run here."""
    return [
        words
        for words in commands(path)
        if words[0].startswith("keras_patchdpm")
        and not any(word in " ".join(words) for word in ELSEWHERE)
    ]


COMMANDS = sorted({tuple(words) for path in PAGES for words in commands(path)})


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_options_of_a_command_exist(words, monkeypatch):
    module, *arguments = words
    parse = argparse.ArgumentParser.parse_known_args

    def parse_and_stop(parser, given=None, namespace=None):
        _, unknown = parse(parser, arguments if given is None else given, namespace)
        assert not unknown
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", parse_and_stop)
    monkeypatch.setattr("sys.argv", [module, *arguments])
    with pytest.raises(ParsedError):
        runpy.run_module(module, run_name="__main__")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What the commands read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for number, image in enumerate(kp.datasets.synthetic_scenes(4, 128)):
        kp.save_images(image[None], f"photos/{number}.png")
    kp.save_images(image[None], "photo.jpg")
    np.save("real.npy", kp.datasets.synthetic_scenes(4, 64))
    return tmp_path


def run(words, monkeypatch):
    """Runs a command of the package at small sizes."""
    module, name, *options = words
    arguments = [name, *options, *SMALL[name].split()]
    if name == "sample" and {*COUNTS, "--thumbnails"}.isdisjoint(arguments):
        arguments += ["--num-images", "2"]
    for option in set(COUNTS) & set(arguments):
        arguments[arguments.index(option) + 1] = COUNTS[option]
    monkeypatch.setattr("sys.argv", [module, *arguments])
    try:
        runpy.run_module(module, run_name="__main__")
    except SystemExit as ended:
        assert ended.code in (None, 0), words


@pytest.mark.parametrize("path", [*filter(runnable, PAGES)], ids=lambda path: path.name)
def test_the_commands_of_a_page_run_in_order(path, folder, monkeypatch):
    for words in runnable(path):
        run(words, monkeypatch)
        if "--out" in words:
            assert (folder / words[words.index("--out") + 1]).exists()


def test_commands_were_read():
    modules = {words[0] for words in COMMANDS}
    assert {"keras_patchdpm", "keras_patchdpm.memory", "keras_patchdpm_edge"} <= modules
    assert len(COMMANDS) > 30
