"""Builds the parts of a model from plain data, which may be untrusted."""

import inspect
import json

from keras_patchdpm import _checks
from keras_patchdpm.presets._config import MOST_BETAS

MOST_ELEMENTS = 64  # The longest list in a configuration, except:
_LONG = {"beta_schedule": MOST_BETAS}
MOST = 10**6  # The largest int in a configuration.


def build(part, makers, arguments, **others):
    """Calls the builder or class of a configuration.

    Args:
        part: Name of the part, such as `"schedule"`, for error messages.
        makers: Dict of names to functions or classes.
        arguments: Dict of a `name` in `makers` and its arguments, plain data.
        **others: Further arguments, which are passed if the function has them.

    Returns:
        The object that the function returns.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If the name or an argument is unknown or out of range.
    """
    arguments = dict(arguments)
    name = arguments.pop("name", None)
    _checks.one_of(f"{part}.name", name, tuple(makers))
    known = inspect.signature(makers[name]).parameters
    others = {key: value for key, value in others.items() if key in known}
    open_ones = [key for key in known if key not in (*others, "name")]
    unknown = [key for key in arguments if key not in open_ones]
    if unknown:
        raise ValueError(
            f"{name} accepts the arguments {', '.join(open_ones) or 'none'}. "
            f"Received: the unknown arguments {unknown[:20]}."
        )
    for key in open_ones:
        if key in arguments:
            _check_plain(key, arguments[key])
            if isinstance(known[key].default, bool):
                _checks.boolean(key, arguments[key])
        elif known[key].default is inspect.Parameter.empty:
            raise ValueError(
                f"{name} needs the argument `{key}`. Received: {list(arguments)}."
            )
    return makers[name](**arguments, **others)


def with_defaults(makers, arguments):
    """Adds to `arguments` the defaults of the arguments that are not in it."""
    known = inspect.signature(makers[arguments["name"]]).parameters.values()
    defaults = {one.name: one.default for one in known if one.default is not one.empty}
    return json.loads(json.dumps({**defaults, **arguments}))  # Lists for tuples.


def named(part, makers, value):
    """The plain data of an object, from which `build` builds it again.

    Args:
        part: Name of the part, such as `"schedule"`, for error messages.
        makers: Dict of names to classes.
        value: Instance of one of these classes.

    Returns:
        Dict of `name` and the arguments of the constructor.

    Raises:
        ValueError: If `value` is of another class.
    """
    for name, maker in makers.items():
        if type(value) is maker:
            return {"name": name, **value.get_config()}
    raise ValueError(
        f"The {part} of a preset must be one of {', '.join(makers)}. Save other models "
        f"with `model.save('model.keras')`. Received: {part}={value!r}."
    )


def _check_plain(name, value):
    """Refuses numbers and lists above the limits of a configuration."""
    if isinstance(value, list | tuple):
        most = _LONG.get(name, MOST_ELEMENTS)
        if len(value) > most:
            raise ValueError(
                f"`{name}` must have at most {most} elements. "
                f"Received: {len(value)} elements."
            )
        for element in value:
            _check_plain(name, element)
    elif isinstance(value, int) and not isinstance(value, bool):
        _checks.integer(name, value, minimum=-MOST, maximum=MOST)
    elif isinstance(value, float):
        _checks.real(name, value)
