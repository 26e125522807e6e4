"""`sample --ray`: the images of a plain run, also if a worker is killed."""

import inspect
import json
import sys

import numpy as np
import pytest
from fresh_python import run_python

from keras_patchdpm.__main__ import main
from keras_patchdpm.commands import ray_tasks

pytestmark = pytest.mark.once

PATIENT = {  # Where the machine is busy.
    "RAY_agent_register_timeout_ms": "100000",
    "RAY_raylet_start_wait_time_s": "100",
    "RAY_worker_niceness": "0",
}


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Folder and outcomes of `ray_session.py`."""
    folder = tmp_path_factory.mktemp("ray")
    script = f"""
        import faulthandler, sys
        faulthandler.enable()
        sys.path[:0] = {sys.path!r}
        import ray_session
        ray_session.run()
    """
    home = {"HOME": str(folder)}  # Ray writes a token to it.
    done = run_python(script, folder, RAY_USAGE_STATS_ENABLED="0", **home, **PATIENT)
    assert done.returncode == 0, done.stderr[-5000:]
    return folder, json.loads((folder / "outcomes.json").read_text())


@pytest.mark.slow
def test_the_images_are_those_of_a_plain_run(session):
    folder, outcomes = session
    assert outcomes["images_of_a_plain_run_and_of_ray"] == [0, 0]
    plain, shared = np.load(folder / "plain.npy"), np.load(folder / "ray.npy")
    np.testing.assert_array_equal(shared, plain)
    assert np.abs(plain[1:].astype(int) - plain[:-1]).mean() > 5


@pytest.mark.slow
def test_a_worker_is_killed_and_nothing_is_lost_or_doubled(session):
    results, counted, begun = session[1]["a_worker_is_killed_once"]
    assert results == sorted(counted) == [*range(10)]
    assert begun == {"0": 1, "2": 1, "4": 2, "6": 1, "8": 1}


@pytest.mark.slow
def test_a_worker_that_is_always_killed(session):
    error = session[1]["a_worker_is_always_killed"]
    assert error.startswith("OSError: A task was given up after 2 attempts")
    assert "its worker was killed each time" in error


@pytest.mark.slow
def test_the_error_of_a_task_is_raised(session):
    error = session[1]["an_error_of_a_task"]
    assert error == "ValueError: `number` is wrong. Received: number=3."


def test_the_backend_is_set_before_a_worker_imports_keras(tmp_path):
    """Also on a machine where none, or another one, is configured."""
    script = f"""
        import os, sys
        exec({inspect.getsource(ray_tasks._generate)!r})
        task = _generate("jax")
        assert "keras" not in sys.modules and "keras_patchdpm" not in sys.modules
        sys.modules["keras_patchdpm"] = None
        try:
            task()
        except ImportError:
            print(os.environ["KERAS_BACKEND"])
    """
    done = run_python(script, tmp_path, KERAS_BACKEND=None)
    assert done.stdout == "jax\n", done.stderr


def test_ray_is_missing(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["sample", "--ray"]) == 2
    assert "pip install 'keras-patchdpm[ray]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("count", "workers", "batch_size", "expected"),
    [
        (1, 4, 16, 1),
        (16, 2, 16, 8),
        (32, 2, 16, 16),
        (33, 2, 16, 16),
        (1024, 2, 16, 128),
    ],
)
def test_a_block_has_whole_batches(count, workers, batch_size, expected):
    assert ray_tasks.block_size(count, workers, batch_size) == expected
