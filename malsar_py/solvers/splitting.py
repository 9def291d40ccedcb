"""Douglas-Rachford splitting for the squared loss: exact steps on the loss, exact prox of the rest.

The loss is a quadratic whose resolvent costs no more than its gradient once the tasks' systems are
factorised. Its conditioning then does not count any more: what is left is how the step matches the
penalty's curvature, and that is read off the iterates.

P.-L. Lions, B. Mercier (1979), "Splitting algorithms for the sum of two nonlinear operators"; rates
by P. Giselsson, S. Boyd (2017), "Linear convergence and metric selection for Douglas-Rachford
splitting and ADMM".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .._typing import FloatArray
from ..objective import Certificate, Objective, Quadratic, QuadraticObjective
from ..parts import PartsObjective, whole_of
from ..rotated import RotatedObjective
from ..smooth import Smooth
from ._anderson import Anderson
from ._choice import hand_over
from ._result import History, Result
from ._systems import direct_size, factorize
from ._trees import tree_of, trees_pay
from ._workspace import Factorized, Workspace

_RELAXATION = 1.8
_CHECK_EVERY = 5
# The step is matched to the penalty at these iterations, if it is off by more than the factor.
_MATCH_AT = (3, 5, 10, 20, 40, 80, 160)
_MATCH = 1.5
# Where steps are extrapolated, rho is to be so much larger: a fifth fewer of them on School, as
# many on other data. (1.5 and 3 are about as good.)
_FIRMER = 2.0
# As many certificates without a smaller gap: rounding allows no more, or the step is a bad one.
# Extrapolated points have gaps that go up and down.
_PATIENCE, _PATIENCE_EXTRAPOLATED = 20, 40
# W must have come to rest, too: see ``accelerated``. Where it was extrapolated it is, and what the
# last plain steps move tells less of how far they would go on.
_REST, _REST_EXTRAPOLATED = 1e3, 1e2
_REST_FLOOR = 1e-13
# Tasks whose coupling may be written out as a matrix.
_MOST_COUPLED = 1000
# Steps from which they are extrapolated: most fits end before, and matched steps make another map.
_PLAIN = 10


def splitting_fits(objective: Objective) -> bool:
    """Whether systems with the loss's curvature are cheap, and the penalty has a prox."""
    structure, quadratic = objective.penalty.structure, objective.penalty.quadratic
    if structure is None or not isinstance(whole_of(objective), QuadraticObjective):
        return False
    if not np.isfinite(direct_size(whole_of(objective))):
        return False
    if quadratic.coupled:
        return not objective.design.same_weights and _along_tree(objective)
    return structure.rotation_invariant or not objective.design.same_weights


def _along_tree(objective: Objective) -> bool:
    """Whether what couples the tasks is a chain or a tree, and they are few enough for a matrix."""
    (n_features, n_tasks), quadratic = objective.shape, objective.penalty.quadratic
    if n_tasks > _MOST_COUPLED or not trees_pay(n_features, n_tasks) or quadratic.mean > 0.0:
        return False
    return tree_of(quadratic.dense(n_tasks)) is not None


def solve_splitting(
    objective: Objective,
    W0: FloatArray,
    *,
    tol: float,
    max_iter: int,
    verbose: int = 0,
    workspace: Workspace | None = None,
) -> Result:
    """Minimise the objective with its penalty from ``W0`` to a relative gap of ``tol``."""
    workspace = Workspace() if workspace is None else workspace
    workspace.open(objective)
    if objective.design.same_weights:
        assert isinstance(objective, QuadraticObjective)
        if workspace.rotated is None:
            workspace.rotated = RotatedObjective(objective)
        rotated = workspace.rotated.beside(objective)
        found = _iterate(rotated, rotated.into(W0), workspace, tol, max_iter, verbose)
        found = replace(found, W=rotated.back(found.W))
    else:
        found = _iterate(objective, W0, workspace, tol, max_iter, verbose)
    left = max_iter - found.n_iter
    if found.converged or left <= 0:
        return found
    return hand_over(
        "splitting",
        "apg",
        objective,
        found.W,
        found.history,
        workspace,
        tol=tol,
        max_iter=left,
        verbose=verbose,
    )


def _resolvent(
    objective: Smooth, rho: float, workspace: Workspace
) -> Callable[[FloatArray], FloatArray]:
    """A function from A to the W with the least loss and ridge + ``rho/2 ||W - A||_F^2``."""
    whole = _affine(objective)
    n_parts = objective.n_parts if isinstance(objective, PartsObjective) else 1
    # The loss sees the sum of the parts: what it moves is shared equally among them.
    share, quadratic, last = rho / n_parts, whole.quadratic, workspace.splitting
    if last is not None and last.rho == rho and _alike(last.quadratic, quadratic):
        solve = last.solve  # those of the problem before
    else:
        found = factorize(whole, quadratic.with_ridge(quadratic.ridge + share), workspace)
        assert found is not None
        solve = found
        workspace.splitting = Factorized(quadratic, rho, solve)

    def nearest(A: FloatArray) -> FloatArray:
        if not isinstance(objective, PartsObjective):
            return solve(whole.rhs + rho * A)
        total = objective.coefficients(A)
        moved = solve(whole.rhs + share * total) - total
        return A + np.tile(moved / n_parts, (n_parts, 1))

    return nearest


# In one piece: one loop with its state: two proxes, certificate and step length of an iteration.
def _iterate(  # noqa: C901
    objective: Smooth,
    W0: FloatArray,
    workspace: Workspace,
    tol: float,
    max_iter: int,
    verbose: int,
) -> Result:
    structure, quadratic = objective.penalty.structure, objective.quadratic
    assert structure is not None
    target = tol * objective.scale
    Z = np.array(W0, dtype=np.float64, order="C")
    lifted = objective.lift(Z)
    certificate = objective.certificate(Z, lifted)
    history = History([(0, certificate.objective)])
    if verbose:
        _report(0, certificate)
    if certificate.gap <= target:
        final = objective.final_certificate(Z)
        if final.gap <= target:
            return Result(Z, final, history.ending(final.objective), True)
    # The dual variable is rho U, at the solution a subgradient of the penalty.
    pull = -objective.gradient(Z, lifted) - quadratic.ridge * Z
    aim = _FIRMER if workspace.follows else 1.0
    rho = aim * _ratio(pull, Z) or objective.mean_curvature() or 1.0
    last = workspace.splitting
    if last is not None and not _differ(last.rho, rho) and _alike(last.quadratic, quadratic):
        rho = last.rho
    U = pull / rho if Z.any() else np.zeros_like(Z)
    nearest = _resolvent(objective, rho, workspace)
    # Only on from a solution nearby: what rounding it amplifies would be seen in fits from zero,
    # which end where the gap says so, as differences between rows that weigh 2 and two rows.
    aid = Anderson(Z.size) if workspace.follows else None
    resting = False  # whether the steps are plain ones until W has come to rest
    rest = max((_REST if aid is None else _REST_EXTRAPOLATED) * tol, _REST_FLOOR)
    patience = _PATIENCE if aid is None else _PATIENCE_EXTRAPOLATED
    best, idle, n_iter = np.inf, 0, 0
    for n_iter in range(1, max_iter + 1):
        W = nearest(Z - U)
        if aid is None or resting or n_iter <= _PLAIN:
            V = U + _RELAXATION * W + (1.0 - _RELAXATION) * Z
        else:
            V = aid.after(Z + U, _RELAXATION * (W - Z))
        new = structure.prox(V, 1.0 / rho)
        U = V - new
        moved = max(float(np.linalg.norm(new - Z)), float(np.linalg.norm(new - W)))
        Z = new
        if n_iter % _CHECK_EVERY == 0 or n_iter == max_iter:
            certificate = objective.certificate(Z, objective.lift(Z))
            history.add(n_iter, certificate.objective)
            if verbose:
                _report(n_iter, certificate)
            ended = certificate.gap <= target and moved <= rest * float(np.linalg.norm(Z))
            if ended and (aid is None or resting or n_iter <= _PLAIN):
                final = objective.final_certificate(Z)
                history.add(n_iter, final.objective)
                if final.gap <= target:
                    return Result(Z, final, history, True)
            if aid is not None and ended != resting:
                resting = ended
                aid.restart()
            idle = 0 if certificate.gap < 0.5 * best else idle + 1
            best = min(best, certificate.gap)
            if idle == patience:
                break
        if n_iter in _MATCH_AT:
            matched = aim * rho * _ratio(U, Z)
            if matched > 0.0 and _differ(matched, rho):
                U *= rho / matched
                rho = matched
                if aid is not None:
                    aid.restart()
                nearest = _resolvent(objective, rho, workspace)
    final = objective.final_certificate(Z)
    return Result(Z, final, history.ending(final.objective), final.gap <= target)


def _affine(objective: Smooth) -> QuadraticObjective | RotatedObjective:
    """The squared loss in W, or in its eigenbasis."""
    whole = objective.whole if isinstance(objective, PartsObjective) else objective
    assert isinstance(whole, QuadraticObjective | RotatedObjective)
    return whole


def _alike(one: Quadratic, other: Quadratic) -> bool:
    """Whether two quadratic terms are the same."""
    if one is other:
        return True
    if (one.ridge, one.mean, one.coupled) != (other.ridge, other.mean, other.coupled):
        return False
    if not one.coupled:
        return True
    A, B = one.matrix, other.matrix
    return A is B or (A is not None and B is not None and np.array_equal(A, B))


def _differ(one: float, other: float) -> bool:
    """Whether steps are so far apart that another factorisation pays."""
    return not 1.0 / _MATCH <= one / other <= _MATCH


def _report(n_iter: int, certificate: Certificate) -> None:
    print(f"iteration {n_iter}: objective {certificate.objective:.9g}, gap {certificate.gap:.3g}")


def _ratio(U: FloatArray, Z: FloatArray) -> float:
    """Sizes of the two compared; 0 where there is nothing to compare yet."""
    above, below = float(np.linalg.norm(U)), float(np.linalg.norm(Z))
    return above / below if below > 0.0 and np.isfinite(above / below) else 0.0
