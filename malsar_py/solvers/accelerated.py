"""Accelerated proximal gradient with adaptive restart, stopped by the duality gap.

Beck, Teboulle (2009), "A fast iterative shrinkage-thresholding algorithm"; restart by the gradient
rule of O'Donoghue, Candes (2015), "Adaptive restart for accelerated gradient schemes". Where the
gradient is affine it is evaluated at the iterates and extrapolated with them, so that a certificate
costs no pass over the data.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .. import _kernels
from .._typing import FloatArray
from ..objective import Certificate, Objective, QuadraticObjective
from ..rotated import RotatedObjective
from ..smooth import Smooth
from ._norms import norm_code
from ._result import History, Result
from ._workspace import Workspace

_GROW = 1.5
# More are not to be needed: from the largest float to the smallest.
_MOST_SHORTER = 4000
_REGAIN = 1.1
# The gap is quadratic in the error of W where the objective curves: at tight tolerances it is lost
# in rounding while W has half of its digits yet. So W must have come to rest, too; at tol >= 1e-6
# this costs no step.
_REST = 1e3
_REST_FLOOR = 1e-13
_CHECK_EVERY = 10
# Eigenbasis of a shared X up to this size: some hundred gradients would cost more.
_ROTATION = 1500


def solve_accelerated(
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
    if _worth_rotating(objective):
        assert isinstance(objective, QuadraticObjective)
        if workspace.rotated is None:
            workspace.rotated = RotatedObjective(objective)
        rotated = workspace.rotated.beside(objective)
        found = _iterate(
            rotated,
            rotated.into(W0),
            rotated.loss_lipschitz(),
            tol,
            max_iter,
            verbose,
            hand_over=True,
        )
        found = replace(found, W=rotated.back(found.W))
        if found.converged or found.n_iter >= max_iter:
            return found
        # Rounding in the basis, as where a column of X has a large mean: the rest with X itself.
        rest = _on_x(objective, found.W, tol, max_iter - found.n_iter, verbose, workspace)
        return replace(rest, history=found.history.then(rest.history))
    return _on_x(objective, W0, tol, max_iter, verbose, workspace)


def _on_x(
    objective: Objective,
    W0: FloatArray,
    tol: float,
    max_iter: int,
    verbose: int,
    workspace: Workspace,
) -> Result:
    if workspace.lipschitz is None:
        workspace.lipschitz = objective.loss_lipschitz()
    return _iterate(objective, W0, workspace.lipschitz, tol, max_iter, verbose)


# In one piece: one loop with its state: step, step length, restart and certificate of an iteration.
def _iterate(  # noqa: C901
    objective: Smooth,
    W0: FloatArray,
    lipschitz: float,
    tol: float,
    max_iter: int,
    verbose: int,
    *,
    hand_over: bool = False,
) -> Result:
    """``hand_over``: return when the final certificate refuses what the others accept."""
    structure, quadratic = objective.penalty.structure, objective.penalty.quadratic
    code: int | None = _kernels.row_norms.NONE
    prox = None
    smooth: Smooth = objective
    threshold = np.zeros(W0.shape[0])
    if structure is not None:
        code, prox = norm_code(structure), structure.prox
        if code is not None:
            threshold = structure.row_thresholds(W0.shape[0])
    elif quadratic.coupled:
        # Strong ties between tasks would make the steps short: they have a prox, too.
        smooth = objective.with_penalty(quadratic.uncoupled())
        code, prox = None, quadratic.prox_of_coupling
    target = tol * objective.scale
    history = History()

    def certified(certificate: Certificate, n_iter: int) -> bool:
        history.add(n_iter, certificate.objective)
        if verbose:
            print(
                f"iteration {n_iter}: objective {certificate.objective:.9g}, "
                f"gap {certificate.gap:.3g}"
            )
        return certificate.gap <= target

    W = np.array(W0, dtype=np.float64, order="C")
    lifted = objective.lift(W)
    if certified(objective.certificate(W, lifted), 0):
        final = objective.final_certificate(W)
        if final.gap <= target:
            return Result(W, final, history.ending(final.objective), True)

    length = 1.0 / max(lipschitz + smooth.penalty.quadratic.largest, np.finfo(float).tiny)
    V, lifted_V = W.copy(), lifted.copy()
    new = np.empty_like(W)
    momentum = 1.0
    rest = min(max(_REST * tol, _REST_FLOOR), 1.0) ** 2  # (tol may be what no square holds)
    for n_iter in range(1, max_iter + 1):
        G = smooth.gradient(V, lifted_V)
        if momentum > 1.0 and not np.isfinite(G.sum()):
            # Extrapolated beyond what floats hold, as exponentials may be.
            V, lifted_V, momentum = W.copy(), lifted.copy(), 1.0
            G = smooth.gradient(V, lifted_V)
        for _ in range(_MOST_SHORTER):
            if code is not None:
                uphill, moved = _kernels.row_norms.step(
                    code, V, G, W, threshold, length, quadratic.ridge, new
                )
            else:
                assert prox is not None
                new = prox((1.0 - length * quadratic.ridge) * V - length * G, length)
                uphill, moved = _kernels.momentum.momentum_test(V.ravel(), W.ravel(), new.ravel())
            new_lifted = objective.lift(new)
            # The step length comes from an estimate: shorten it if the curvature along the step
            # says so.
            D = new - V
            curvature = objective.curvature_along(D, new_lifted - lifted_V, lifted_V)
            curvature += smooth.penalty.quadratic.coupling(D)
            curvature += quadratic.ridge * moved
            # (Neither holds of a NaN, which no shorter step would mend.)
            if not (
                curvature * length > moved * (1.0 + 1e-9)
                and moved > 1e-28 * float(np.vdot(new, new))
            ):
                break
            length /= _GROW
        if not np.isfinite(moved):
            break  # beyond what floats hold: W is the last point that is not
        if curvature * length < 0.5 * moved:
            length *= _REGAIN
        if uphill > 0.0:
            momentum = 1.0
        following = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * momentum * momentum))
        beta = (momentum - 1.0) / following
        momentum = following
        _kernels.momentum.extrapolate(new.ravel(), W.ravel(), beta, V.ravel())
        _kernels.momentum.extrapolate(new_lifted.ravel(), lifted.ravel(), beta, lifted_V.ravel())
        W, new = new, W
        lifted = new_lifted
        if n_iter % _CHECK_EVERY == 0 or n_iter == max_iter or n_iter in (1, 2, 5):
            certificate = objective.certificate(W, lifted)
            at_rest = moved <= rest * float(np.vdot(W, W))
            if certified(certificate, n_iter) and at_rest:
                final = objective.final_certificate(W)
                history.add(n_iter, final.objective)
                if final.gap <= target:
                    return Result(W, final, history, True)
                if hand_over:
                    return Result(W, final, history, False)
    final = objective.final_certificate(W)
    history.add(n_iter, final.objective)
    return Result(W, final, history, final.gap <= target)


def _worth_rotating(objective: Objective) -> bool:
    structure = objective.penalty.structure
    if structure is None or not structure.rotation_invariant:
        return False
    design = objective.design
    if not isinstance(objective, QuadraticObjective) or not design.same_weights:
        return False
    return min(design.n_rows, design.n_features) <= _ROTATION
