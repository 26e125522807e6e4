"""Checks for your patchings, schedules, solvers and layers.

Each check raises `AssertionError` with what is wrong. The package's own parts pass the
same checks.
"""

from keras_patchdpm.testing._layers import check_layer, randomise
from keras_patchdpm.testing._patchings import check_patching
from keras_patchdpm.testing._schedules import check_schedule
from keras_patchdpm.testing._solvers import check_solver

__all__ = [
    "check_layer",
    "check_patching",
    "check_schedule",
    "check_solver",
    "randomise",
]
