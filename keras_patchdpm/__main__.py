"""The command line: `python -m keras_patchdpm sample`, `... train` and others."""

import argparse
import sys

import keras_patchdpm
from keras_patchdpm.commands import evaluate, export, options, sample, train

COMMANDS = {
    "sample": (sample, "generate images with trained weights"),
    "train": (train, "train a model on images"),
    "evaluate": (evaluate, "compare generated images with real ones"),
    "export": (export, "write a model for sampling without Keras"),
}


def main(arguments=None):
    """Runs a command.

    Args:
        arguments: List of strings. Default `None`: those of the command line.

    Returns:
        Int, the exit status: 0, 2 after an error, 130 after Ctrl-C.
    """
    return options.run(_parser(), arguments)


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m keras_patchdpm",
        description="Patch-based diffusion models.",
        epilog="`python -m keras_patchdpm COMMAND --help` lists the options of a "
        "command. `python -m keras_patchdpm.memory --help`: how much memory a network "
        "needs, by N.",
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"keras_patchdpm {keras_patchdpm.__version__}",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (command, text) in COMMANDS.items():
        subparser = commands.add_parser(
            name,
            help=text,
            description=f"{text.capitalize()}.",
            formatter_class=options.HelpFormatter,
        )
        subparser.set_defaults(parser=subparser)
        command.add_options(subparser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
