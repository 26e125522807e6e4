"""Executes networks on PyTorch, as graphs that free each result after its last use.

Keras runs a functional model layer by layer, and keeps the output of every layer until
the call ends. Here the network is traced once for each size of input. The graph has the
same operations in the same order, and frees each result after its last use.

Only one thread at a time: while PyTorch traces, it changes `torch.nn.Module` globally.
"""

import threading
import warnings
import weakref

import keras
import torch
from torch.fx.experimental.proxy_tensor import make_fx

_COPY = torch.ops.aten.clone.default
_ANY_LAYOUT = {
    torch.ops.aten.convolution.default,
    torch.ops.aten.constant_pad_nd.default,
}
_traced = weakref.WeakKeyDictionary()
_lock = threading.RLock()


def network_call(network):
    """The `TracedNetwork` of `network`, always the same one."""
    with _lock:
        if network not in _traced:
            _traced[network] = TracedNetwork(network)
        return _traced[network]


def gradient_call(reference):
    """See `runtime.gradient_call`; `reference` is a weak one to the network."""

    def pulled_back(inputs):
        inputs = {name: keras.ops.convert_to_tensor(x) for name, x in inputs.items()}
        gradient = inputs.pop("gradient")
        with torch.enable_grad():
            noisy = inputs["noisy"] = inputs["noisy"].detach().requires_grad_()
            prediction = reference()(inputs, training=False)
            gradient = gradient.to(prediction.dtype)
            (found,) = torch.autograd.grad(prediction, noisy, gradient)
        return keras.ops.convert_to_numpy(found.float())

    return pulled_back


def value_and_gradient(function):
    """See `runtime.value_and_gradient`."""

    def call(images):
        with torch.enable_grad():
            images = keras.ops.convert_to_tensor(images).detach().requires_grad_()
            values = function(images)
        gradient = None
        if values.requires_grad:
            (gradient,) = torch.autograd.grad(values.sum(), images, allow_unused=True)
        values = keras.ops.convert_to_numpy(values.detach())
        if gradient is not None:
            gradient = keras.ops.convert_to_numpy(gradient)
        return values, gradient

    return call


def module_call(module):
    """See `runtime.torch_call`."""

    def call(images, timestep):
        weight = next(module.parameters())
        images = torch.tensor(images, dtype=weight.dtype, device=weight.device)
        timesteps = torch.full((len(images),), timestep, device=weight.device)
        with torch.no_grad():
            result = module(images, timesteps)
        return getattr(result, "sample", result).float().cpu().numpy()

    return call


def compiled(function):
    """See `runtime.compiled`; on PyTorch the function is not compiled."""
    return torch.no_grad()(function)


def compiled_with(references, function):
    """See `runtime.compiled_with`; `references` are weak references to the networks."""

    def of(reference):
        return lambda inputs: network_call(reference()).of_tensors(inputs)

    calls = tuple(map(of, references))
    return compiled(lambda *args: function(calls, _loop, *args))


def free_bytes():
    """Bytes of the GPU that are not in use, or `None` on a CPU."""
    device = keras.ops.zeros((1,)).device
    if device.type != "cuda":
        return None
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + held


def after_fork():
    """Sets one thread: a forked process does not have the threads of OpenMP."""
    torch.set_num_threads(1)


def _loop(body, count, used=None):
    """Calls `body(i)` for each `i` below `used`: see `runtime.compiled_with`."""
    stacked, total = None, 0
    for index in range(count if used is None else used):
        values, number = body(index)
        if stacked is None:
            stacked = values.new_empty((count, *values.shape))
        stacked[index] = values
        total = total + number
    return stacked, total


class TracedNetwork:
    """A replacement of `network.predict_on_batch` that needs less memory and time.

    Weights may change after tracing: the graph reads the current ones.

    Args:
        network: Functional `keras.Model` over a dict of inputs. Only a weak reference
            to it is kept.
    """

    def __init__(self, network):
        self.network = weakref.ref(network)
        self.graphs = {}

    def __call__(self, inputs):
        """The network's prediction, a NumPy array, for a dict of NumPy arrays."""
        tensors = {
            name: keras.ops.convert_to_tensor(values) for name, values in inputs.items()
        }
        return keras.ops.convert_to_numpy(self.of_tensors(tensors))

    def of_tensors(self, inputs):
        """The network's prediction, a tensor, for a dict of tensors."""
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
        """The graph for inputs of these sizes, or `None` if tracing fails."""
        network = self.network()
        _kernels_to_channels_last(network)

        def call(*tensors):
            return network(dict(zip(names, tensors, strict=True)), training=False)

        # Fake tensors have a shape, but no memory. The weights are real tensors, so
        # that the graph reads them.
        trace = make_fx(call, tracing_mode="fake", _allow_non_fake_inputs=True)
        try:
            return _without_copies(trace(*tensors))
        except Exception as error:
            warnings.warn(
                "PyTorch could not trace the network, so each call keeps the output of "
                "every layer and needs more memory. The usual cause is a layer whose "
                f"code depends on the values of its inputs. PyTorch says: {error}",
                RuntimeWarning,
                stacklevel=2,
            )
            return None


def _without_copies(traced):
    """Removes copies into another memory layout before convolutions and padding.

    For each convolution Keras copies the image into the layout of PyTorch, and back
    into the one that it had. Both operations accept every layout.
    """
    for node in reversed(traced.graph.nodes):  # First the second of two copies.
        if node.target is _COPY and _ANY_LAYOUT.issuperset(
            user.target for user in node.users
        ):
            node.replace_all_uses_with(node.args[0])
            traced.graph.erase_node(node)
    traced.recompile()
    return traced


def _kernels_to_channels_last(network):
    """Changes the memory layout of kernels to that of PyTorch's convolutions.

    Kernels of Keras have the shape `(h, w, in, out)` and that order in memory, so that
    PyTorch would transpose a copy in every call. Shapes and values do not change.
    """
    for variable in network.weights:
        if len(variable.shape) == 4:
            kernel = variable.value.data.permute(3, 2, 0, 1)
            kernel = kernel.contiguous(memory_format=torch.channels_last)
            variable.value.data = kernel.permute(2, 3, 1, 0)
