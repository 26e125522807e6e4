"""Peak memory: of any piece of work, of a model's network, as a table, as a plan.

With `keras_patchdpm/models/_train_step/` the only code that knows a backend by name;
TensorFlow, JAX and PyTorch are imported when something is measured, not before.
"""

from keras_patchdpm.memory.amounts import current, parse_bytes
from keras_patchdpm.memory.peak import peak
from keras_patchdpm.memory.plan import MemoryPlan, plan
from keras_patchdpm.memory.profile import profile
from keras_patchdpm.memory.report import MemoryReport, ProfileReport
from keras_patchdpm.memory.table import table

__all__ = [
    "MemoryPlan",
    "MemoryReport",
    "ProfileReport",
    "current",
    "parse_bytes",
    "peak",
    "plan",
    "profile",
    "table",
]
