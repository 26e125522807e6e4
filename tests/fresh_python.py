"""Runs a script in a Python of its own."""

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
    merged = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=cwd,
        env={name: value for name, value in merged.items() if value is not None},
        capture_output=True,
        text=True,
    )
