"""Reads `.npz` files, in one thread at a time.

NumPy reads the header of each array with `ast.literal_eval`, which sometimes fails in
Python 3.11 if two threads call it ("AST constructor recursion depth mismatch").
"""

import contextlib
import threading

import numpy as np

LOCK = threading.Lock()


@contextlib.contextmanager
def opened(file):
    """Context with the arrays of a file by name; refuses arrays of Python objects."""
    with LOCK, np.load(file, allow_pickle=False) as arrays:
        yield arrays
