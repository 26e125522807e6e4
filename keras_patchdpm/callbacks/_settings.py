"""Settings that a resumed training must share with the first one."""

import json


def plain(name, settings):
    """Converts settings to the types of JSON, with lists in place of tuples.

    Args:
        name: Name of the argument, for error messages.
        settings: Dict, or `None` for an empty one.

    Raises:
        TypeError: If `settings` is no dict, or has values that JSON cannot represent.
    """
    settings = {} if settings is None else settings
    if not isinstance(settings, dict):
        raise TypeError(
            f"`{name}` must be a dict. Received: {name}={settings!r} "
            f"(of type {type(settings).__name__})."
        )
    try:
        return json.loads(json.dumps(settings, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(
            f"`{name}` may contain only dicts, lists, strings, finite numbers, bools "
            f"and None ({error}). Received: {name}={settings!r}."
        ) from error


def differences(one, other):
    """Lists the differences between two dicts.

    Args:
        one, other: Dicts, which may hold dicts.

    Returns:
        List of `(name, value, other value)`, three strings. The value is `nothing` if a
        dict does not have the key. The name of a key in an inner dict is
        `outer.inner`.
    """
    found = []
    for key in dict.fromkeys([*one, *other]):
        values = one.get(key, _MISSING), other.get(key, _MISSING)
        if all(isinstance(value, dict) for value in values):
            inner = differences(*values)
            found += [(f"{key}.{name}", *rest) for name, *rest in inner]
        elif values[0] != values[1]:
            texts = ("nothing" if v is _MISSING else repr(v) for v in values)
            found.append((str(key), *texts))
    return found


_MISSING = object()
