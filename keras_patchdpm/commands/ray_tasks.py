"""`sample --ray`: generates the images of one run in tasks of Ray.

Tasks, not Ray Data, which needs pyarrow and pandas; Ray repeats a task that was killed.
"""

import contextlib
import logging
import math
import os

import keras
import numpy as np

from keras_patchdpm.samplers.sizes import BATCH_SIZE

BLOCKS = 4  # For each worker, so that none waits long for the last one.
RETRIES = 3  # Of a task whose worker was killed.


def sample(options, *, indices, workers=None):
    """The images that `keras_patchdpm.sample` generates, from tasks of Ray.

    Args:
        options: Dict, arguments of `keras_patchdpm.sample` without `num_images` and
            `indices`. Arrays have one row for each of `indices`, or one for all.
        indices: Range of the images.
        workers: Positive int, the tasks that run at the same time. Default `None`: one
            for each GPU of the cluster, or for each CPU if there is no GPU.

    Returns:
        Uint8 array `(len(indices), H, W, C)`.

    Raises:
        ImportError: If Ray is not installed.
        OSError: If the worker of one task was killed again and again.
    """
    with _connected() as resources:
        gpus, cpus = (int(resources.get(name, 0)) for name in ("GPU", "CPU"))
        if workers is None:
            workers = gpus or cpus or 1
        size = block_size(
            len(indices), workers, options.get("batch_size") or BATCH_SIZE
        )
        starts = range(0, len(indices), size)
        calls = [
            {**_rows(options, block), "indices": indices[block]}
            for block in (slice(start, start + size) for start in starts)
        ]
        bar = keras.utils.Progbar(len(indices), unit_name="image")
        return np.concatenate(
            spread(
                _generate(keras.backend.backend()),
                calls,
                workers=workers,
                num_gpus=min(gpus, 1),
                on_result=lambda images: bar.add(len(images)),
            )
        )


def block_size(count, workers, batch_size):
    """The images of one task, in whole batches: they are then those of a plain run.

    Args:
        count: Int. Images of the run.
        workers: Int. Tasks that run at the same time.
        batch_size: Int. Images that are computed together, at most.
    """
    share = math.ceil(count / workers)
    if share <= batch_size:
        return share
    return math.ceil(share / BLOCKS / batch_size) * batch_size


def spread(generate, calls, *, workers, num_gpus=0, on_result=None):
    """Calls a function in tasks of Ray, which must be initialised.

    Args:
        generate: Function, called as `generate(**call)` in a worker.
        calls: List of dicts.
        workers: Positive int, the tasks that run at the same time.
        num_gpus: 0 or 1, the GPUs of a task. Default 0.
        on_result: Function that receives each result when it is there. Default `None`.

    Returns:
        List of the results, in the order of `calls`.

    Raises:
        Exception: The first error of a task.
        OSError: If the worker of a task was killed `RETRIES + 1` times.
    """
    import ray

    task = ray.remote(generate).options(num_gpus=num_gpus, max_retries=RETRIES)
    waiting = list(enumerate(calls))[::-1]
    running, results = {}, {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                number, call = waiting.pop()
                running[task.remote(**call)] = number
            (done,), _ = ray.wait([*running])
            results[running.pop(done)] = result = _result(done)
            if on_result is not None:
                on_result(result)
    finally:  # Of an error, or of Ctrl-C.
        for unfinished in running:
            ray.cancel(unfinished, force=True)
    return [results[number] for number in range(len(calls))]


def _result(done):
    """The result of a finished task, or its error."""
    import ray

    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.OutOfMemoryError as error:
        raise MemoryError("Ray has ended a worker, so that others can run") from error
    except (
        ray.exceptions.WorkerCrashedError,
        ray.exceptions.NodeDiedError,
    ) as error:
        raise OSError(
            f"A task was given up after {RETRIES + 1} attempts: its worker was killed "
            "each time. The logs of Ray say why; often the memory is too small. Choose "
            "fewer --workers, or a smaller --batch-size."
        ) from error


def _generate(backend):
    """The function of a task."""

    # Ray sends the code of an inner function. So the backend is set before the worker
    # imports Keras, also on a machine where another one is configured.
    def generate(**options):
        os.environ["KERAS_BACKEND"] = backend
        import keras_patchdpm

        return keras_patchdpm.sample(**options)

    return generate


def _rows(options, block):
    """The options of the images of one block, a slice."""
    return {
        name: value[block] if np.ndim(value) > 1 and len(value) > 1 else value
        for name, value in options.items()
    }


@contextlib.contextmanager
def _connected():
    """The resources of Ray's cluster: a running one, or one started on this machine."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Sends nothing.
    try:
        import ray
    except ImportError as error:
        raise ImportError(
            "--ray needs the package Ray, which is not installed. Install it with "
            "`pip install 'keras-patchdpm[ray]'`, or leave --ray out."
        ) from error
    own = not ray.is_initialized()
    if own:
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield ray.cluster_resources()
    finally:
        if own:
            ray.shutdown()
