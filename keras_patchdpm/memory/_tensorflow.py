"""Peak memory on TensorFlow: the allocator's own statistics."""

import functools
import gc
import os

import keras
import numpy as np
import tensorflow as tf

from keras_patchdpm.memory.report import MemoryReport

SMALL = 2**14  # Floats, 64 KB: under the 256 KB that TensorFlow's default skips.
RESERVE = (2**11, 2**20)  # Bytes: 2 GiB, more than most works need.


def environment():
    """What must be set before TensorFlow starts, for true figures on a CPU."""
    return {
        "TF_CPU_ALLOCATOR_USE_BFC": "1",  # Counts allocations of every size.
        "TF_ENABLE_ONEDNN_OPTS": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1"),
        "TF_NUM_INTEROP_THREADS": "1",  # One operation at a time: figures repeat.
    }


def prepare():
    """Gives the CPU's allocator one large block to cut from, in a new process.

    It starts with small blocks, and hands out a piece of up to twice the size asked
    for rather than cut a block. The large block is never touched: it takes no memory.
    """
    with tf.device("CPU:0"):
        tf.raw_ops.Empty(shape=RESERVE, dtype=tf.uint8, init=False)


def needs_own_process():
    """On a CPU, since `environment` must be set before TensorFlow starts."""
    return not tf.config.list_physical_devices("GPU")


def bytes_in_use():
    """Of the first GPU, or `None` without one."""
    if not tf.config.list_physical_devices("GPU"):
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["current"]


def measured_call(network, inputs):
    """`(fn, args)` for `peak`, a note: one warm call, as the sampler runs it."""
    network.predict_on_batch(inputs)  # Compiles.
    return network.predict_on_batch, (inputs,), "a graph that Keras compiled before"


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
            "`keras_patchdpm.memory.profile`, which does so in a process of its own. "
            f"TensorFlow said: {error}"
        ) from error
    result = fn(*args)
    tf.test.experimental.sync_devices()
    highest = tf.config.experimental.get_memory_info(device)["peak"]
    del result
    if counts_small:
        notes += ("The allocator may hand out more than was asked: an upper bound.",)
    else:
        notes += (
            "Nothing under 256 KB is counted: set `TF_CPU_ALLOCATOR_USE_BFC=1` before "
            "TensorFlow is imported for a true figure.",
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
    """Whether the statistics see a small tensor come."""
    with tf.device(device):
        before = tf.config.experimental.get_memory_info(device)["current"]
        small = tf.zeros((SMALL,))
        after = tf.config.experimental.get_memory_info(device)["current"]
        del small
    return after > before


@functools.cache
def _library(device):
    """The library whose convolutions run, and notes on it."""
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
    """Names of the operations that TensorFlow really runs for a convolution."""
    v1 = tf.compat.v1
    metadata = v1.RunMetadata()
    with tf.Graph().as_default(), tf.device("CPU:0"):
        image = v1.placeholder("float32", (1, 8, 8, 8))  # Fed: it is not folded away.
        kernel = tf.zeros((3, 3, 8, 8))
        convolved = tf.nn.conv2d(image, kernel, strides=1, padding="SAME")
        options = v1.RunOptions(output_partition_graphs=True)
        with v1.Session() as session:
            values = {image: np.zeros(image.shape)}
            session.run(convolved, values, options=options, run_metadata=metadata)
    return [node.op for graph in metadata.partition_graphs for node in graph.node]
