"""Validates command-line options, formats help, and runs a command."""

import argparse
import contextlib
import math
import sys
import warnings

from keras_patchdpm import _files, presets


class HelpFormatter(argparse.HelpFormatter):
    """Shows the default of every option that has one and a help text."""

    def _get_help_string(self, action):
        shown = action.option_strings and action.nargs != 0
        if shown and action.default not in (None, argparse.SUPPRESS):
            return f"{action.help} (default: %(default)s)"
        return action.help


def run(parser, arguments):
    """Parses `arguments` and runs the command; errors become one line.

    Args:
        parser: `argparse.ArgumentParser`. It, or its subparsers, set the defaults
            `run`, a function of the options; `parser`, which reports wrong options; and
            `interrupted`, a function of the options that returns what is kept after
            Ctrl-C.
        arguments: List of strings, or `None` for those of the command line.

    Returns:
        Int, the exit status: 0, 2 after an error, 130 after Ctrl-C.
    """
    options, unknown = parser.parse_known_args(arguments)
    if unknown:  # Prints the usage of the command, not of the list of commands.
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        options.run(options)
    except KeyboardInterrupt:
        return _report(f"interrupted. {options.interrupted(options)}", 130)
    except (TypeError, ValueError, ImportError) as error:
        return _report(str(error), 2)
    except OSError as error:
        reason = error.strerror or str(error)
        named = error.filename is None or str(error.filename) in reason
        return _report(reason if named else f"{error.filename}: {reason}", 2)
    except MemoryError as error:
        hint = "Choose fewer or smaller images, or a smaller batch."
        return _report(f"out of memory ({error}). {hint}", 2)
    return 0


@contextlib.contextmanager
def warnings_as_lines():
    """Prints each `UserWarning` of a block as one line, without the code's place."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        finally:
            for warning in caught:
                print(f"warning: {warning.message}", file=sys.stderr)


def positive_int(text):
    """An int of at least 1."""
    return _int(text, 1)


def non_negative_int(text):
    """An int of at least 0."""
    return _int(text, 0)


def indices(text):
    """A range of ints for `"A:B"`: from A to B - 1."""
    first, colon, end = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"must be A:B, such as 0:64, not {text!r}")
    numbers = range(non_negative_int(first), non_negative_int(end))
    if not numbers:
        raise argparse.ArgumentTypeError(f"B must be above A in A:B, not {text!r}")
    return numbers


def positive_number(text):
    """A finite number above 0."""
    return _number(text, "a number above 0", lambda value: value > 0)


def share(text):
    """A number in [0, 1]."""
    return _number(text, "a number in [0, 1]", lambda value: 0 <= value <= 1)


def size(text):
    """An int, or `[height, width]` for `"HxW"`: a list, as in JSON."""
    parts = text.lower().split("x")
    if len(parts) > 2:
        raise argparse.ArgumentTypeError(f"must be pixels or HxW, not {text!r}")
    sides = [positive_int(part) for part in parts]
    return sides[0] if len(sides) == 1 else sides


def path(text):
    """A path with `~` expanded, as a string, since it may also be a name."""
    try:
        return str(_files.path_of("path", text))
    except (ValueError, RuntimeError) as error:  # No such user has a home.
        raise argparse.ArgumentTypeError(f"must be a path, not {text!r}") from error


def preset(text):
    """A path with `~` expanded, a name, or an address such as `hf://user/name`."""
    try:
        return presets.as_text("path", text)
    except (ValueError, RuntimeError) as error:  # No such user has a home.
        raise argparse.ArgumentTypeError(f"must be a path, not {text!r}") from error


def _int(text, minimum):
    try:
        value = int(text)
    except ValueError:
        value = minimum - 1
    if value < minimum:
        raise argparse.ArgumentTypeError(
            f"must be an int of at least {minimum}, not {text!r}"
        )
    return value


def _number(text, wanted, accepts):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and accepts(value)):
        raise argparse.ArgumentTypeError(f"must be {wanted}, not {text!r}")
    return value


def _report(message, status):
    """Prints an error message; returns the exit status."""
    print(f"error: {message}", file=sys.stderr)
    return status
