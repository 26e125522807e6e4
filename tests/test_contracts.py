"""Patchings, schedules and solvers: contracts, of which nobody asks the kind."""

import ast
import doctest

import pytest
from fresh_python import ROOT

from keras_patchdpm import patching, schedules, solvers
from keras_patchdpm.patching import Patching, Stage, TiledModel, Tiling
from keras_patchdpm.schedules import Schedule
from keras_patchdpm.solvers import Solver

pytestmark = pytest.mark.once

PACKAGE = ROOT / "keras_patchdpm"
CONTRACTS = (Patching, Schedule, Solver)
ROOMS = ("patching", "schedules", "solvers")
QUESTIONS = ("isinstance", "hasattr", "getattr")
SUBJECTS = ("patching", "schedule", "solver")


def subclasses(kind):
    for one in kind.__subclasses__():
        yield one
        yield from subclasses(one)


def ours(contract):
    """The package's classes below a contract."""
    kinds = subclasses(contract)
    return [kind for kind in kinds if kind.__module__.startswith("keras_patchdpm.")]


# Found once: the examples below define further classes.
OURS = {contract: ours(contract) for contract in CONTRACTS}
KINDS = [kind for kinds in OURS.values() for kind in kinds]


@pytest.mark.parametrize("contract", CONTRACTS)
def test_contracts_are_abstract_and_their_examples_run(contract):
    with pytest.raises(TypeError, match="abstract"):
        contract()
    (example,) = doctest.DocTestFinder(recurse=False).find(contract, contract.__name__)
    assert not doctest.DocTestRunner().run(example).failed


def test_no_concrete_class_is_subclassed():
    assert len(KINDS) == 4 + 2 + 5
    for kind in KINDS:
        (base,) = kind.__bases__
        assert base in CONTRACTS, f"{kind.__name__} extends {base.__name__}"
    for kind in (Stage, TiledModel, Tiling):
        assert not kind.__subclasses__()


def test_all_are_public():
    for module, contract in zip((patching, schedules, solvers), CONTRACTS, strict=True):
        names = {kind.__name__ for kind in OURS[contract]}
        assert {contract.__name__, *names} <= set(module.__all__)


def asked(source):
    """Lines that ask which patching, schedule or solver there is."""
    names = {kind.__name__ for kind in KINDS}
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", None)
        if name not in QUESTIONS or not node.args:
            continue
        subject, *answer = map(ast.unparse, node.args)
        held = subject.split(".")[-1] in SUBJECTS
        if held or (answer and any(kind in answer[0] for kind in names)):
            yield f"{node.lineno}: {ast.unparse(node)}"


def test_nobody_asks_which_kind_there_is():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE)
        if place.parts[0] not in ROOMS:
            found += [f"{place}:{line}" for line in asked(path.read_text())]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "isinstance(model.patching, GridPatching)",
        "isinstance(x, (CascadePatching, int))",
        'hasattr(patching, "batches")',
        'getattr(self.schedule, "level", None)',
    ],
)
def test_such_a_question_is_found(line):
    assert len(list(asked(line))) == 1


# What Keras calls by position, and functions that are compiled, whose tensors are one
# after another.
POSITIONAL = {
    "_fitting.py": set("compile compute_loss fit evaluate train_on_batch".split())
    | {"test_on_batch"},
    "on_device.py": {"__call__", "summed"},
}


def test_functions_of_many_parameters_have_keyword_only_ones():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            names = [x.arg for x in node.args.args if x.arg not in ("self", "cls")]
            free = node.name in POSITIONAL.get(path.name, ())
            if len(names) > 3 and not node.args.kwonlyargs and not free:
                found.append(f"{path.relative_to(PACKAGE)}: {node.name}")
    assert found == []
