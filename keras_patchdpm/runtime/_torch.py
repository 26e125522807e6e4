"""Executes networks on PyTorch, each as a graph that frees what is used no more.

Keras runs a functional model layer by layer, and keeps every layer's output until the
call ends. Traced once for a size of input, the same operations run in the same order
without Keras between them, and each result is freed after its last use.

One thread at a time: while PyTorch traces, it changes `torch.nn.Module` for all.
"""

import threading
import warnings
import weakref

import keras
import torch
from torch.fx.experimental.proxy_tensor import make_fx

_traced = weakref.WeakKeyDictionary()
_lock = threading.RLock()


def network_call(network):
    """The call of `network`, one for all who ask."""
    with _lock:
        if network not in _traced:
            _traced[network] = TracedNetwork(network)
        return _traced[network]


def compiled(function):
    """See `runtime.compiled`: PyTorch runs it as it is."""
    return torch.no_grad()(function)


def compiled_with(references, function):
    """See `runtime.compiled_with`; `references` are weak ones of the networks."""

    def of(reference):
        return lambda inputs: network_call(reference()).of_tensors(inputs)

    calls = tuple(map(of, references))
    return compiled(lambda *args: function(calls, _loop, *args))


def free_bytes():
    """Bytes of the GPU that are not in use, `None` on a CPU."""
    device = keras.ops.zeros((1,)).device
    if device.type != "cuda":
        return None
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + held


def after_fork():
    """Computes in one thread: those that OpenMP has started are not in a child."""
    torch.set_num_threads(1)


def _loop(body, count):
    """Calls `body(i)` in turn, and returns its results, stacked and added up."""
    stacked, total = None, 0
    for index in range(count):
        values, number = body(index)
        if stacked is None:
            stacked = values.new_empty((count, *values.shape))
        stacked[index] = values
        total = total + number
    return stacked, total


class TracedNetwork:
    """What `network.predict_on_batch` is, in less memory and time.

    Weights may change after tracing: the graph reads them where they lie.

    Args:
        network: Functional `keras.Model` over a dict of inputs. It is not kept alive.
    """

    def __init__(self, network):
        self.network = weakref.ref(network)
        self.graphs = {}

    def __call__(self, inputs):
        """The prediction, a NumPy array, for a dict of NumPy arrays."""
        tensors = {
            name: keras.ops.convert_to_tensor(values) for name, values in inputs.items()
        }
        return keras.ops.convert_to_numpy(self.of_tensors(tensors))

    def of_tensors(self, inputs):
        """The prediction, a tensor, for a dict of tensors."""
        names = sorted(inputs)
        tensors = [inputs[name] for name in names]
        key = tuple(
            (name, tensor.shape, tensor.dtype)
            for name, tensor in zip(names, tensors, strict=True)
        )
        with _lock, torch.no_grad():
            if key not in self.graphs:
                self.graphs[key] = self._trace(names, tensors)
            if self.graphs[key] is None:
                return self.network()(inputs, training=False)
            return self.graphs[key](*tensors)

    def _trace(self, names, tensors):
        """The graph for inputs of those sizes, or `None` if there is none."""
        network = self.network()
        _kernels_to_channels_last(network)

        def call(*tensors):
            return network(dict(zip(names, tensors, strict=True)), training=False)

        # Fake tensors have a shape and no memory: tracing takes none. The weights are
        # real, so that the graph reads them.
        trace = make_fx(call, tracing_mode="fake", _allow_non_fake_inputs=True)
        try:
            return trace(*tensors)
        except Exception as error:
            warnings.warn(
                "The network could not be traced, so each call of it keeps the output "
                "of every layer and takes more memory. Layers that ask for values of "
                f"their inputs are the usual cause. PyTorch said: {error}",
                RuntimeWarning,
                stacklevel=2,
            )
            return None


def _kernels_to_channels_last(network):
    """Lays kernels out in memory as PyTorch's convolutions read them.

    Keras' have the shape `(h, w, in, out)` and that order in memory, and PyTorch turns
    a copy in every call. They keep their shape, and what is in them.
    """
    for variable in network.weights:
        if len(variable.shape) == 4:
            kernel = variable.value.data.permute(3, 2, 0, 1)
            kernel = kernel.contiguous(memory_format=torch.channels_last)
            variable.value.data = kernel.permute(2, 3, 1, 0)
