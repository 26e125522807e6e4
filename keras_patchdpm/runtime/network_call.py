"""One call of a network, in as little memory as the backend can."""

import keras

from keras_patchdpm import _checks
from keras_patchdpm.runtime.backend import SUPPORTED, backend_module, backend_name
from keras_patchdpm.runtime.process import check_process


def network_call(network):
    """What the sampler runs: `network.predict_on_batch`, or what does better.

    On TensorFlow that is `predict_on_batch`, which is compiled. On JAX it is the same
    without giving the weights' memory away, so that several threads may call it. On
    PyTorch the network is traced once for each size of input, and what no later layer
    needs is freed, which Keras does not do.

    Args:
        network: Functional `keras.Model` over a dict of inputs, or anything else with
            `predict_on_batch`, which is then called.

    Returns:
        Function of a dict of NumPy arrays to a NumPy array, which several threads may
        call.

    Raises:
        TypeError: If `network` is no such object.
        RuntimeError: In a process that was forked, see `check_process`.
    """
    check_process()
    _checks.like(
        "network", network, asked=("predict_on_batch",), example="model.network"
    )
    if not isinstance(network, keras.Model) or backend_name() not in SUPPORTED:
        return network.predict_on_batch
    return backend_module().network_call(network)
