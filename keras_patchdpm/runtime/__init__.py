"""Executes networks. Each backend has a module, which is imported when it is used."""

from keras_patchdpm.runtime.backend import (
    SUPPORTED,
    backend_name,
    check_process,
    processes,
    same_in_all,
)
from keras_patchdpm.runtime.compiled import (
    compiled,
    compiled_with,
    free_bytes,
    may_compile,
)
from keras_patchdpm.runtime.network_call import (
    gradient_call,
    network_call,
    torch_call,
    value_and_gradient,
)
from keras_patchdpm.runtime.out_of_memory import is_out_of_memory

__all__ = [
    "SUPPORTED",
    "backend_name",
    "check_process",
    "compiled",
    "compiled_with",
    "free_bytes",
    "gradient_call",
    "is_out_of_memory",
    "may_compile",
    "network_call",
    "processes",
    "same_in_all",
    "torch_call",
    "value_and_gradient",
]
