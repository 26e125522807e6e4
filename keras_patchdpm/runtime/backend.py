"""The backend of Keras, the module of this folder for it, and forked processes.

A forked process does not have the threads of the backend.
"""

import importlib
import os

import keras

SUPPORTED = ("tensorflow", "jax", "torch")

_first = None  # Id of the process in which the backend was used first.


def backend_name():
    """Name of the backend of Keras."""
    return keras.backend.backend()


def backend_module():
    """The module of this folder for the current backend, one of `SUPPORTED`."""
    return importlib.import_module(f"keras_patchdpm.runtime._{backend_name()}")


def check_process():
    """Prepares a forked process or refuses it; called before the backend is used.

    TensorFlow and JAX compute in threads, which a forked process does not have: it
    would wait for them for ever. PyTorch can compute in one thread.

    Raises:
        RuntimeError: On TensorFlow and JAX, in a process that was forked from one in
            which the backend was in use.
    """
    global _first
    if _first is None:
        _first = os.getpid()
    if _first != os.getpid() and backend_name() in SUPPORTED:
        backend_module().after_fork()
        _first = os.getpid()


def processes():
    """`(count, index)` of the processes that train together.

    On JAX those of `jax.distributed`, on PyTorch those of `torch.distributed` if it is
    initialised. Otherwise, and on other backends: `(1, 0)`.
    """
    module = _processes_module()
    return (1, 0) if module is None else module.processes()


def same_in_all(number):
    """Whether all processes that train together have the same number; waits for all.

    Args:
        number: Int of at most 31 bits.
    """
    if processes()[0] == 1:
        return True
    return _processes_module().same_in_all(number)


def _processes_module():
    """The module of the backend that knows the processes, or `None`."""
    name = {"jax": "_jax", "torch": "_torch_processes"}.get(backend_name())
    return name and importlib.import_module(f"keras_patchdpm.runtime.{name}")


def refuse_fork():
    """Raises the error of backends that cannot be used in a forked process."""
    name = backend_name()
    raise RuntimeError(
        f"This process was forked from one that has used {name}, and would hang, since "
        f"it does not have the threads of {name}. Start processes with "
        '`multiprocessing.get_context("spawn")`, and build or load the model in each. '
        f"Received: process {os.getpid()}, forked from {_first}."
    )
