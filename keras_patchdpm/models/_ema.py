"""The averaged weights that a Keras optimizer keeps (`use_ema=True`)."""

import contextlib
import sys
import warnings

from keras import ops


def averages(optimizer):
    """Pairs of each trainable variable of an optimizer and its average.

    Only this function uses private names of Keras: there are no public ones.
    """
    given = type(optimizer).__name__
    optimizer = _inner(optimizer)
    if not getattr(optimizer, "use_ema", False):
        raise ValueError(
            "There are no averaged weights. Compile the model with an optimizer that "
            "keeps them, such as `keras.optimizers.Adam(1e-4, use_ema=True)`, and "
            f"train it. Received: optimizer={given}, use_ema=False."
        )
    if not optimizer.built or not int(optimizer.iterations):
        raise ValueError(
            "The optimizer has no averaged weights yet, because it has made no step. "
            "Train the model first."
        )
    moving = optimizer._model_variables_moving_average
    return list(zip(optimizer._trainable_variables, moving, strict=True))


@contextlib.contextmanager
def averaged(optimizer):
    """Context in which the averages replace the weights, which are restored after."""
    pairs = averages(optimizer)
    kept = [ops.convert_to_numpy(variable) for variable, _ in pairs]
    for variable, average in pairs:
        # A copy: JAX reuses the memory of the weights in each call. The averages must
        # not share it.
        variable.assign(ops.convert_to_numpy(average))
    try:
        yield
    finally:
        for (variable, _), value in zip(pairs, kept, strict=True):
            variable.assign(value)


@contextlib.contextmanager
def finalized_at_the_end(optimizer):
    """Context for `fit` of Keras on JAX, with `use_ema=True`; corrects two faults.

    At the end of `fit`, Keras replaces the weights by the averages. It also does so
    after an exception, which hides the exception if the weights have no values: in this
    context it does not. On JAX, weights and averages are then one array, whose memory
    the next step reuses, and the averages are lost: in this context they are copied.
    """
    optimizer = _inner(optimizer)
    if not getattr(optimizer, "use_ema", False):
        yield
        return
    finalize = optimizer.finalize_variable_values
    outside = sys.exc_info()[1]

    def finalize_variable_values(variables):
        if sys.exc_info()[1] is not outside:
            return  # `fit` ends with an exception.
        finalize(variables)
        for variable in variables:
            variable.assign(ops.convert_to_numpy(variable))

    optimizer.finalize_variable_values = finalize_variable_values
    try:
        yield
    finally:
        del optimizer.finalize_variable_values


def warn_of_accumulation(optimizer):
    """Warns of averaged weights with gradient accumulation.

    Keras updates the averages after every batch, but the weights less often.
    """
    optimizer = _inner(optimizer)
    steps = getattr(optimizer, "gradient_accumulation_steps", None)
    if steps and optimizer.use_ema:
        momentum = optimizer.ema_momentum
        warnings.warn(
            f"With `gradient_accumulation_steps={steps}`, Keras updates the averaged "
            f"weights {steps} times per update of the weights. So "
            f"`ema_momentum={momentum:.6g}` acts as {momentum:.6g}**{steps} = "
            f"{momentum**steps:.6g} per update of the weights. For {momentum:.6g} per "
            f"update, use `ema_momentum={momentum ** (1 / steps):.6g}`.",
            stacklevel=3,
        )


def _inner(optimizer):
    """The optimizer inside a `LossScaleOptimizer`, or the optimizer itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)
