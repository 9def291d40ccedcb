"""The register of solvers: which suits an objective, by name or the fastest.

A solver is one entry here. Others look solvers up by their names: one that is at its end hands its
last point over to another by :func:`hand_over`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from .._typing import FloatArray
from ..objective import Objective
from ._result import History, Result
from ._workspace import Workspace


def _always(objective: Objective) -> bool:
    return True


@dataclass(frozen=True)
class Solver:
    """An algorithm, what it is for, and whether it is worth its while.

    ``minimise(objective, W0, *, tol, max_iter, verbose, workspace)`` returns a ``Result``. ``fits``
    says whether it can solve a problem, ``pays`` whether "auto" should take it where it fits:
    that takes the first of the register for which both hold. ``purpose`` is for errors. ``then`` is
    who goes on under "auto" where it did not reach ``tol``.
    """

    name: str
    minimise: Callable[..., Result]
    fits: Callable[[Objective], bool]
    purpose: str | Callable[[Objective], str]
    pays: Callable[[Objective], bool] = _always
    then: str | None = None


_REGISTER: dict[str, Solver] = {}
# What the parameter `solver` may be; it grows with the register.
SOLVERS = {"auto"}


def register(solver: Solver) -> Solver:
    """Add a solver, behind those that are there: "auto" takes the first that fits and pays."""
    if solver.name in SOLVERS:
        raise ValueError(f"There is a solver {solver.name!r} already.")
    _REGISTER[solver.name] = solver
    SOLVERS.add(solver.name)
    return solver


def _fitting(objective: Objective) -> Iterator[str]:
    """Names of the solvers that fit, the one first that "auto" takes."""
    others = []
    for solver in _REGISTER.values():
        if solver.fits(objective):
            if solver.pays(objective):
                yield solver.name
            else:
                others.append(solver.name)
    yield from others


def solve(
    objective: Objective,
    W0: FloatArray,
    *,
    solver: str,
    name: str,
    tol: float,
    max_iter: int,
    verbose: int = 0,
    workspace: Workspace | None = None,
    without: tuple[str, ...] = (),
) -> Result:
    """Minimise by the solver asked for, or the fastest; ``name`` is the model's, for errors.

    ``without``: solvers that are not to be taken.
    """
    found = (other for other in _fitting(objective) if other not in without)
    first = next(found, None)
    if first is None:
        raise ValueError(
            f"{name} with {objective.loss!r}: no solver takes this loss, which is not smooth, with "
            "this penalty."
        )
    inside: dict[str, Any] = {}
    names = [first] if solver == "auto" else [first, *found]
    if "multipliers" in names and solver not in ("auto", *names):
        # Rounds of problems with a smooth loss: what was asked for is their solver.
        inside, solver = {"solver": solver, "name": name}, "multipliers"
    if solver != "auto" and solver not in names:
        *others, last = (repr(other) for other in ("auto", *sorted(names)))
        purpose = _REGISTER[solver].purpose
        purpose = purpose if isinstance(purpose, str) else purpose(objective)
        raise ValueError(
            f"solver={solver!r} is for {purpose}, which {name} with these "
            f"parameters is not: use {', '.join(others)} or {last}."
        )
    entry = _REGISTER[first if solver == "auto" else solver]
    limits: dict[str, Any] = {"tol": tol, "max_iter": max_iter, "verbose": verbose, **inside}
    result = entry.minimise(objective, W0, workspace=workspace, **limits)
    if solver == "auto" and entry.then is not None and not result.converged:
        start, history = result.W, result.history
        return hand_over(entry.name, entry.then, objective, start, history, workspace, **limits)
    return result if result.solver else replace(result, solver=entry.name)


def hand_over(
    source: str,
    target: str,
    objective: Objective,
    W: FloatArray,
    history: History,
    workspace: Workspace | None = None,
    *,
    tol: float,
    max_iter: int,
    verbose: int = 0,
) -> Result:
    """Go on from W by another solver; the result names both, and its history is that of both."""
    if verbose:
        print(f"{source} hands over to {target}")
    rest = _REGISTER[target].minimise(
        objective, W, tol=tol, max_iter=max_iter, verbose=verbose, workspace=workspace
    )
    solver = f"{source} -> {rest.solver or target}"
    return replace(rest, history=history.then(rest.history), solver=solver)
