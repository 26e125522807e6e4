"""Runs a script in a Python of its own."""

import contextlib
import os
import pathlib
import subprocess
import sys
import textwrap

ROOT = pathlib.Path(__file__).parents[1]


def run_python(script, cwd, **environment):
    """Runs `script`, with the repository importable; returns the finished process.

    Args:
        script: String. The Python source.
        cwd: Path. The folder to run in.
        **environment: Variables to set. None: the variable is removed.
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=cwd,
        env=_merged(environment),
        capture_output=True,
        text=True,
    )


def run_pythons(scripts, cwd, **environment):
    """Runs scripts at the same time, as `run_python`; returns `(stdout, stderr)`s.

    If one fails or takes longer than two minutes, the others are stopped.
    """
    with contextlib.ExitStack() as stack:
        running = [_start(script, cwd, environment) for script in scripts]
        stack.callback(lambda: [process.kill() for process in running])
        return [process.communicate(timeout=120) for process in running]


def _start(script, cwd, environment):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=cwd,
        env=_merged(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _merged(environment):
    merged = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return {name: value for name, value in merged.items() if value is not None}
