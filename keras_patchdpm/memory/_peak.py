"""The peak memory of any function on the current backend."""

import importlib

from keras_patchdpm.runtime import SUPPORTED, backend_name


def backend_module():
    """The module of this package that measures on the current backend.

    Raises:
        RuntimeError: If there is none for the backend.
    """
    name = backend_name()
    if name not in SUPPORTED:
        raise RuntimeError(
            f"Memory can be measured on the backends {', '.join(SUPPORTED)}. Set the "
            "environment variable `KERAS_BACKEND` to one of them before Keras is "
            f"imported. Received: backend={name!r}."
        )
    return importlib.import_module(f"keras_patchdpm.memory._{name}")


def peak(fn, *args):
    """Measures the peak memory of `fn(*args)`, above the memory in use before.

    - TensorFlow: `fn` is called once, between
      `tf.config.experimental.reset_memory_stats` and `get_memory_info`. On a CPU, set
      `TF_CPU_ALLOCATOR_USE_BFC=1` before TensorFlow is imported: otherwise tensors
      under 256 KB are not counted, and without oneDNN there is an error. Call a
      `tf.function` once before, so that its tracing is not measured.
    - JAX: `fn` is compiled and not run. The result is the compiler's plan of
      temporaries and outputs. `fn` must be traceable: operations of `keras.ops` or
      `jax.numpy`, no `fit` or `predict`. Its arguments are not counted. Arrays that
      `fn` closes over are counted as a part of the program.
    - PyTorch: `fn` is called once. On CUDA the result is the allocator's peak, on a CPU
      the largest sum of the profiler's memory events.

    Args:
        fn: Callable.
        *args: Arguments of `fn`.

    Returns:
        `MemoryReport`.

    Raises:
        TypeError: If `fn` cannot be called.
        RuntimeError: If the backend has no statistics; the message says what to do.
        ValueError: On JAX, if tracing `fn` finds no operation.

    Example:

    >>> kp.memory.peak(lambda x: ops.sum(ops.matmul(x, x)), ops.ones((2048, 2048)))
    """
    if not callable(fn):
        raise TypeError(
            "`fn` must be callable. Pass its arguments after it: `peak(fn, x)`. "
            f"Received: fn={fn!r} (of type {type(fn).__name__})."
        )
    return backend_module().peak(fn, args)
