"""Stores the large weights of an ONNX file in fewer bits."""

import importlib

import numpy as np

from keras_patchdpm.networks.int8 import is_large

# The axis of the output channels of a kernel, by the operator that uses it.
_AXES = {"Conv": 0, "ConvTranspose": 1}


def store(path, precision):
    """Replaces large weights by ones in fewer bits, which operators then convert.

    The networks compute in float32. Converted weights are used by one operator at a
    time, unless a runtime converts all of them when it loads the file. Records of the
    exporter, such as the lines of code on this machine, are removed.

    Args:
        path: `Path` of the `.onnx` file, which is overwritten.
        precision: `"float32"`, `"float16"`, or `"int8"` with a scale for each output
            channel.

    Raises:
        RuntimeError: If the exporter wrote a file that is not valid.
    """
    onnx = importlib.import_module("onnx")
    model = onnx.load(path)
    graph = model.graph
    for part in (graph, *graph.node, *graph.initializer, *graph.value_info):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    if precision != "float32":
        _convert(onnx, graph, precision)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        # tf2onnx adds what is the same at all pixels to a convolution as a second bias.
        raise RuntimeError(
            "The file that was exported is no valid ONNX: the exporter of this backend "
            "cannot convert the network with this number of patches. Choose more "
            "`patches_per_call`, or export on the other backend, torch or tensorflow. "
            f"Received: {path.name}. The error is: {error}"
        ) from error
    onnx.save(model, path)


def _convert(onnx, graph, precision):
    """Replaces the large weights of a graph."""
    axes = {name: _axis(node) for node in graph.node for name in node.input}
    converters, tensors = [], []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or not is_large(tensor.dims):
            tensors.append(tensor)
            continue
        array = onnx.numpy_helper.to_array(tensor)
        stored, node = _converter(
            onnx, tensor.name, array, precision=precision, axis=axes[tensor.name]
        )
        tensors += [onnx.numpy_helper.from_array(x, key) for key, x in stored.items()]
        converters.append(node)
    nodes = [*converters, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(tensors)
    graph.node.extend(nodes)


def _axis(node):
    """The axis of the output channels of the kernel of an operator."""
    transposed = any(one.name == "transB" and one.i for one in node.attribute)
    return 0 if transposed else _AXES.get(node.op_type, -1)


def _converter(onnx, name, array, *, precision, axis):
    """`(stored, node)`: arrays by name, and the operator that converts them."""
    narrow, make = f"{name}.{precision}", onnx.helper.make_node
    if precision == "float16":
        stored = {narrow: array.astype("float16")}
        return stored, make("Cast", [narrow], [name], to=onnx.TensorProto.FLOAT)
    axis %= array.ndim
    others = tuple(one for one in range(array.ndim) if one != axis)
    scale = np.abs(array).max(axis=others, keepdims=True) / np.float32(127)
    scale = np.where(scale > 0, scale, 1).astype("float32")
    scales = f"{name}.scale"
    stored = {narrow: np.rint(array / scale).astype("int8"), scales: scale.ravel()}
    return stored, make("DequantizeLinear", [narrow, scales], [name], axis=axis)
