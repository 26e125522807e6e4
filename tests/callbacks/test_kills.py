"""Real kills of real processes; the long form is `benchmarks/kills.py` itself."""

import json
import os
import subprocess
import sys

import keras
import pytest
from fresh_python import ROOT

pytestmark = pytest.mark.once


@pytest.mark.slow
def test_a_killed_training_ends_as_the_unbroken_one():
    command = [sys.executable, ROOT / "benchmarks" / "kills.py", "train"]
    options = ["--kills", "1", "--epochs", "4", "--backend", keras.backend.backend()]
    result = subprocess.run(
        [*command, *options],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["kills"] == 1
    assert found["runs"] == found["bit_identical"] > 0
    assert found["resumes_that_failed"] == found["torn_files"] == 0
