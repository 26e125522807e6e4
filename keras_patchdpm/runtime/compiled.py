"""Compiles functions of tensors that stay on the device."""

import threading
import weakref

from keras_patchdpm.runtime.backend import SUPPORTED, backend_module, backend_name

_compiled = weakref.WeakKeyDictionary()  # Network to its compiled functions.
_lock = threading.Lock()


def compiled(function):
    """Compiles a function of tensors, once for each set of shapes.

    Args:
        function: Callable of tensors, written with `keras.ops`.

    Returns:
        The compiled function. On PyTorch, the function without gradients.
    """
    return backend_module().compiled(function)


def compiled_with(networks, key, make):
    """Compiles a function that calls networks, once for each key.

    Args:
        networks: Tuple of functional `keras.Model`s. Only weak references to them are
            kept.
        key: Hashable: all that the function depends on, except the networks.
        make: Function without arguments, which returns `function(calls, loop, *args)`:
            `calls` holds one function of a dict of tensors for each network.
            `loop(body, count, used)` calls `body(i)` for each `i` below `used`, one
            after another; `body` returns a float32 tensor and an int32 scalar, `loop`
            `count` tensors stacked, of which those after `used` have any values, and
            the sum of the scalars. `used` is an int32 scalar, or `None` for `count`.

    Returns:
        Function of `args`, tensors.
    """
    with _lock:
        known = _compiled.setdefault(networks[0], {})
        key = (key, *(id(network) for network in networks[1:]))
        found = known.get(key)
        if found is None or any(
            ours() is not theirs
            for ours, theirs in zip(found[0], networks[1:], strict=True)
        ):
            references = tuple(weakref.ref(network) for network in networks)
            function = backend_module().compiled_with(references, make())
            found = known[key] = (references[1:], function)
        return found[1]


def may_compile(network):
    """Whether a function that calls a `keras.Model` may be compiled."""
    if backend_name() not in SUPPORTED or network.run_eagerly:
        return False
    return backend_name() != "jax" or bool(network.jit_compile)


def free_bytes():
    """Bytes of the device that are not in use, or `None` if they are not reported."""
    return backend_module().free_bytes() if backend_name() in SUPPORTED else None
