"""Parts of the measurements of a network call and of a training step."""

import dataclasses
import math
import re
import statistics
import time

REPEATS = 3


def median_seconds(call):
    """Median seconds of `call()`, which returns when the device has finished.

    The first call compiles and is not counted.
    """
    call()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def variables_bytes(variables):
    """Bytes of variables."""
    return sum(map(_bytes, variables))


def with_note(measured, note):
    """The `MemoryReport` with `note` before its other notes."""
    return dataclasses.replace(measured, notes=(note, *measured.notes))


def _bytes(variable):
    """Bytes of a variable, from its shape and the number in its dtype's name."""
    bits = re.search(r"\d+", variable.dtype)
    return math.prod(variable.shape) * (int(bits.group()) // 8 if bits else 1)
