"""A network call with as little memory as possible on the backend, and gradients."""

import importlib
import threading
import weakref

import keras

from keras_patchdpm import _checks
from keras_patchdpm.runtime.backend import (
    SUPPORTED,
    backend_module,
    backend_name,
    check_process,
)

_gradients = weakref.WeakKeyDictionary()  # Network to its function of gradients.
_lock = threading.Lock()


def network_call(network):
    """The function with which the sampler calls a network.

    On TensorFlow it is `predict_on_batch`, which is compiled. On JAX it is the same
    without donating the memory of the weights, so that several threads may call it. On
    PyTorch the network is traced once for each size of input, so that each result is
    freed after its last use; Keras does not free it.

    Args:
        network: Functional `keras.Model` over a dict of inputs, or another object with
            a method `predict_on_batch`, which is then used.

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


def gradient_call(network):
    """The function that computes gradients by the noisy patches of a network.

    Args:
        network: Functional `keras.Model` over a dict of inputs.

    Returns:
        Function of a dict of NumPy arrays: the network's inputs, and as `"gradient"`
        the gradient of a number by the network's prediction. It returns the gradient
        of that number by the input `noisy`, a float32 NumPy array.

    Raises:
        RuntimeError: In a process that was forked, see `check_process`.
    """
    check_process()
    with _lock:
        if network not in _gradients:
            reference = weakref.ref(network)
            _gradients[network] = backend_module().gradient_call(reference)
        return _gradients[network]


def value_and_gradient(function):
    """Differentiates a function of images.

    Args:
        function: Callable of a float32 tensor `(B, H, W, C)`, which returns one number
            for each image, a tensor `(B,)` that depends on this image alone.

    Returns:
        Function of a NumPy array `(B, H, W, C)`, which returns two NumPy arrays: the
        numbers, and the gradient of each by its image. The gradient is `None` if the
        function is not differentiable.
    """
    check_process()
    return backend_module().value_and_gradient(function)


def torch_call(module):
    """The function that calls a PyTorch module, whatever the backend of Keras.

    Args:
        module: `torch.nn.Module`, called as `module(images, timesteps)` with tensors
            `(B, C, h, w)` and `(B,)`. Its result, or the attribute `sample` of it, is
            returned.

    Returns:
        Function of a NumPy array `(B, C, h, w)` and a number to a float32 NumPy array.
    """
    return importlib.import_module("keras_patchdpm.runtime._torch").module_call(module)
