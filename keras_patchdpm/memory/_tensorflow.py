"""Peak memory on TensorFlow: the statistics of its allocator."""

import functools
import gc
import math
import os

import keras
import numpy as np
import tensorflow as tf

from keras_patchdpm.memory.report import MemoryReport
from keras_patchdpm.runtime import gradient_call

SMALL = 2**14  # Floats, 64 KB: below the 256 KB that the default allocator ignores.
RESERVE = (2**11, 2**20)  # Bytes: 2 GiB, more than most computations need.


def environment():
    """Environment variables for a subprocess, for correct results on a CPU."""
    return {
        "TF_CPU_ALLOCATOR_USE_BFC": "1",  # Counts allocations of every size.
        "TF_ENABLE_ONEDNN_OPTS": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1"),
        "TF_NUM_INTEROP_THREADS": "1",  # One operation at a time: reproducible results.
    }


def prepare():
    """Lets the CPU allocator reserve one large block; called in a new subprocess.

    The allocator starts with small blocks. Rather than split one, it returns a piece of
    up to twice the requested size, which would be counted. The large block is never
    written to, and so uses no physical memory.
    """
    with tf.device("CPU:0"):
        tf.raw_ops.Empty(shape=RESERVE, dtype=tf.uint8, init=False)


def needs_own_process():
    """Whether there is no GPU: on a CPU `environment` must be set at the start."""
    return not tf.config.list_physical_devices("GPU")


def with_reserve(activations, *, training):
    """The bytes that a plan counts for a measured training step or network call.

    On a CPU a step is measured with one operation at a time. In a training there are
    several at the same time, which then needs up to 11 % more memory
    (`benchmarks/memory/budgets.py`).
    """
    if training and needs_own_process():
        return math.ceil(1.15 * activations)
    return activations


def bytes_in_use():
    """Bytes in use on the first GPU, or `None` without a GPU."""
    if not tf.config.list_physical_devices("GPU"):
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["current"]


def measured_call(network, inputs):
    """`(fn, args, note)` for `peak`: one call as in the sampler, after compilation."""
    network.predict_on_batch(inputs)  # Compiles.
    return network.predict_on_batch, (inputs,), "a graph that Keras compiled before"


def measured_gradient(network, inputs):
    """`(fn, args, note)` for `peak`: one call of `gradient_call`, after another."""
    call = gradient_call(network)
    call(inputs)
    return call, (inputs,), "with its gradient"


def measured_step(model, batch):
    """`(fn, args, options)` for `peak`: a training step, after compilation."""
    x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
    model.train_on_batch(x, y)  # Compiles.
    return model.train_on_batch, (x, y), {}


def peak(fn, args):
    """`MemoryReport` of `fn(*args)`."""
    device = "GPU:0" if tf.config.list_logical_devices("GPU") else "CPU:0"
    library, notes = _library(device)
    try:
        counts_small = _counts_small(device)
        gc.collect()
        tf.config.experimental.reset_memory_stats(device)
        base = tf.config.experimental.get_memory_info(device)["current"]
    except ValueError as error:
        raise RuntimeError(
            f"TensorFlow keeps no memory statistics for {device}: without oneDNN its "
            "default CPU allocator has none. Set the environment variable "
            "`TF_CPU_ALLOCATOR_USE_BFC=1` before TensorFlow is imported, or use "
            "`keras_patchdpm.memory.profile`, which sets it in a subprocess. "
            f"TensorFlow said: {error}"
        ) from error
    result = fn(*args)
    tf.test.experimental.sync_devices()
    highest = tf.config.experimental.get_memory_info(device)["peak"]
    del result
    if counts_small:
        notes += ("An upper bound: the allocator may return more than was requested.",)
    else:
        notes += (
            "Tensors under 256 KB are not counted. To count them, set "
            "`TF_CPU_ALLOCATOR_USE_BFC=1` before TensorFlow is imported.",
        )
    return MemoryReport(
        bytes=int(highest - base),
        method=f"tf.config.experimental.get_memory_info({device!r})",
        device=device,
        library=library,
        exact=False,
        backend=f"tensorflow {tf.__version__}, keras {keras.__version__}",
        notes=notes,
    )


def _counts_small(device):
    """Whether the statistics of the allocator count a small tensor."""
    with tf.device(device):
        before = tf.config.experimental.get_memory_info(device)["current"]
        small = tf.zeros((SMALL,))
        after = tf.config.experimental.get_memory_info(device)["current"]
        del small
    return after > before


@functools.cache
def _library(device):
    """`(name, notes)` of the library whose convolutions run."""
    if device != "CPU:0":
        return "CUDA", ()
    if any("Mkl" in name for name in _operations_of_a_convolution()):
        return "oneDNN", ()
    note = (
        "Eigen packs convolutions into buffers whose size may depend little on the "
        "patch: memory can fall less than with oneDNN (`TF_ENABLE_ONEDNN_OPTS=1`)."
    )
    return "Eigen", (note,)


def _operations_of_a_convolution():
    """Names of the operations that TensorFlow executes for a convolution."""
    v1 = tf.compat.v1
    metadata = v1.RunMetadata()
    with tf.Graph().as_default(), tf.device("CPU:0"):
        image = v1.placeholder("float32", (1, 8, 8, 8))  # A constant would be folded.
        kernel = tf.zeros((3, 3, 8, 8))
        convolved = tf.nn.conv2d(image, kernel, strides=1, padding="SAME")
        options = v1.RunOptions(output_partition_graphs=True)
        with v1.Session() as session:
            values = {image: np.zeros(image.shape)}
            session.run(convolved, values, options=options, run_metadata=metadata)
    return [node.op for graph in metadata.partition_graphs for node in graph.node]
