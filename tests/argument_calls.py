"""Calls every public callable with wrong arguments, and judges what comes of it.

`python tests/argument_calls.py --report [NAME ...]` prints what is wrong, by callable.
"""

import contextlib
import inspect
import pathlib
import signal
import sys
import tempfile
import time
import traceback
import types
import warnings

if __name__ == "__main__":  # pytest has both in its path.
    sys.path[:0] = [str(pathlib.Path(__file__).parents[number]) for number in (0, 1)]

import keras_patchdpm as kp

# isort: split
from argument_table import ENTRIES
from argument_values import KINDS, VALUES

from keras_patchdpm import models, patching, samplers, schedules

HOME = str(pathlib.Path(kp.__file__).parent)
# By the messages, as the docs do.
CALLED = {
    "x": "images",
    "y": "labels",
    "images": "images",
    "image_shape": "larger image",
    "memory_budget": "budget",
}
SECONDS = 20  # More is a hang, on any machine.
NAMESPACES = {
    "": kp,
    "models.": models,
    "patching.": patching,
    "samplers.": samplers,
    "schedules.": schedules,
}
# Made by the package, and read by users.
RESULTS = {
    "Description",
    "FeatureStatistics",
    "Score",
    "MemoryPlan",
    "MemoryReport",
    "ProfileReport",
    "TrainingPlan",
    "NoiseLevel",
    "TiledModel",
}
# What those who extend the package build or subclass: `testing` checks it.
EXTENSIONS = set(
    "InputSpec Patching Stage Schedule Solver Coefficients check_layer check_patching "
    "check_schedule check_solver randomise".split()
)
# Methods that Keras calls, or that other parts of the package call with what they
# made themselves; `compile`, whose arguments are Keras'; methods that always refuse.
INNER = set(
    "build call compile_from_config compute_loss compute_output_shape from_config "
    "get_compile_config get_config load_own_variables save_own_variables test_step "
    "train_step make_train_function make_test_function on_epoch_begin "
    "on_epoch_end on_train_batch_end on_train_begin on_train_end fixed on_host "
    "get_metrics_result set_epoch warn_of_broken compile predict predict_on_batch "
    "export "
    "of misfit measure attach_state prepare prepare_batch used check_fits guide_inputs "
    "example stages tilings options_of target at_strength "
    "of_arrays of_open_sizes sampling_divisions window_sizes refuse tiling "
    "tiles axes draw corners coefficients correction noise_first check_schedule "
    "add_noise clean weight make_loss alpha_sigma resize features "
    "cut transform labels".split()
)


def public_callables():
    """Names of all public callables, as in `ENTRIES`, to themselves."""
    found = {}
    for prefix, namespace in NAMESPACES.items():
        _collect(namespace, prefix, found, set(found.values()))
    return found


def _collect(namespace, prefix, found, known):
    for name in _public(namespace):
        value = getattr(namespace, name)
        if isinstance(value, types.ModuleType):
            _collect(value, f"{prefix}{name}.", found, known)
        elif (
            callable(value) and name not in RESULTS | EXTENSIONS and value not in known
        ):
            known.add(value)
            found[prefix + name] = value
            if isinstance(value, type):
                _collect_methods(value, prefix + name, found, known)


def _collect_methods(kind, prefix, found, known):
    own = [k for k in kind.__mro__ if k.__module__.startswith("keras_patchdpm")]
    for name, value in ((n, v) for ancestor in own for n, v in vars(ancestor).items()):
        function = getattr(value, "__func__", value)
        hidden = name.startswith("_") and name != "__call__"
        if hidden or name in INNER or not callable(function) or function in known:
            continue
        known.add(function)
        found[f"{prefix}.{name}"] = getattr(kind, name)


def _public(namespace):
    """`__all__`, or what a module without one defines itself."""
    return getattr(namespace, "__all__", None) or [
        name
        for name, value in vars(namespace).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == namespace.__name__
    ]


def arguments_of(function):
    """The named arguments of a callable: dict of names to their defaults."""
    open_ended = inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL
    for kind in getattr(function, "__mro__", ()):  # Not `__new__` of Keras' layers.
        if "__init__" in vars(kind) and kind.__module__.startswith("keras_patchdpm"):
            function = kind.__init__
            break
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind not in open_ended and name not in ("self", "cls")
    }


def failures(name, labels=VALUES, refused=None):
    """What is wrong with one callable: list of strings.

    Args:
        name: Of the callable, in `ENTRIES`.
        labels: Of the values that each argument is given, in `VALUES`.
        refused: List to which `(seconds, argument, label)` of each refusal is added.
    """
    refused = [] if refused is None else refused
    return [
        f"{argument} = {label}: {found}"
        for argument in ENTRIES[name].kinds
        for label in labels
        if (found := failure(name, argument, label, refused))
    ]


def failure(name, argument, label, refused):
    """What is wrong with one call, `None` if nothing is.

    It runs in a new folder: some values are names of files, which are then written.
    """
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        return _failure(name, argument, label, refused)


def _failure(name, argument, label, refused):
    entry, value = ENTRIES[name], VALUES[label]()
    function, valid = entry.valid()
    quiet = warnings.catch_warnings()
    with entry.stub(argument), quiet, _time_limit():
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        try:
            function(**{**valid, argument: value})
        except _Hang:
            return f"hangs, more than {SECONDS} s"
        except (TypeError, ValueError, OSError, ImportError, RuntimeError) as error:
            refused.append((time.perf_counter() - start, argument, label))
            return _unclear(error, argument)
        except Exception as error:
            return f"{type(error).__name__}: {_first_line(error)}"
    usual = arguments_of(function).get(argument), valid.get(argument)
    if label in KINDS[entry.kinds[argument]] or any(_same(value, v) for v in usual):
        return None
    return "is accepted"


def _same(value, usual):
    plain = isinstance(value, int | float | str)
    return value is usual or (plain and type(value) is type(usual) and value == usual)


def _unclear(error, argument):
    """Why an error does not help the user, `None` if it does."""
    last = traceback.extract_tb(error.__traceback__)[-1].filename
    text = str(error)
    if not last.startswith(HOME):
        where = pathlib.Path(last).name
        return f"{type(error).__name__} from {where}: {_first_line(error)}"
    named = f"`{argument}`" in text or f"{argument}=" in text
    named = named or (argument in CALLED and CALLED[argument] in text.lower())
    if not named or "Received" not in text:
        return f"unclear: {_first_line(error)}"
    return None


def _first_line(error):
    return (str(error).strip().split("\n")[0] or "no message")[:150]


class _Hang(BaseException):
    """A call took longer than `SECONDS`."""


@contextlib.contextmanager
def _time_limit():
    """Raises `_Hang` in a call that does not end, where the system can."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(number, frame):
        raise _Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def main(names):
    """Prints what is wrong, by callable, what was refused late, and the counts."""
    counts, calls, late = {}, 0, 0
    for name in names or ENTRIES:
        start = time.perf_counter()
        found = failures(name, refused=(refused := []))
        slow = [f"{case} after {took:.1f} s" for took, *case in refused if took > 1]
        late += len(slow)
        seconds = time.perf_counter() - start
        calls += len(ENTRIES[name].kinds) * len(VALUES)
        print(f"{name}: {len(found)} wrong, {seconds:.1f} s", flush=True)
        print(*(f"    {line}" for line in [*found, *slow]), sep="\n")
        if found:
            counts[name] = len(found)
    print(f"{calls} calls, {late} refused after more than a second")
    print(f"{sum(counts.values())} wrong: {counts}")


if __name__ == "__main__":
    main([name for name in sys.argv[1:] if name != "--report"])
