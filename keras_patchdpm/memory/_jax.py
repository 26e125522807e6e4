"""Peak memory on JAX: the compiler's plan of its buffers, without a run."""

import functools
import math
import os
import re

import jax
import keras

from keras_patchdpm.memory.report import MemoryReport
from keras_patchdpm.runtime._jax import (
    NO_LIBRARY,
    compiler_options,
    known_options,
    pulled_back,
)

# The shape of the output, the size of the kernel and the strides.
_TRANSPOSED = re.compile(
    r"= \w+\[([\d,]+)\]\S* convolution\(.*size=([\dx]+)[^}]*lhs_dilate=([\dx]+)"
)


def environment():
    """No environment variables: JAX needs none."""
    return {}


def prepare():
    """Does nothing: JAX needs no preparation in a new process."""


def needs_own_process():
    """`False`: the compiler's plan does not depend on the process."""
    return False


def with_reserve(activations, *, training):
    """The bytes that a plan counts for a measured training step or network call.

    On a CPU kernels allocate scratch memory, which is in no plan of the compiler. A
    call needs up to 1.2 MB on one core. On several, convolutions pack all their inputs,
    which needs up to 5 times the activations. A step, which Keras compiles, calls a
    library, and needs up to 21 % more and 3 MB on one core. With each further core
    another operation may run at the same time: with 8, a step needs twice the
    activations (`benchmarks/memory/budgets.py`).
    """
    if jax.default_backend() != "cpu":
        return activations
    cores = _cores()
    if training:
        return int((1.08 + 0.17 * cores) * activations) + cores * 4 * 2**20
    return (1 if cores == 1 else 6) * activations + 2 * 2**20


def _cores():
    """The threads in which XLA computes on a CPU: `NPROC`, or the process's cores."""
    number = os.environ.get("NPROC", "")
    if number.isdigit():
        return int(number)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # On macOS and Windows a process has all cores.
        return os.cpu_count() or 1


def bytes_in_use():
    """Bytes in use on the first device, or `None` if it has no statistics (a CPU)."""
    return (jax.devices()[0].memory_stats() or {}).get("bytes_in_use")


def measured_call(network, inputs):
    """`(fn, args, note)` for `peak`: one call of the network, as in the sampler."""

    def call(state, inputs):
        return network.stateless_call(*state, inputs, training=False)[0]

    return call, (_state(network), inputs), "compiled from `stateless_call`"


def measured_gradient(network, inputs):
    """`(fn, args, note)` for `peak`: one call of `runtime.gradient_call`."""
    args = _state(network), inputs
    return functools.partial(pulled_back, network), args, "with its gradient"


def measured_step(model, batch):
    """`(fn, args, options)` for `peak`: a training step, compiled as in Keras.

    Keras donates the state: new weights are written over the old ones.
    """
    state = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    state = tuple([_like(variable) for variable in group] for group in state)
    options = {"donated": (0,), "compiler": known_options(NO_LIBRARY)}
    return lambda state, batch: model.train_step(state, batch), (state, batch), options


def peak(fn, args, *, donated=(), compiler=None):
    """`MemoryReport` of `fn(*args)`.

    Args:
        fn: Callable.
        args: Tuple of its arguments.
        donated: Tuple of ints, the arguments whose memory `fn` may reuse.
        compiler: Dict of options of XLA. Default `None`: those of a sampling.
    """
    platform = jax.default_backend()
    notes = ()
    if platform != "cpu":
        notes = ("Workspaces that libraries choose at run time may be missing.",)
    options = compiler_options() if compiler is None else compiler
    lowered = _lower(fn, args, donated)
    compiled = lowered.compile(compiler_options=options)
    plan = compiled.memory_analysis()
    if plan is None:
        raise RuntimeError(
            "XLA gives no memory analysis on this platform. Measure on a CPU "
            f"(`JAX_PLATFORMS=cpu`). Received: platform={platform!r}."
        )
    used = plan.temp_size_in_bytes + plan.output_size_in_bytes
    if platform == "cpu":
        used += _scratch(compiled.as_text())
    return MemoryReport(
        bytes=int(used - plan.alias_size_in_bytes),
        method="compiled.memory_analysis(): temporaries and outputs",
        device=f"{platform}:0",
        library="XLA",
        exact=platform == "cpu",
        backend=f"jax {jax.__version__}, keras {keras.__version__}",
        notes=notes,
    )


def _scratch(text):
    """Bytes that a CPU's transposed convolutions need, which are in no plan.

    Such a convolution writes its products, a whole kernel for each input pixel, into
    one array, before it sums those that overlap.
    """
    most = 0
    for shape, kernel, dilation in _TRANSPOSED.findall(text):
        output, size, steps = (
            math.prod(map(int, re.findall(r"\d+", numbers)))
            for numbers in (shape, kernel, dilation)
        )
        most = max(most, 4 * output * size // steps)
    return most


def _lower(fn, args, donated):
    """Traces and lowers `fn`, for the compiler."""
    try:
        traced = jax.jit(fn, donate_argnums=donated).trace(*args)
    except Exception as error:
        error.add_note(
            "On JAX `keras_patchdpm.memory.peak` traces `fn` with `jax.jit`: write it "
            "with `keras.ops` or `jax.numpy` on its arguments, without `fit` or "
            "`predict`."
        )
        raise
    if not traced.jaxpr.eqns:
        raise ValueError(
            "Tracing `fn` found no operation, so there is nothing to measure. Write "
            "it with `keras.ops` or `jax.numpy` on its arguments: operations of NumPy "
            "are not traced. Received: "
            f"fn={getattr(fn, '__name__', fn)!r}."
        )
    return traced.lower()


def _state(network):
    """The weights as arguments: closed over, they would be counted."""
    return (
        [_like(variable) for variable in network.trainable_variables],
        [_like(variable) for variable in network.non_trainable_variables],
    )


def _like(variable):
    return jax.ShapeDtypeStruct(tuple(variable.shape), variable.dtype)
