"""A network on JAX, compiled so that several threads may call it.

Keras' `predict_on_batch` gives the memory of the weights away in each call and puts the
arrays that come back into the network: another thread finds arrays that are gone.
"""

import threading
import weakref

import jax
import keras
import numpy as np

_compiled = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def network_call(network):
    """The call of `network`, one for all who ask."""
    with _lock:
        if network not in _compiled:
            _compiled[network] = CompiledNetwork(network)
        return _compiled[network]


class CompiledNetwork:
    """What `network.predict_on_batch` is, with the weights as arguments.

    Args:
        network: Functional `keras.Model` over a dict of inputs. It is not kept alive.
    """

    def __init__(self, network):
        self.network = reference = weakref.ref(network)

        def call(trainable, non_trainable, inputs):
            state = trainable, non_trainable
            return reference().stateless_call(*state, inputs, training=False)[0]

        compiled = network.jit_compile and not network.run_eagerly
        self.call = jax.jit(call) if compiled else call

    def __call__(self, inputs):
        """The prediction, a NumPy array, for a dict of NumPy arrays."""
        network = self.network()
        trainable = _values(network.trainable_variables)
        non_trainable = _values(network.non_trainable_variables)
        return np.asarray(self.call(trainable, non_trainable, _distributed(inputs)))


def _values(variables):
    """The arrays that variables hold.

    Raises:
        RuntimeError: If `fit` holds them.
    """
    try:
        return [variable.value for variable in variables]
    except TypeError as error:  # Keras looks for an initializer, and there is none.
        raise RuntimeError(
            "The network's weights are held by `fit`, which is training it. Sample "
            "with a `PatchSampler` of the `PatchDPM` that is trained, in a callback "
            "of the same thread, or after the training."
        ) from error


def _distributed(inputs):
    """Inputs shared out among devices, if Keras has a distribution."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return inputs
    mesh = distribution.device_mesh
    shares = mesh.shape[mesh.axis_names.index(distribution.batch_dim_name)]
    if len(next(iter(inputs.values()))) % shares:  # Then each computes all rows.
        return inputs
    return {
        name: keras.distribution.distribute_tensor(
            values, distribution.get_data_layout(values.shape)
        )
        for name, values in inputs.items()
    }
