"""The arguments that a network was built with, so that it can be built again."""

import weakref

_arguments = weakref.WeakKeyDictionary()


def record(network, arguments):
    """Records how `network` was built; called by the builders.

    Args:
        network: Functional `keras.Model`.
        arguments: Dict of the builder's `name` and its arguments as plain data, without
            patching and schedule; or `None` if they are unknown.

    Returns:
        `network`.
    """
    if arguments is not None:
        _arguments[network] = arguments
    return network


def recorded(network):
    """The arguments that a network was built with.

    Args:
        network: Functional `keras.Model`.

    Returns:
        Dict of the builder's `name` and its arguments, or `None` if no builder of this
        package has built the network.
    """
    found = _arguments.get(network)
    return None if found is None else dict(found)
