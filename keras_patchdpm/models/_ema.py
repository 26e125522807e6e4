"""The averaged weights that a Keras optimizer keeps (`use_ema=True`)."""

import contextlib

from keras import ops


def averages(optimizer):
    """Pairs each trainable variable of a built optimizer with its average.

    The one place that uses a private name of Keras: it has no public one for them.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if not getattr(optimizer, "use_ema", False):
        raise ValueError(
            "There are no averaged weights. Compile the model with an optimizer that "
            "keeps them, such as `keras.optimizers.Adam(1e-4, use_ema=True)`, and "
            "train it. "
            f"Received: optimizer={type(optimizer).__name__}, use_ema=False."
        )
    if not optimizer.built:
        raise ValueError(
            "The optimizer has no averaged weights yet. Train the model first."
        )
    moving = optimizer._model_variables_moving_average
    return list(zip(optimizer._trainable_variables, moving, strict=True))


@contextlib.contextmanager
def averaged(optimizer):
    """Puts the averages in place of the weights; puts the exact weights back after."""
    pairs = averages(optimizer)
    kept = [ops.convert_to_numpy(variable) for variable, _ in pairs]
    for variable, average in pairs:
        variable.assign(average)
    try:
        yield
    finally:
        for (variable, _), value in zip(pairs, kept, strict=True):
            variable.assign(value)
