"""The example of `docs/several_devices.md`: workers share a run, and one is killed."""

import os
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from fresh_python import ROOT

import keras_patchdpm

SMALL = {
    "COUNT = 1024": "COUNT = 2",
    "SHARE = 64": "SHARE = 1",
    '"steps": 50': '"steps": 1',
}


def kill_a_worker(example):
    """Kills the first worker that the example starts."""
    while True:
        assert example.poll() is None, "it ended before a worker could be killed"
        for child in psutil.Process(example.pid).children():
            if any("spawn_main" in part for part in child.cmdline()):
                child.kill()
                return
        time.sleep(0.05)


@pytest.mark.once
@pytest.mark.slow
def test_one_worker_is_killed_and_nothing_is_lost(tmp_path):
    source = (ROOT / "docs/snippets/generate_many.py").read_text()
    for large, small in SMALL.items():
        assert large in source
        source = source.replace(large, small)
    (tmp_path / "generate_many.py").write_text(source)
    with subprocess.Popen(
        [sys.executable, "generate_many.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as example:
        kill_a_worker(example)
        printed, _ = example.communicate(timeout=120)
    assert example.returncode == 0 and printed.count("A worker was killed") == 1
    files = sorted((tmp_path / "many").iterdir())
    assert [file.name for file in files] == [f"{k:08}.npy" for k in range(2)]
    found = np.concatenate([np.load(file) for file in files])
    expected = keras_patchdpm.sample(2, 2, steps=1).astype("int32")
    assert np.abs(found - expected).max() <= 1  # Other batches: other last bits.
