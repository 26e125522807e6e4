"""Amounts of memory: as people write them, and what is in use now."""

import re

import psutil

from keras_patchdpm import _checks
from keras_patchdpm.memory.peak import SUPPORTED, backend_module, backend_name

UNITS = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
}


def parse_bytes(name, amount):
    """Bytes of an int, or of a string such as `"300MB"` or `"1.5 GiB"`.

    Args:
        name: Name of the argument, for the message.
        amount: Positive int or string; MB is a million bytes, MiB 2**20.

    Returns:
        Int.

    Raises:
        TypeError: If it is neither.
        ValueError: If it is not positive, or cannot be read.
    """
    if not isinstance(amount, str):
        return _checks.positive_int(name, amount)
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", amount)
    if found is None or found[2].upper() not in UNITS or float(found[1]) == 0:
        raise ValueError(
            f"`{name}` must be a positive number of bytes, or one with a unit: B, KB, "
            f'MB, GB, KiB, MiB or GiB, as in "300MB". Received: {name}={amount!r}.'
        )
    return int(float(found[1]) * UNITS[found[2].upper()])


def current():
    """Bytes in use now: of the device's memory, or of this process on a CPU.

    Returns:
        Int.
    """
    used = None
    if backend_name() in SUPPORTED:
        used = backend_module().bytes_in_use()
    return psutil.Process().memory_info().rss if used is None else used
