"""Measures and plans memory: of any function, of a sampling, of a training.

TensorFlow, JAX and PyTorch are imported when something is measured, not before.
"""

from keras_patchdpm.memory._peak import peak
from keras_patchdpm.memory._plan import MemoryPlan, plan
from keras_patchdpm.memory._profile import profile
from keras_patchdpm.memory._table import table
from keras_patchdpm.memory._training_plan import TrainingPlan
from keras_patchdpm.memory.amounts import current, parse_bytes
from keras_patchdpm.memory.report import MemoryReport, ProfileReport

__all__ = [
    "MemoryPlan",
    "MemoryReport",
    "ProfileReport",
    "TrainingPlan",
    "current",
    "parse_bytes",
    "peak",
    "plan",
    "profile",
    "table",
]
