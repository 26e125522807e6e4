"""Prints the memory table: `python -m keras_patchdpm.memory --divisions 1 2 4 8`."""

import argparse
import os
import shlex
import sys

import keras

from keras_patchdpm import networks
from keras_patchdpm.memory._profile import profile
from keras_patchdpm.memory._table import table
from keras_patchdpm.patching import GridPatching

NETWORKS = ("arakawa_unet", "unet")
VARIABLES = ("OMP_NUM_THREADS", "TF_ENABLE_ONEDNN_OPTS", "JAX_PLATFORMS", "XLA_FLAGS")


def main(arguments=None):
    """Measures one network for several grids and prints the table.

    Args:
        arguments: List of strings. Default `None`: those of the command line.

    Returns:
        Int, the exit status: 0, or 130 after Ctrl-C. Any error ends the process with 2.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        reports = [_report(options, divisions) for divisions in options.divisions]
        text = table(reports)
    except KeyboardInterrupt:
        print("error: interrupted. Nothing was saved.", file=sys.stderr)
        return 130
    except (TypeError, ValueError, ImportError, OSError, MemoryError) as error:
        parser.error(str(error) or type(error).__name__)
    print(text)
    print(f"Made by: {_command(arguments)}")
    return 0


def _report(options, divisions):
    """Measures one grid in a subprocess, on every backend."""
    return profile(
        _network(options, divisions),
        batch_size=options.batch_size,
        patches_per_call=options.patches_per_call,
        divisions=divisions,
        isolated=True,
    )


def _network(options, divisions):
    if options.network == "arakawa_unet":
        return networks.arakawa_unet(options.image_size, divisions, dim=options.dim)
    patching = GridPatching(divisions)
    return networks.unet(options.image_size, patching, width=options.dim)


def _command(arguments):
    """The command that prints this table again."""
    names = [name for name in VARIABLES if name in os.environ]
    variables = {"KERAS_BACKEND": keras.backend.backend()}
    variables.update((name, os.environ[name]) for name in names)
    settings = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    return " ".join(
        [*settings, "python -m keras_patchdpm.memory", shlex.join(arguments)]
    )


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m keras_patchdpm.memory",
        description="Prints how the memory of one network call of a sampling step "
        "falls with N: the image is cut into N x N patches. It measures grids; for "
        "another patching, call `keras_patchdpm.memory.profile`.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--network", choices=NETWORKS, default=NETWORKS[0], help="network to measure")
    add("--dim", type=int, default=64, help="channels of the first resolution")
    add("--image-size", type=int, default=128, help="height and width in pixels")
    add("--batch-size", type=int, default=4, help="images sampled together")
    add(
        "--patches-per-call",
        type=int,
        default=1,
        help="patches of each image in a call",
    )
    add(
        "--divisions",
        type=int,
        nargs="+",
        default=[1, 2, 4, 8],
        help="values of N, one row each",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
