"""Executes networks on JAX, compiled so that several threads may call them.

On JAX, `predict_on_batch` of Keras donates the memory of the weights in each call and
puts new arrays into the network. Another thread may then use deleted arrays.
"""

import functools
import threading
import weakref

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax.experimental import multihost_utils

from keras_patchdpm.runtime.backend import refuse_fork as after_fork  # noqa: F401

_compiled = weakref.WeakKeyDictionary()
_lock = threading.Lock()
# Without this option, XLA holds transposed copies of all kernels at the same time. For
# small patches those are most of the memory, and the network is not faster with them.
SCHEDULER = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}
# Without it, XLA calls a library for parts of a network, whose buffers are in no plan.
NO_LIBRARY = {"xla_cpu_experimental_ynn_fusion_type": ""}


def network_call(network):
    """The `CompiledNetwork` of `network`, always the same one."""
    with _lock:
        if network not in _compiled:
            _compiled[network] = CompiledNetwork(network)
        return _compiled[network]


class CompiledNetwork:
    """A compiled replacement of `network.predict_on_batch`.

    Args:
        network: Functional `keras.Model` over a dict of inputs. Only a weak reference
            to it is kept.
    """

    def __init__(self, network):
        self.network = reference = weakref.ref(network)

        def call(state, inputs):
            return reference().stateless_call(*state, inputs, training=False)[0]

        is_compiled = network.jit_compile and not network.run_eagerly
        self.call = compiled(call) if is_compiled else call

    def __call__(self, inputs):
        """The network's prediction, a NumPy array, for a dict of NumPy arrays."""
        return np.asarray(self.call(_state(self.network()), _distributed(inputs)))


def processes():
    """See `runtime.processes`."""
    return jax.process_count(), jax.process_index()


def same_in_all(number):
    """See `runtime.same_in_all`."""
    found = multihost_utils.process_allgather(np.int32(number))
    return len(set(found.tolist())) == 1


def value_and_gradient(function):
    """See `runtime.value_and_gradient`."""

    def call(images):
        values, back = jax.vjp(function, jnp.asarray(images))
        (gradient,) = back(jnp.ones_like(values))
        return np.asarray(values), np.asarray(gradient)

    return call


def gradient_call(reference):
    """See `runtime.gradient_call`; `reference` is a weak one to the network."""
    call = compiled(lambda state, inputs: pulled_back(reference(), state, inputs))
    return lambda inputs: np.asarray(call(_state(reference()), inputs))


def pulled_back(network, state, inputs):
    """The gradient of `gradient_call`, for the network's arrays, two lists."""

    def predict(noisy):
        own = {**inputs, "noisy": noisy}
        return network.stateless_call(*state, own, training=False)[0]

    inputs = dict(inputs)
    gradient = inputs.pop("gradient")
    prediction, back = jax.vjp(predict, inputs["noisy"])
    return back(gradient.astype(prediction.dtype))[0].astype("float32")


def compiled(function):
    """See `runtime.compiled`."""
    return jax.jit(function, compiler_options=compiler_options())


def compiled_with(references, function):
    """See `runtime.compiled_with`; `references` are weak references to the networks."""

    def call(states, *args):
        def of(reference, state):
            def network(inputs):
                held, tied = _cast_in_the_loop(state, inputs)
                return reference().stateless_call(*held, tied, training=False)[0]

            return network

        calls = tuple(map(of, references, states))
        return function(calls, _loop, *args)

    jitted = compiled(call)
    return lambda *args: jitted([_state(network()) for network in references], *args)


def free_bytes():
    """Bytes of the first device that are not in use, or `None` on a CPU."""
    stats = jax.devices()[0].memory_stats() or {}
    if "bytes_limit" not in stats:
        return None
    return stats["bytes_limit"] - stats["bytes_in_use"]


@functools.cache
def compiler_options():
    """Options of XLA with which a network needs the least memory on a CPU: a dict."""
    return known_options({**SCHEDULER, **NO_LIBRARY})


def known_options(wanted):
    """Those of the options of a CPU that this XLA has: a dict, empty elsewhere."""
    if jax.default_backend() != "cpu":
        return {}
    return {name: value for name, value in wanted.items() if _is_known(name, value)}


def _is_known(name, value):
    try:
        jax.jit(lambda x: x, compiler_options={name: value})(np.float32(0))
    except Exception:
        return False
    return True


def _cast_in_the_loop(state, inputs):
    """The same values, so that XLA casts narrow weights inside a loop over patches.

    Otherwise it casts all before the loop, and holds them twice. Weights of float32 are
    not cast; the barrier would copy them.
    """
    if all(values.dtype.itemsize >= 4 for values in jax.tree.leaves(state)):
        return state, inputs
    return jax.lax.optimization_barrier((state, inputs))


def _loop(body, count, used=None):
    """Calls `body(i)` for each `i` below `used`: see `runtime.compiled_with`."""

    def step(index, state):
        stacked, total = state
        values, number = body(index)
        return stacked.at[index].set(values), total + number

    values, number = jax.eval_shape(body, np.int32(0))
    start = jnp.zeros((count, *values.shape), values.dtype), jnp.zeros_like(number)
    return jax.lax.fori_loop(0, count if used is None else used, step, start)


def _state(network):
    """The arrays of a network's trainable and non-trainable variables, two lists."""
    return _values(network.trainable_variables), _values(
        network.non_trainable_variables
    )


def _values(variables):
    """The arrays of variables.

    Raises:
        RuntimeError: If `fit` has removed the arrays from the variables.
    """
    try:
        return [variable.value for variable in variables]
    except TypeError as error:  # Without a value, Keras calls an initializer: `None`.
        raise RuntimeError(
            "The network's weights are not available while `fit` trains the network. "
            "Sample after the training, or in a callback in the same thread with a "
            "`PatchSampler` of the `PatchDPM` that is being trained."
        ) from error


def _distributed(inputs):
    """Distributes inputs among devices, if Keras has a distribution."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return inputs
    mesh = distribution.device_mesh
    shares = mesh.shape[mesh.axis_names.index(distribution.batch_dim_name)]
    if len(next(iter(inputs.values()))) % shares:  # Each device computes all rows.
        return inputs
    return {
        name: keras.distribution.distribute_tensor(
            values, distribution.get_data_layout(values.shape)
        )
        for name, values in inputs.items()
    }
