"""The memory of one network call of a sampling, for plans."""

import functools
import weakref

from keras_patchdpm.memory._peak import backend_module
from keras_patchdpm.memory._profile import profile

_measured = weakref.WeakKeyDictionary()  # Network to its measured calls.


@functools.singledispatch
def call_bytes(network, patches, *, gradients):
    """`(weights, activations)` of a call on that many patches, in bytes.

    Networks that are not Keras' register a function of their own.

    Args:
        network: Functional `keras.Model`.
        patches: Positive int.
        gradients: Bool. Whether the call also computes gradients.
    """
    report = profile(network, batch_size=patches, gradients=gradients, timed=False)
    return report.weights, with_reserve(report.activations)


def with_reserve(activations):
    """The bytes that a plan counts for the activations of a call."""
    return backend_module().with_reserve(activations, training=False)


def known_calls(network, gradients):
    """Dict of the measured calls: numbers of patches to `(weights, activations)`."""
    return _measured.setdefault(network, {}).setdefault(gradients, {})


def measured_call(network, patches, *, gradients, verbose):
    """`call_bytes`, measured once for a network and a number of patches."""
    known = known_calls(network, gradients)
    if patches not in known:
        if verbose:
            print(f"Measuring a call of the network, patches: {patches}", flush=True)
        known[patches] = call_bytes(network, patches, gradients=gradients)
    return known[patches]
