"""Peak memory on JAX: the compiler's plan of its buffers, without a run."""

import jax
import keras

from keras_patchdpm.memory.report import MemoryReport
from keras_patchdpm.runtime._jax import compiler_options

# On a CPU, XLA may fuse operations into calls of a library that allocates memory
# itself. Those buffers are in no plan. An empty type turns these fusions off.
CPU_OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": ""}


def environment():
    """No environment variables: JAX needs none."""
    return {}


def prepare():
    """Does nothing: JAX needs no preparation in a new process."""


def needs_own_process():
    """`False`: the compiler's plan does not depend on the process."""
    return False


def bytes_in_use():
    """Bytes in use on the first device, or `None` if it has no statistics (a CPU)."""
    return (jax.devices()[0].memory_stats() or {}).get("bytes_in_use")


def measured_call(network, inputs):
    """`(fn, args, note)` for `peak`: one call of the network, as in the sampler."""

    def call(trainable, non_trainable, inputs):
        state = trainable, non_trainable
        return network.stateless_call(*state, inputs, training=False)[0]

    # Weights are arguments: closed over, they would be counted.
    weights = (
        [_like(variable) for variable in network.trainable_variables],
        [_like(variable) for variable in network.non_trainable_variables],
    )
    return call, (*weights, inputs), "compiled from `stateless_call`"


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
    options = {"donated": (0,), "compiler": {}}
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
    lowered = _lower(fn, args, donated)
    options = compiler_options() if compiler is None else compiler
    library, exact, notes = "XLA", True, ()
    if platform == "cpu":
        library = "XLA (without fusions into library calls)"
        options = {**options, **CPU_OPTIONS}
    else:
        exact = False
        notes = ("Workspaces that libraries choose at run time may be missing.",)
    try:
        compiled = lowered.compile(compiler_options=options)
    except RuntimeError as error:
        # Raises again if the options of the CPU were not the cause.
        compiled = lowered.compile(compiler_options=compiler)
        library, exact = "XLA", False
        notes = (f"Buffers inside library calls are not counted: {error}",)
    plan = compiled.memory_analysis()
    if plan is None:
        raise RuntimeError(
            "XLA gives no memory analysis on this platform. Measure on a CPU "
            f"(`JAX_PLATFORMS=cpu`). Received: platform={platform!r}."
        )
    used = plan.temp_size_in_bytes + plan.output_size_in_bytes
    return MemoryReport(
        bytes=int(used - plan.alias_size_in_bytes),
        method="compiled.memory_analysis(): temporaries and outputs",
        device=f"{platform}:0",
        library=library,
        exact=exact,
        backend=f"jax {jax.__version__}, keras {keras.__version__}",
        notes=notes,
    )


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


def _like(variable):
    return jax.ShapeDtypeStruct(tuple(variable.shape), variable.dtype)
