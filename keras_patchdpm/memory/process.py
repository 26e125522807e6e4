"""Which process the backend works in: it does not survive a fork."""

import os

from keras_patchdpm.memory.peak import backend_name

SURVIVES = ("torch",)
_first = None  # Id of the process in which the backend was used first.


def check_process():
    """Refuses a process that was forked from one in which the backend was in use.

    TensorFlow and JAX compute in threads, which the child of a fork does not have: it
    would wait for them without an end.

    Raises:
        RuntimeError: In such a child, on TensorFlow and JAX.
    """
    global _first
    if _first is None:
        _first = os.getpid()
    name = backend_name()
    if _first != os.getpid() and name not in SURVIVES:
        raise RuntimeError(
            f"This process was forked from one that has used {name}, and would hang: "
            "the threads that compute are not there. Start processes with "
            '`multiprocessing.get_context("spawn")`, and build or load the model in '
            f"each. Received: process {os.getpid()}, forked from {_first}."
        )
