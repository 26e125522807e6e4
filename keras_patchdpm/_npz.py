"""`.npz` files, read by one thread at a time.

NumPy reads the header of each array with `ast.literal_eval`, which fails now and then
in Python 3.11 where two threads call it ("AST constructor recursion depth mismatch").
"""

import contextlib
import threading

import numpy as np

LOCK = threading.Lock()


@contextlib.contextmanager
def opened(file):
    """The arrays of a file by their names, none of which may hold Python objects."""
    with LOCK, np.load(file, allow_pickle=False) as arrays:
        yield arrays
