"""The memory that a function needs on a CPU, by each backend's allocator.

It is another way than the one in which `memory.profile` and `memory.plan` measure.
"""

import ctypes
import gc
import threading

import keras

import keras_patchdpm as kp


def peak_above(run, prepare=None):
    """Bytes that `run()` needs above those in use before; the first call compiles.

    TensorFlow: the peak of its allocator. PyTorch: that of the profiler's memory
    events. JAX: that of all bytes which the process has allocated and not freed, read
    every half millisecond. `prepare()` runs between the two calls.
    """
    run()
    if prepare is not None:
        prepare()
    if keras.backend.backend() != "jax":
        return kp.memory.peak(run).bytes
    gc.collect()
    before, highest, over = _allocated(), [0], threading.Event()

    def watch():
        while not over.wait(0.0005):
            highest[0] = max(highest[0], _allocated())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        run()
    finally:
        over.set()
        watcher.join()
    return highest[0] - before


class _Mallinfo(ctypes.Structure):
    """The statistics of glibc's allocator."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks "
        "uordblks fordblks keepcost".split()
    ]


def _allocated():
    """Bytes that the process has allocated and not freed."""
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = _Mallinfo
    statistics = mallinfo()
    return statistics.uordblks + statistics.hblkhd
