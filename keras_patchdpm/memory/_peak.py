"""The peak memory of any piece of work on the current backend."""

import importlib

from keras_patchdpm.runtime import SUPPORTED, backend_name


def backend_module():
    """The file of this package that measures on the current backend.

    Raises:
        RuntimeError: If nothing here can measure on it.
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
    """Measures the peak memory of `fn(*args)`, above what is held before.

    - TensorFlow: `fn` is called once, between
      `tf.config.experimental.reset_memory_stats` and `get_memory_info`. On a CPU, set
      `TF_CPU_ALLOCATOR_USE_BFC=1` before TensorFlow is imported: without it nothing
      under 256 KB is counted, and on CPUs without oneDNN nothing works. Call a
      `tf.function` once before, so that its tracing is not measured.
    - JAX: `fn` is compiled and not run; the figure is the compiler's own plan of
      temporaries and results. `fn` must be traceable: operations of `keras.ops` or
      `jax.numpy`, no `fit` or `predict`. Its arguments are counted as held before,
      arrays that it closes over as part of the program.
    - PyTorch: `fn` is called once; on CUDA the allocator's own peak is read, on a CPU
      the profiler's memory events are summed up.

    Args:
        fn: Callable.
        *args: What it is called with.

    Returns:
        `MemoryReport`.

    Raises:
        TypeError: If `fn` cannot be called.
        RuntimeError: If the backend gives no figures; the message says what to do.
        ValueError: On JAX, if tracing `fn` finds no operation.

    Example:

    >>> kp.memory.peak(lambda x: ops.sum(ops.matmul(x, x)), ops.ones((2048, 2048)))
    """
    if not callable(fn):
        raise TypeError(
            "`fn` must be a callable, and its arguments follow it: `peak(fn, x)`. "
            f"Received: fn={fn!r} (of type {type(fn).__name__})."
        )
    return backend_module().peak(fn, args)
