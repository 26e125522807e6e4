"""`sample --ray`: the images of a plain run, also if a worker is killed."""

import inspect
import sys

import numpy as np
import pytest
from fresh_python import run_python
from tiny_models import PRESET

from keras_patchdpm import PatchDPM, presets
from keras_patchdpm.__main__ import main
from keras_patchdpm.commands import ray_tasks

pytestmark = pytest.mark.once

SAMPLE = "sample --preset mine --num-images 4 --batch-size 2 --steps 2 --out"


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory):
    """Ray with two workers on this machine, which is patient where it is busy."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("HOME", str(home))  # Ray writes a token to it.
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_agent_register_timeout_ms", "100000")
        patch.setenv("RAY_raylet_start_wait_time_s", "100")
        patch.setenv("RAY_worker_niceness", "0")
        import ray

        ray.init(
            "local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=100 * 2**20,
        )
        yield
        ray.shutdown()


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_the_images_are_those_of_a_plain_run(two_workers, rng, capsys):
    PatchDPM(**presets.parts(PRESET)).save_to_preset("mine")
    np.save("given.npy", rng.integers(0, 256, (4, 8, 8, 3), dtype="uint8"))
    images = "--init-images given.npy"
    assert main([*SAMPLE.split(), "plain.npy", *images.split()]) == 0
    assert main([*SAMPLE.split(), "ray.npy", *images.split(), "--ray"]) == 0
    assert capsys.readouterr().out.endswith("4 images are in ray.npy\n")
    plain, shared = np.load("plain.npy"), np.load("ray.npy")
    np.testing.assert_array_equal(shared, plain)
    assert np.abs(plain[1:].astype(int) - plain[:-1]).mean() > 5


def test_a_worker_is_killed_and_nothing_is_lost_or_doubled(two_workers, tmp_path):
    def generate(indices):
        import os
        import pathlib
        import signal

        import numpy as np

        log = pathlib.Path(tmp_path, str(indices.start))
        with open(log, "a") as file:
            file.write("begun ")
        if indices.start == 4 and log.read_text() == "begun ":
            os.kill(os.getpid(), signal.SIGKILL)
        return np.array(indices)

    calls = [{"indices": range(k, k + 2)} for k in range(0, 10, 2)]
    counted = []
    results = ray_tasks.spread(
        generate, calls, workers=2, on_result=lambda one: counted.extend(one)
    )
    np.testing.assert_array_equal(np.concatenate(results), np.arange(10))
    assert sorted(counted) == [*range(10)]
    begun = {path.name: path.read_text().count("begun") for path in tmp_path.iterdir()}
    assert begun == {"0": 1, "2": 1, "4": 2, "6": 1, "8": 1}


def test_a_worker_that_is_always_killed(two_workers, monkeypatch):
    def generate():
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(ray_tasks, "RETRIES", 1)
    with pytest.raises(OSError, match="2 attempts: its worker was killed each time"):
        ray_tasks.spread(generate, [{}], workers=1)


def test_the_error_of_a_task_is_raised(two_workers):
    def generate(number):
        raise ValueError(f"`number` is wrong. Received: number={number}.")

    with pytest.raises(ValueError, match="^`number` is wrong.*number=3.$") as caught:
        ray_tasks.spread(generate, [{"number": 3}], workers=1)
    assert type(caught.value) is ValueError


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
