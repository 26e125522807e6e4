"""The identity of a sampling: all that its images depend on, as plain data."""

import collections.abc
import dataclasses
import functools
import hashlib
import inspect
import json
import reprlib
import sys
import types

import keras
import numpy as np

SIZE = 16  # Bytes of a checksum.


def describe(value):
    """Plain data that differ whenever `value` leads to other images.

    They are the same in every process. A dataclass is described by its fields, except
    those declared with `metadata={"identity": False}`; an object with `get_config` by
    its result; a network by its layers and weights; a function by its code, its
    defaults and the variables that it uses.

    Args:
        value: Numbers, arrays, dataclasses, Keras objects, functions, or any object.

    Returns:
        Dicts with string keys, lists, strings, numbers and `None`, in each other.
    """
    return _describe(value, ())


def differences(saved, asked, name=""):
    """Lists the differences between two descriptions, for an error message.

    Args:
        saved, asked: Results of `describe`: of the file, and of the call.
        name: String. Name of the part, if they are parts of larger descriptions.
    """
    lists = isinstance(saved, list) and isinstance(asked, list)
    if lists and len(saved) == len(asked) and isinstance((saved or [0])[0], dict):
        return [
            line
            for number, pair in enumerate(zip(saved, asked, strict=True))
            if pair[0] != pair[1]
            for line in differences(*pair, f"{name}[{number}]")
        ]
    if not (isinstance(saved, dict) and isinstance(asked, dict)):
        there, here = reprlib.repr(saved), reprlib.repr(asked)
        return [f"`{name}` (the file has {there}, this call {here})"]
    found = [key for key in {**saved, **asked} if saved.get(key) != asked.get(key)]
    for kind in ("class", "name"):  # The other differences follow from this one.
        found = [kind] if kind in found else found
    return [
        line
        for key in found
        for line in differences(
            saved.get(key), asked.get(key), f"{name}.{key}" if name else key
        )
    ]


def _describe(value, path):
    """`describe`; `path` holds the objects around `value`, since some are cyclic."""
    if any(value is outer for outer in path):
        return "a part of itself"
    part = functools.partial(_describe, path=(*path, value))
    if value is None or isinstance(value, bool | int | float | str):
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, np.generic):
        return part(np.asarray(value)) if value.dtype.hasobject else value.item()
    if isinstance(value, bytes | bytearray):
        return {"bytes": _checksum([value])}
    if isinstance(value, type | types.ModuleType):
        return _name(value)
    if dataclasses.is_dataclass(value):
        fields = [f for f in dataclasses.fields(value) if f.metadata.get("identity", 1)]
        return {field.name: part(getattr(value, field.name)) for field in fields}
    if isinstance(value, keras.Layer) or hasattr(value, "predict_on_batch"):
        return _network(value)
    if isinstance(value, np.ndarray) or hasattr(value, "__array__"):
        return _array(_to_numpy(value), part)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return part(value._asdict())
    if isinstance(value, collections.abc.Mapping):
        return {str(key): part(item) for key, item in value.items()}
    if isinstance(value, collections.abc.Set):
        return sorted((part(item) for item in value), key=repr)
    if isinstance(value, list | tuple | range):
        return [part(item) for item in value]
    if isinstance(value, functools.partial):
        return part({"of": value.func, "args": value.args, **value.keywords})
    if hasattr(value, "get_config"):
        found = {"class": _name(type(value)), **part(value.get_config())}
        return found if _is_ours(type(value)) else {**found, "code": _code(value, part)}
    return _in_short(value, part)


def _is_ours(kind):
    """Whether a class is the package's or Keras', whose code changes with a version."""
    return kind.__module__.split(".")[0] in ("keras", "keras_patchdpm")


def _code(value, part):
    """A checksum of the methods that the user's class defines."""
    methods = vars(type(value)).items()
    used = [part(_used(one)) for _, one in sorted(methods) if inspect.isfunction(one)]
    return _checksum([json.dumps(used, sort_keys=True).encode()])


def _in_short(value, part):
    """Name of a function or another object, and a checksum of what it depends on."""
    if inspect.ismethod(value):
        name, parts = _name(value), [value.__func__, value.__self__]
    elif inspect.isfunction(value):
        name, parts = _name(value), _used(value)
    elif inspect.isroutine(value):
        name, parts = _name(value), []
    elif hasattr(value, "__wrapped__"):  # Compiled by `jax.jit` or `tf.function`.
        name, parts = _name(type(value)), [value.__wrapped__]
    else:
        name, parts = _name(type(value)), [_state(value)]
    content = json.dumps([part(item) for item in parts], sort_keys=True)
    return {"name": name, "checksum": _checksum([content.encode()])}


def _used(function):
    """All that the result of a function depends on, except its arguments."""
    codes = list(_codes(function.__code__))
    names = sorted({name for code in codes for name in code.co_names})
    return [
        [code.co_code for code in codes],
        [
            [c for c in code.co_consts if not isinstance(c, types.CodeType)]
            for code in codes
        ],
        names,
        function.__defaults__,
        function.__kwdefaults__,
        [_content(cell) for cell in function.__closure__ or ()],
        [_global(function, name) for name in names if name in function.__globals__],
    ]


def _codes(code):
    """The code of a function and of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _content(cell):
    """The value of a variable of an enclosing function."""
    try:
        return cell.cell_contents
    except ValueError:  # It has no value yet.
        return None


def _global(function, name):
    """A global variable of a function; only the name of another module's function."""
    value = function.__globals__[name]
    elsewhere = getattr(value, "__globals__", None) is not function.__globals__
    return _name(value) if inspect.isroutine(value) and elsewhere else value


def _state(value):
    """The attributes of an object, or its `repr`."""
    own = type(value).__module__.split(".")[0] not in sys.stdlib_module_names
    if hasattr(value, "__dict__") and (own or isinstance(value, types.SimpleNamespace)):
        return vars(value)
    shown = repr(value)
    return None if " at 0x" in shown else shown


def _network(network):
    """The class, the weights and, if it is a Keras model, the layers of a network."""
    found = {"class": _name(type(network))}
    if isinstance(network, keras.Layer):
        found["layers"] = _checksum([json.dumps(_layers(network)).encode()])
    weights = getattr(network, "weights", ())
    found["weights"] = _checksum(map(keras.ops.convert_to_numpy, weights))
    return found


def _layers(network):
    """The configuration of all layers, with numbers in place of their names.

    Keras numbers the names in each process by the layers built before. Seeds, such as
    those of dropout, are left out: they differ in each process, and images do not
    depend on them.
    """
    try:
        config = keras.saving.serialize_keras_object(network)
    except Exception:  # The user's layers may have no `get_config`.
        return [_name(type(layer)) for layer in getattr(network, "layers", ())]
    numbers = {}
    for name in _layer_names(config):
        numbers.setdefault(name, f"#{len(numbers)}")
    return _renamed(config, numbers)


def _layer_names(node):
    """The names of the layers in a configuration, in order; not those of policies."""
    if isinstance(node, dict):
        config = node.get("config")
        name = config.get("name") if isinstance(config, dict) else None
        if isinstance(name, str) and "Policy" not in str(node.get("class_name")):
            yield name
    if isinstance(node, dict | list | tuple):
        for item in node.values() if isinstance(node, dict) else node:
            yield from _layer_names(item)


def _renamed(node, names):
    if isinstance(node, dict):
        return {
            str(key): _renamed(item, names)
            for key, item in node.items()
            if key != "seed"
        }
    if isinstance(node, list | tuple):
        return [_renamed(item, names) for item in node]
    if isinstance(node, str):
        return names.get(node, node)
    return describe(node)


def _to_numpy(tensor):
    """Converts an array or a tensor of any library to a NumPy array."""
    if keras.ops.is_tensor(tensor) or isinstance(tensor, keras.Variable):
        return keras.ops.convert_to_numpy(tensor)
    return np.asarray(tensor.detach().cpu() if hasattr(tensor, "detach") else tensor)


def _array(array, part):
    if array.dtype.hasobject:
        return part(array.tolist())
    return {
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "checksum": _checksum([array]),
    }


def _checksum(parts):
    """Checksum of bytes and of arrays, with their shapes and types."""
    digest = hashlib.blake2b(digest_size=SIZE)
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.shape} {part.dtype}".encode())
            part = np.ascontiguousarray(part).reshape(-1).view("uint8")
        digest.update(part)
    return digest.hexdigest()


def _name(value):
    """The full name of a class, a function or a module."""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "")
    module = getattr(value, "__module__", None) or ""
    # In a process started by `multiprocessing` the main script has another name.
    return f"{'__main__' if module == '__mp_main__' else module}.{name}"
