"""The arguments of the benchmarks, and the line of JSON that each of them prints.

`parser` has the arguments that two benchmarks or more accept. `write` prints the line,
with where its figures come from, and keeps it with the others if it is asked to.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import shlex
import subprocess
import sys

import keras
import numpy as np

import keras_patchdpm as kp

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
ARGUMENTS = {
    "n": "patches per side",
    "image_size": "pixels per side of the image",
    "network": "`unet`, or `arakawa_unet` for that of the original method",
    "width": "channels of the network at depth 0",
    "stem": "a `unet` first moves blocks of STEM x STEM pixels into the channels",
    "batch": "images, or patches, in one call or training step",
    "images": "images that are sampled",
    "steps": "steps of the solver",
    "patches_per_call": "patches of each image in a call of the network",
    "rounds": "times that each contestant is measured, alternately",
    "kills": "processes that are killed",
    "seed": "of what is random",
}
CHOICES = {"network": ("unet", "arakawa_unet")}
ENVIRONMENT = ("KERAS_BACKEND", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


def parser(description, **defaults):
    """A parser of shared arguments.

    Args:
        description: String: the docstring of the benchmark, whose first line is shown.
        **defaults: The shared arguments to accept, names of `ARGUMENTS`, each with its
            default. A list: the argument accepts several values.

    Returns:
        `argparse.ArgumentParser`, to which a benchmark adds its further arguments.
    """
    result = argparse.ArgumentParser(
        description=description.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for name, default in defaults.items():
        several = isinstance(default, list)
        result.add_argument(
            f"--{name.replace('_', '-')}",
            type=type(default[0] if several else default),
            nargs="*" if several else None,
            default=default,
            choices=CHOICES.get(name),
            help=ARGUMENTS[name],
        )
    result.add_argument(
        "--keep", action="store_true", help="append the lines to benchmarks/results/"
    )
    return result


def progress(**values):
    """Reports on the way: a line of JSON on standard error."""
    print(json.dumps(values, default=str), file=sys.stderr, flush=True)


def write(options, figures):
    """Prints one line of JSON, and appends it to the results if `--keep` asks for it.

    Args:
        options: Namespace of the arguments. Those of one value are in the line, too.
        figures: Dict of what was measured, and which of several values it is for.
    """
    name = pathlib.Path(sys.argv[0]).stem
    setting = {
        key: value
        for key, value in vars(options).items()
        if value is not None and not isinstance(value, list | tuple) and key != "keep"
    }
    line = {"benchmark": name, "backend": keras.backend.backend(), **setting, **figures}
    text = json.dumps({**line, **_origin()}, default=str)
    print(text, flush=True)
    if options.keep:
        with open(RESULTS / f"{name}.jsonl", "a") as file:
            file.write(text + "\n")


def _origin():
    """The command, the time, the versions and the machine of a measurement."""
    chosen = [f"{key}={os.environ[key]}" for key in ENVIRONMENT if key in os.environ]
    backend = keras.backend.backend()
    on_linux = hasattr(os, "sched_getaffinity")
    cores = os.sched_getaffinity(0) if on_linux else range(os.cpu_count())
    return {
        "command": shlex.join([*chosen, "python", *sys.orig_argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
        "commit": _output("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        "versions": {
            "python": platform.python_version(),
            "keras_patchdpm": kp.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
            backend: sys.modules[backend].__version__,
        },
        "machine": {
            "system": platform.platform(),
            "cores": len(cores),
            "device": _device(),
        },
    }


def _device():
    """The name of the GPU or the processor that computes."""
    if "cpu" not in str(keras.ops.zeros(1).device).lower():
        return _output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    info = pathlib.Path("/proc/cpuinfo")
    names = re.findall(
        r"model name\s*: (.*)", info.read_text() if info.exists() else ""
    )
    return names[0] if names else platform.processor()


def _output(*command):
    """What a command prints, or `None` where it cannot be run."""
    try:
        return subprocess.check_output(
            command, text=True, stderr=subprocess.DEVNULL
        ).strip()
    except (OSError, subprocess.CalledProcessError):
        return None
