"""Settings of a training that a resumed one must share."""

import json


def plain(name, settings):
    """`settings` as JSON gives them back, with lists for tuples.

    Args:
        name: Name of the argument, for the message.
        settings: Dict, or `None` for an empty one.

    Raises:
        TypeError: If they are no dict, or hold what JSON has no form for.
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
            f"`{name}` may hold dicts, lists, strings, finite numbers, bools and None "
            f"({error}). Received: {name}={settings!r}."
        ) from error


def differences(one, other):
    """Lists what differs between two dicts, by name.

    Args:
        one, other: Dicts, which may hold dicts.

    Returns:
        List of `(name, value, other value)`, of strings, `nothing` where a dict has no
        such key; a name within a dict has that dict's name and a dot before it.
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
