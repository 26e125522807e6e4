"""Solvers by name."""

from keras_patchdpm import _checks
from keras_patchdpm.solvers._solvers import (
    DDIM,
    DDPM,
    DPMSolver2M,
    DPMSolver2MSDE,
    Heun,
)
from keras_patchdpm.solvers.base import Solver

NAMES = {
    "ddpm": DDPM,
    "ddim": DDIM,
    "dpmpp_2m": DPMSolver2M,
    "dpmpp_2m_sde": DPMSolver2MSDE,
    "heun": Heun,
}


def as_solver(solver):
    """The solver of a name, with its default options; a `Solver` as it is.

    Args:
        solver: Key of `NAMES`, or a `Solver`.

    Raises:
        TypeError: If it is neither.
        ValueError: If the name is unknown.
    """
    if isinstance(solver, Solver):
        return solver
    if isinstance(solver, str):
        return NAMES[_checks.one_of("solver", solver, tuple(NAMES))]()
    raise TypeError(
        f"`solver` must be one of {', '.join(map(repr, NAMES))}, or a `Solver` such as "
        f"`solvers.DDIM(eta=1.0)`. Received: solver={solver!r} "
        f"(of type {type(solver).__name__})."
    )
