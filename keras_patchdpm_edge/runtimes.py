"""Calls exported networks with ONNX Runtime or LiteRT, with little memory."""

import importlib

PACKAGES = {"onnx": "onnxruntime", "litert": "ai-edge-litert"}


def network_call(path, runtime, threads=None):
    """The function that calls an exported network.

    Args:
        path: `Path` of the `.onnx` or `.tflite` file.
        runtime: `"onnx"` or `"litert"`.
        threads: Positive int. Default `None`: 1.

    Returns:
        Function of a dict of arrays to the prediction, a float32 array. Its attribute
        `inputs` is a dict of names to shapes.

    Raises:
        ImportError: If the package of the runtime is not installed.
    """
    return {"onnx": _onnx, "litert": _litert}[runtime](str(path), threads or 1)


def _onnx(path, threads):
    ort = _package("onnxruntime", "onnx")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Four savings, none of which costs much time. An arena keeps the most memory that
    # was ever used. Other layouts and packed kernels are copies of the weights, and so
    # are weights of few bits that are converted when the file is loaded.
    options.enable_cpu_mem_arena = False
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.add_session_config_entry("session.disable_prepacking", "1")
    session = ort.InferenceSession(
        path,
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["ConstantFolding"],
    )

    def call(inputs):
        return session.run(None, inputs)[0]

    call.inputs = {value.name: tuple(value.shape) for value in session.get_inputs()}
    return call


def _litert(path, threads):
    package = _package("ai_edge_litert.interpreter", "litert")
    # The default delegate, XNNPACK, is faster and copies all weights.
    kernels = package.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = package.Interpreter(
        path, num_threads=threads, experimental_op_resolver_type=kernels
    )
    runner = interpreter.get_signature_runner()
    (output,) = runner.get_output_details()

    def call(inputs):
        return runner(**inputs)[output]

    call.inputs = {
        name: tuple(value["shape"].tolist())
        for name, value in runner.get_input_details().items()
    }
    return call


def _package(name, runtime):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"This model needs the package {PACKAGES[runtime]}. Run `pip install "
            f"{PACKAGES[runtime]}`. Received: runtime={runtime!r}."
        ) from error
