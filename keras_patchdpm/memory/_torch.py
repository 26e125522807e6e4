"""Peak memory on PyTorch: statistics of CUDA, or events of the profiler on a CPU."""

import gc
import json
import os
import pathlib
import tempfile

import keras
import torch
from torch.profiler import ProfilerActivity

from keras_patchdpm.memory.report import MemoryReport
from keras_patchdpm.runtime import gradient_call, network_call


def environment():
    """No environment variables: PyTorch needs none."""
    return {}


def prepare():
    """Does nothing: PyTorch needs no preparation in a new process."""


def needs_own_process():
    """`False`: both methods count only the memory of the computation itself."""
    return False


def with_reserve(activations, *, training):
    """The measured bytes: they include the scratch memory of the kernels."""
    return activations


def bytes_in_use():
    """Bytes in use on the GPU of Keras, or `None` without a GPU."""
    device = keras.ops.zeros((1,)).device
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else None


def measured_call(network, inputs):
    """`(fn, args, note)` for `peak`: one call as in the sampler, after tracing."""
    call = network_call(network)
    call(inputs)  # Traces.
    return call, (inputs,), "traced; results are freed after use"


def measured_gradient(network, inputs):
    """`(fn, args, note)` for `peak`: one call of `gradient_call`, after another."""
    call = gradient_call(network)
    call(inputs)
    return call, (inputs,), "with its gradient"


def measured_step(model, batch):
    """`(fn, args, options)` for `peak`: a training step after another one."""
    x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
    model.train_on_batch(x, y)  # Some kernels allocate memory once.
    model.zero_grad()  # The profiler would not see that the step frees them.

    def two_steps():  # The second begins with the gradients of the first.
        for _ in range(2):
            model.train_on_batch(x, y)

    return two_steps, (), {}


def peak(fn, args):
    """`MemoryReport` of `fn(*args)`."""
    device = str(keras.ops.zeros((1,)).device)
    gc.collect()
    if device.startswith("cuda"):
        return _cuda_peak(fn, args, device)
    if device != "cpu":
        raise RuntimeError(
            "On PyTorch memory can be measured on `cpu` and `cuda` devices. Choose one "
            "with the environment variable `KERAS_TORCH_DEVICE`. "
            f"Received: device={device!r}."
        )
    enabled = torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled
    return MemoryReport(
        bytes=_cpu_bytes(fn, args),
        method="torch.profiler: highest running sum of the [memory] events",
        device=device,
        library="oneDNN (mkldnn)" if enabled else "ATen",
        exact=False,
        backend=_versions(),
        notes=("Scratch memory of the kernels varies by a few percent.",),
    )


def _cpu_bytes(fn, args):
    """The largest number of bytes that were allocated and not yet freed."""
    # Below this log level, PyTorch's profiler prints two lines on each use.
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")
    with torch.profiler.profile(
        activities=[ProfilerActivity.CPU], profile_memory=True
    ) as profiler:
        result = fn(*args)
    del result
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "trace.json")
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    events = [event for event in events if event.get("name") == "[memory]"]
    held = highest = 0
    for event in sorted(events, key=lambda event: event["ts"]):
        held += event["args"]["Bytes"]
        highest = max(highest, held)
    return highest


def _cuda_peak(fn, args, device):
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    base = torch.cuda.memory_allocated(device)
    result = fn(*args)
    torch.cuda.synchronize(device)
    highest = torch.cuda.max_memory_allocated(device)
    del result
    return MemoryReport(
        bytes=highest - base,
        method="torch.cuda.max_memory_allocated",
        device=device,
        library=f"CUDA {torch.version.cuda}",
        exact=False,
        backend=_versions(),
        notes=("Blocks are rounded up to 512 bytes.",),
    )


def module_bytes(module, fn, *args):
    """`(weights, activations)` of `fn(*args)`, which calls a PyTorch module, in bytes.

    Keras may have any backend.
    """
    device = str(next(module.parameters()).device)
    weights = sum(one.nbytes for one in (*module.parameters(), *module.buffers()))
    if device.startswith("cuda"):
        return weights, _cuda_peak(fn, args, device).bytes
    return weights, _cpu_bytes(fn, args)


def _versions():
    return f"torch {torch.__version__}, keras {keras.__version__}"
