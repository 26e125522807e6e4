"""Refuses arrays that no memory of this machine can hold."""

import psutil

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def check_fits(num_bytes, received):
    """Refuses an array that is larger than the machine's memory, before it is made.

    Without it the system may grant the memory and end the process when it is used.

    Args:
        num_bytes: Int. Size of the array.
        received: String. The arguments that ask for it, as `"count=3"`.

    Raises:
        ValueError: If it is larger.
    """
    total = psutil.virtual_memory().total
    if num_bytes > total:
        raise ValueError(
            f"The images need {_text(num_bytes)} of memory, and this machine has "
            f"{_text(total)}. Choose fewer or smaller ones. Received: {received}."
        )


def _text(num_bytes):
    """`num_bytes` in the largest unit of which there is at least one."""
    power = min((max(num_bytes, 1).bit_length() - 1) // 10, len(_UNITS) - 1)
    return f"{num_bytes / 2 ** (10 * power):.4g} {_UNITS[power]}"
