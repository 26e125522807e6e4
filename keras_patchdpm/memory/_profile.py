"""The memory and the time of one network call of a sampling, or of a training step."""

import keras
import numpy as np

from keras_patchdpm import _checks
from keras_patchdpm.grid import PatchGrid
from keras_patchdpm.layers import PositionOneHotEmbedding
from keras_patchdpm.memory import _own_process, _training
from keras_patchdpm.memory._measuring import median_seconds, variables_bytes, with_note
from keras_patchdpm.memory._peak import backend_module
from keras_patchdpm.memory.report import ProfileReport
from keras_patchdpm.patching.tiled_model import as_tiled
from keras_patchdpm.runtime import gradient_call, network_call


def profile(
    model,
    batch_size=1,
    patches_per_call=1,
    *,
    training=False,
    optimizer=None,
    isolated=None,
    divisions=None,
    gradients=False,
    timed=True,
):
    """Measures one network call of a sampling, or one training step.

    A sampling step calls the network several times, and all calls need the same memory.

    The network is called as in `PatchSampler` (on TensorFlow as a compiled graph, on
    PyTorch as a traced one), on `batch_size * patches_per_call` random patches. The
    weights are the bytes of the network's variables. The activations are the peak of
    the call above the weights: inputs, intermediate results, scratch memory of the
    kernels, and the prediction. The time is the median of a few calls after the first.

    On TensorFlow on a CPU the call runs in a subprocess, with one operation at a time
    and with `TF_CPU_ALLOCATOR_USE_BFC=1`, without which tensors under 256 KB are not
    counted. The kernels are those of oneDNN unless `TF_ENABLE_ONEDNN_OPTS` says
    otherwise. Those of Eigen need buffers whose size depends little on the patch, so
    that memory can fall much less with the patch: the report names the library. The
    subprocess receives the network's architecture alone: define your own layers in a
    module that it can import.

    With `training=True` the step of `fit` is measured, on a copy of the model: the
    model and its optimizer do not change. The activations are then the peak of the step
    above the weights and the variables of the optimizer: they include the gradients. Of
    `RandomPatching`, the step with the largest peak counts.

    Args:
        model: `PatchDPM`, the result of its `tiled`, or a functional network over a
            dict of named inputs with at least `noisy` `(B, h, w, C)` and
            `timestep` `(B,)`. For a training: a `PatchDPM`.
        batch_size: Positive int. Images that are sampled together, or `batch_size` of
            `fit`. Default 1.
        patches_per_call: Positive int. Patches of each image in one call, as in
            `PatchSampler`: at most the patches of a step, which are `(N + 1) ** 2` for
            a shifted grid. Default 1.
        training: Bool. Whether to measure a training step. Default: a sampling.
        optimizer: Keras optimizer of the training. Default `None`: that of `compile`.
        isolated: Bool. Whether to measure in a subprocess. Default `None`: only on
            TensorFlow on a CPU, which needs it.
        divisions: Positive int or a pair `(rows, cols)`: the grid, if `model` is a
            network. Default `None`: that of the model, or unknown.
        gradients: Bool. Whether the call computes the gradient by its noisy patches, as
            sampling with a `Measurement` does. Default: no, it predicts.
        timed: Bool. Whether to time the call as well. Without, JAX only compiles: calls
            that do not fit in memory can be measured. Default: yes.

    Returns:
        `ProfileReport`, where `seconds` is `None` if not timed.

    Raises:
        TypeError: If `model` is none of these, or a count is not an int.
        ValueError: If a count is out of range, an input or its size is missing, or a
            training has no optimizer.
        RuntimeError: If the backend is not supported, or the subprocess failed.

    Example:

    >>> report = kp.memory.profile(model, batch_size=4)
    >>> print(report.activations, report.peak, report.measured.method)
    >>> report = kp.memory.profile(model, batch_size=32, training=True)
    >>> print(report.weights, report.optimizer, report.activations)
    """
    timed = _checks.boolean("timed", timed)
    batch_size = _checks.positive_int("batch_size", batch_size)
    if isolated is not None:
        isolated = _checks.boolean("isolated", isolated)
    if _checks.boolean("training", training):
        _training.refuse_sampling(
            patches_per_call=(patches_per_call, 1),
            divisions=(divisions, None),
            gradients=(gradients, False),
        )
        return _training.profile(
            model, batch_size, optimizer=optimizer, isolated=isolated, timed=timed
        )
    _training.refuse_optimizer(optimizer)
    tiled = as_tiled(model) if hasattr(model, "network") else None
    network = model if tiled is None else tiled.network
    _input_specs(network)
    grid = _grid(tiled, divisions)
    patches_per_call = _checks.integer(
        "patches_per_call",
        patches_per_call,
        minimum=1,
        maximum=_num_patches(network, tiled, grid),
    )
    options = {
        "batch_size": batch_size,
        "patches_per_call": patches_per_call,
        "divisions": grid and grid.divisions,
        "gradients": _checks.boolean("gradients", gradients),
        "timed": timed,
    }
    backend = backend_module()
    if isolated is None:
        isolated = backend.needs_own_process()
    if isolated:
        request = {"network": _own_process.described(network), **options}
        modules = _own_process.modules(network)
        return _own_process.profile(request, modules, backend.environment())
    return measure(network, **options)


def measure(network, *, batch_size, patches_per_call, divisions, gradients, timed):
    """`profile` of a network in this process, with validated arguments."""
    inputs = _inputs(_input_specs(network), batch_size, patches_per_call)
    if gradients:
        inputs["gradient"] = np.ones_like(inputs["noisy"])
    measured = _measure(backend_module(), network, inputs, gradients=gradients)
    call = (gradient_call if gradients else network_call)(network)
    return ProfileReport(
        weights=variables_bytes(network.variables),
        activations=measured.bytes,
        seconds=median_seconds(lambda: call(inputs)) if timed else None,
        divisions=divisions and tuple(divisions),
        batch_size=batch_size,
        patches_per_call=patches_per_call,
        measured=measured,
    )


def _measure(backend, network, inputs, *, gradients):
    """`MemoryReport` of a network call after compilation."""
    of_call = backend.measured_gradient if gradients else backend.measured_call
    fn, args, note = of_call(network, inputs)
    measured = backend.peak(fn, args)
    return with_note(measured, f"Measured: one call of the network, {note}.")


def _input_specs(network):
    """Dict of the network's inputs: name to `(shape without batch, dtype)`."""
    if not isinstance(network, keras.Model):
        raise TypeError(
            "`model` must be a `PatchDPM` or a functional `keras.Model`. The memory of "
            "other networks cannot be measured: leave a `memory_budget` out. "
            f"Received: model={network!r} (of type {type(network).__name__})."
        )
    try:
        inputs = network.input
    except (AttributeError, ValueError):  # A subclass, or not called yet.
        inputs = None
    names = sorted(inputs) if isinstance(inputs, dict) else None
    if not names or not {"noisy", "timestep"} <= set(names):
        raise ValueError(
            "The network must be a functional model over a dict of named inputs with "
            "at least `noisy` and `timestep`: `keras.Model({'noisy': noisy, "
            "'timestep': timestep, ...}, outputs)`. Received: "
            f"inputs={names or inputs!r}."
        )
    specs = {name: (tuple(x.shape[1:]), x.dtype) for name, x in inputs.items()}
    for name, (shape, _) in specs.items():
        if None in shape:
            raise ValueError(
                f"The network's input `{name}` has no fixed size, so its memory cannot "
                "be measured. Pass `model.tiled(4)` of its `PatchDPM`, or build the "
                "network for one patch size. "
                f"Received: shape={(None, *shape)}."
            )
    return specs


def _grid(tiled, divisions):
    """The `PatchGrid` of the patches, or `None` if it is unknown."""
    grid = None if tiled is None else tiled.stages[-1].tiling.grid
    if divisions is None:
        return grid
    given = PatchGrid(divisions)
    if grid is not None and given != grid:
        raise ValueError(
            f"`divisions` contradicts the model, whose grid is {grid.divisions}. Leave "
            f"`divisions` out. Received: divisions={divisions}."
        )
    return given


def _num_patches(network, tiled, grid):
    """The patches of an image in a step, the most in a call; `None` if unknown."""
    if tiled is not None:  # A shifted grid has more patches than `divisions` say.
        return tiled.num_patches
    return grid.num_patches if grid else _embedded_places(network)


def _embedded_places(network):
    """The number of patches in the network's one-hot position, or `None`."""
    for layer in network.layers:
        if isinstance(layer, PositionOneHotEmbedding):
            return layer.num_patches
    return None


def _inputs(specs, batch_size, patches_per_call):
    """Random patches, at the first positions of the grid and timestep 0."""
    rng = np.random.default_rng(0)
    count = batch_size * patches_per_call
    inputs = {}
    for name, (shape, dtype) in specs.items():
        if name == "patch_index":
            values = np.repeat(np.arange(patches_per_call), batch_size)
        elif keras.backend.is_float_dtype(dtype):
            values = rng.standard_normal((count, *shape))
            dtype = "float32"  # NumPy lacks some of Keras' types; Keras casts.
        else:
            values = np.zeros((count, *shape))
        inputs[name] = values.astype(dtype)
    return inputs
