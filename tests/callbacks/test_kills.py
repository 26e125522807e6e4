"""Kills real processes, by a short run of `benchmarks/quality/kill_training.py`."""

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
    command = [sys.executable, "-m", "benchmarks.quality.kill_training", "train"]
    result = subprocess.run(
        [*command, "--kills", "1", "--epochs", "4"],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["kills"] == 1
    assert found["runs"] == found["bit_identical"] > 0
    assert found["resumes_that_failed"] == found["torn_files"] == 0
