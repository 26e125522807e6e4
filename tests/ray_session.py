"""Tasks on Ray, to be run in a separate process, since Ray can end its process."""

import contextlib
import json
import pathlib
import traceback

import numpy as np
import ray
from tiny_models import PRESET

from keras_patchdpm import PatchDPM, presets
from keras_patchdpm.__main__ import main
from keras_patchdpm.commands import ray_tasks

SAMPLE = "sample --preset mine --num-images 4 --batch-size 2 --steps 2".split()


def run():
    """Runs the checks in the current folder; `outcomes.json` has what they returned."""
    checks = (
        images_of_a_plain_run_and_of_ray,
        a_worker_is_killed_once,
        a_worker_is_always_killed,
        an_error_of_a_task,
    )
    with two_workers():
        outcomes = {check.__name__: check() for check in checks}
    pathlib.Path("outcomes.json").write_text(json.dumps(outcomes))


@contextlib.contextmanager
def two_workers():
    """Ray on this machine."""
    ray.init(
        "local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 * 2**20,
    )
    yield
    ray.shutdown()


def images_of_a_plain_run_and_of_ray():
    """Leaves the images in `plain.npy` and `ray.npy`; returns the exit statuses."""
    PatchDPM(**presets.parts(PRESET)).save_to_preset("mine")
    given = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype="uint8")
    np.save("given.npy", given)
    sample = [*SAMPLE, "--init-images", "given.npy", "--out"]
    return [main([*sample, "plain.npy"]), main([*sample, "ray.npy", "--ray"])]


def a_worker_is_killed_once():
    """Returns the results, what was counted, and how often each task was begun."""
    logs = pathlib.Path("logs").absolute()
    logs.mkdir()

    def generate(indices):
        import os
        import signal

        import numpy as np

        log = logs / str(indices.start)
        with open(log, "a") as file:
            file.write("begun ")
        if indices.start == 4 and log.read_text() == "begun ":
            os.kill(os.getpid(), signal.SIGKILL)
        return np.array(indices)

    calls = [{"indices": range(k, k + 2)} for k in range(0, 10, 2)]
    counted = []
    results = ray_tasks.spread(
        generate, calls, workers=2, on_result=lambda one: counted.extend(one.tolist())
    )
    begun = {path.name: path.read_text().count("begun") for path in logs.iterdir()}
    return [np.concatenate(results).tolist(), counted, begun]


def a_worker_is_always_killed():
    """Returns the error."""

    def generate():
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)

    ray_tasks.RETRIES, retries = 1, ray_tasks.RETRIES
    try:
        ray_tasks.spread(generate, [{}], workers=1)
    except OSError:
        return _error()
    finally:
        ray_tasks.RETRIES = retries


def an_error_of_a_task():
    """Returns the error."""

    def generate(number):
        raise ValueError(f"`number` is wrong. Received: number={number}.")

    try:
        ray_tasks.spread(generate, [{"number": 3}], workers=1)
    except ValueError:
        return _error()


def _error():
    """Class and message of the error that is handled: `ValueError: ...`."""
    return traceback.format_exc(chain=False).strip().rpartition("\n")[-1]
