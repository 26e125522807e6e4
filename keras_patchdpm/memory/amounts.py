"""Amounts of memory: strings such as `"300MB"`, and the memory in use."""

import decimal
import numbers
import re

import psutil

from keras_patchdpm.memory._peak import backend_module
from keras_patchdpm.runtime import SUPPORTED, backend_name

UNITS = {"": 1, "B": 1}
for _power, _letter in enumerate("KMGT", 1):
    UNITS |= {_letter: 1000**_power, f"{_letter}B": 1000**_power}
    UNITS[f"{_letter}IB"] = 1024**_power

_AMOUNT = re.compile(
    r"\s*([0-9]{1,30}(?:\.[0-9]{0,30})?(?:[eE]\+?[0-9]{1,2})?)\s*([A-Za-z]*)\s*"
)


def parse_bytes(name, amount):
    """Converts an amount of memory, such as `"300MB"` or `"1.5 GiB"`, to bytes.

    Args:
        name: Name of the argument, for the error message.
        amount: Positive int, a float that is a whole number (`3e8`), or a string of a
            number with or without a unit: `"300000000"`, `"3e8"`, `"300M"`,
            `"300MB"`, `"1.5GiB"`. K, M, G and T are powers of 1000, with or without a
            B; KiB, MiB, GiB and TiB are powers of 1024.

    Returns:
        Int.

    Raises:
        TypeError: If `amount` is neither a number nor a string.
        ValueError: If `amount` is not positive, not a whole number of bytes, or no
            such string.

    Example:

    >>> kp.memory.parse_bytes("budget", "1.5GiB")
    1610612736
    """
    if isinstance(amount, str):
        found = _AMOUNT.fullmatch(amount)
        unit = None if found is None else UNITS.get(found[2].upper())
        whole = 0 if unit is None else decimal.Decimal(found[1]) * unit
        if unit == 1 and whole % 1:
            whole = 0  # Refuses parts of a byte.
    elif isinstance(amount, numbers.Real) and not isinstance(amount, bool):
        # Neither NaN nor infinity is a whole number.
        whole = amount if amount == amount // 1 else 0
    else:
        raise TypeError(f"{_wanted(name)} {_received(name, amount)}")
    if whole < 1:
        raise ValueError(f"{_wanted(name)} {_received(name, amount)}")
    return int(whole)


def _wanted(name):
    return (
        f"`{name}` must be a positive whole number of bytes, or a string of a number "
        'with a unit: B, K, M, G, T, KB, KiB and so on, as in "300MB", "1.5GiB" or '
        '"3e8".'
    )


def _received(name, amount):
    return f"Received: {name}={amount!r} (of type {type(amount).__name__})."


def current():
    """Bytes in use now: of the device's memory, or on a CPU of this process.

    Returns:
        Int.

    Example:

    >>> before = kp.memory.current()
    """
    used = None
    if backend_name() in SUPPORTED:
        used = backend_module().bytes_in_use()
    return psutil.Process().memory_info().rss if used is None else used
