"""Executes networks on TensorFlow, as graphs."""

import functools
import threading
import weakref

import tensorflow as tf

from keras_patchdpm.runtime.backend import refuse_fork as after_fork  # noqa: F401

# Python's `if` and `while` stay Python's, as in the functions that Keras compiles:
# to convert them takes a tenth of the time of tracing.
_graph_function = functools.partial(tf.function, autograph=False)
_graphs = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def network_call(network):
    """`predict_on_batch` of the network, which Keras compiles."""
    return network.predict_on_batch


def value_and_gradient(function):
    """See `runtime.value_and_gradient`."""

    def call(images):
        images = tf.convert_to_tensor(images)
        with tf.GradientTape() as tape:
            tape.watch(images)
            values = function(images)
        gradient = tape.gradient(values, images)
        return values.numpy(), None if gradient is None else gradient.numpy()

    return call


def gradient_call(reference):
    """See `runtime.gradient_call`; `reference` is a weak one to the network."""

    def pulled_back(inputs):
        inputs = dict(inputs)
        gradient, noisy = inputs.pop("gradient"), inputs["noisy"]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(noisy)
            prediction = reference()(inputs, training=False)
        gradient = tf.cast(gradient, prediction.dtype)
        return tf.cast(tape.gradient(prediction, noisy, gradient), "float32")

    call = _graph_function(pulled_back, reduce_retracing=True)

    def of_arrays(inputs):
        inputs = {name: tf.convert_to_tensor(x) for name, x in inputs.items()}
        return call(inputs).numpy()

    return of_arrays


def compiled(function):
    """See `runtime.compiled`."""
    return _graph_function(function, reduce_retracing=True)


def compiled_with(references, function):
    """See `runtime.compiled_with`; `references` are weak references to the networks."""

    def of(reference):
        return lambda inputs: _graph(reference())(inputs)

    calls = tuple(map(of, references))
    return _graph_function(lambda *args: function(calls, _loop, *args))


def free_bytes():
    """`None`: TensorFlow reports the memory in use, but not the total memory."""


def _graph(network):
    """The `tf.function` of a network, always the same one: it is traced once."""
    with _lock:
        if network not in _graphs:
            reference = weakref.ref(network)
            _graphs[network] = _graph_function(
                lambda inputs: reference()(inputs, training=False)
            )
        return _graphs[network]


def _loop(body, count, used=None):
    """Calls `body(i)` for each `i` below `used`: see `runtime.compiled_with`."""
    used = count if used is None else used

    def step(index, arrays, total):
        values, number = body(index)
        return index + 1, arrays.write(index, values), total + number

    state = (0, tf.TensorArray("float32", count), 0)
    # One at a time: a second call in parallel would need the memory of more patches.
    state = tf.while_loop(lambda i, *_: i < used, step, state, parallel_iterations=1)
    return state[1].stack(), state[2]
