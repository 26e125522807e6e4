"""The arguments that a network was built with, so that it can be built again."""

import weakref

_arguments = weakref.WeakKeyDictionary()


def record(network, arguments):
    """Remembers how `network` was built.

    Args:
        network: Functional `keras.Model`.
        arguments: Dict of the builder's `name` and its arguments, plain data, without
            patching and schedule; or `None` if they are not known.

    Returns:
        `network`.
    """
    if arguments is not None:
        _arguments[network] = arguments
    return network


def recorded(network):
    """The arguments that `record` remembered, or `None`.

    Args:
        network: Functional `keras.Model`.

    Returns:
        Dict of the builder's `name` and its arguments, or `None` if the network is no
        builder's of this package.
    """
    found = _arguments.get(network)
    return None if found is None else dict(found)
