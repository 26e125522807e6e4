"""The commands in README.md, docs/*.md and the model cards: their options exist."""

import argparse
import re
import runpy
import shlex

import pytest
from fresh_python import ROOT

pytestmark = pytest.mark.once

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "keras_patchdpm").rglob("card.md")),
]
# What a reader replaces, and variables of the shell.
VALUES = {"METHOD": "original", "$patching": "whole", "$n": "2", "A:B": "0:2"}


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


def test_commands_were_read():
    modules = {words[0] for words in COMMANDS}
    assert {"keras_patchdpm", "keras_patchdpm.memory", "keras_patchdpm_edge"} <= modules
    assert len(COMMANDS) > 30
