"""Recognises the errors that backends raise when memory runs out."""

# Names of classes, and parts of messages of errors whose class is not specific.
_CLASSES = ("ResourceExhaustedError", "OutOfMemoryError", "MemoryError")
_MESSAGES = ("RESOURCE_EXHAUSTED", "out of memory", "can't allocate memory")


def is_out_of_memory(error):
    """Whether an exception says that host or device has no memory left.

    Errors are recognised by name and message, so that no backend is imported:
    TensorFlow's `ResourceExhaustedError`, PyTorch's `OutOfMemoryError` and the message
    of its CPU allocator, JAX's `RESOURCE_EXHAUSTED`, Python's and NumPy's
    `MemoryError`.

    Args:
        error: Exception.

    Returns:
        Bool.
    """
    names = {parent.__name__ for parent in type(error).__mro__}
    if names & set(_CLASSES):
        return True
    told = str(error).lower()
    return any(message.lower() in told for message in _MESSAGES)
