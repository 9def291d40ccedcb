"""Working sets around block coordinate descent, for row-separable penalties plus ridge.

Outer rounds: one pass over all features gives the gradient, the certificate and the features most
likely to be active. Inner: the problem over those alone, to a share of the outer gap; see
``_inner``.

T. B. Johnson, C. Guestrin (2015), "Blitz: a principled meta-algorithm for scaling sparse
optimization"; M. Massias, A. Gramfort, J. Salmon (2018), "Celer: a fast solver for the lasso with
dual extrapolation".
"""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray
from ..objective import Objective
from ._inner import inner_solver, whole_gram
from ._inner_base import Inner
from ._result import Result

_MOST_ROUNDS = 1000
_FIRST_SET = 10
_ROUGH = 10.0
_STALLED = 1e-6
_MOST_IDLE = 4
_TIGHT = 1e-9
_POLISH_EPOCHS = 200


def solve_active_set(
    objective: Objective, W0: FloatArray, *, tol: float, max_iter: int, verbose: int = 0
) -> Result:
    """Minimise the objective and its row-separable penalty from ``W0`` to a relative gap."""
    structure, quadratic = objective.penalty.structure, objective.penalty.quadratic
    assert structure is not None and structure.row_code is not None
    n_features, n_tasks = objective.shape
    threshold = structure.row_thresholds(n_features)
    target = tol * objective.scale
    max_iter = min(max_iter, _MOST_ROUNDS)
    W = np.array(W0, dtype=np.float64, order="C")
    history: list[float] = []
    everything = whole_gram(objective)
    working = np.arange(n_features) if everything else np.flatnonzero(W.any(axis=1))
    size = max(_FIRST_SET, int(np.sqrt(n_features * n_tasks) / 3))
    inner: Inner | None = None
    patience, last_gap, reached = 1.0, np.inf, False
    idle = n_iter = 0
    rough = not everything
    while True:
        n_iter += 1
        z = None if inner is None else inner.predict(W[working])
        certificate, G = objective.full_pass(W, z, rough=rough)
        if certificate.gap <= 2.0 * target and (rough or (inner is not None and inner.single)):
            certificate, G = objective.full_pass(W)
        gap = certificate.gap
        history.append(certificate.objective)
        if verbose:
            print(
                f"round {n_iter}: {working.size} features, objective {certificate.objective:.9g}, "
                f"gap {gap:.3g}"
            )
        if gap <= target or n_iter >= max_iter:
            break
        violators, complete = 0, True
        if not everything:
            active = np.asarray(W.any(axis=1))
            if inner is not None and inner.trims and 1.2 * active.sum() < working.size:
                working = working[active[working]]
            rest = G - quadratic.ridge * W if quadratic.ridge > 0.0 else G
            score = _row_sizes(structure.row_code, rest) / threshold
            score[working] = -1.0
            violators = int((score > 1.0).sum())
            if violators:
                wanted = max(size, 2 * int(active.sum())) - working.size
                wanted = min(max(wanted, size // 2), violators + _FIRST_SET)
                wanted = min(wanted, n_features - working.size)
                complete = wanted >= violators
                fresh = np.argpartition(score, -wanted)[-wanted:]
                working = np.concatenate([working, np.sort(fresh)])
                size *= 2
        if not violators and reached and gap > 0.3 * last_gap:
            # The inner problem was solved and the gap did not follow: solve it better.
            patience *= 0.1
        fell = n_iter == 1 or history[-2] - history[-1] > 1e-15 * history[-1]
        idle = 0 if fell or gap <= 0.9 * last_gap else idle + 1
        if patience < _STALLED or idle == _MOST_IDLE:
            break  # rounding allows no more
        last_gap = gap
        inner = inner_solver(objective, working, inner, gap)
        if everything:
            goal = 0.5 * patience * target
        else:
            # Where epochs are cheap beside passes, a set that may be the last is solved at once.
            share = inner.last_share if complete else inner.share
            goal = max(share * patience * gap, 0.3 * target)
            rough = goal > _ROUGH * target
        W[working], reached = inner.solve(W[working], G[working], threshold[working], goal)
    if gap <= target and tol <= _TIGHT and inner is not None:
        # The gap is quadratic in the error of W: at tight tolerances let W come to rest, too.
        inner.epochs = _POLISH_EPOCHS
        polished = W.copy()
        polished[working] = inner.solve(W[working], G[working], threshold[working], -np.inf)[0]
        better, _ = objective.full_pass(polished)
        if better.gap <= target:
            W, certificate = polished, better
            history.append(certificate.objective)
    return Result(W, certificate, history, n_iter, certificate.gap <= target)


def active_set_fits(objective: Objective) -> bool:
    """Whether the penalty separates over the rows of W, up to a ridge."""
    structure, quadratic = objective.penalty.structure, objective.penalty.quadratic
    return structure is not None and structure.row_code is not None and quadratic.matrix is None


def _row_sizes(code: int, G: FloatArray) -> FloatArray:
    return np.abs(G).max(axis=1) if code == 1 else np.sqrt(np.einsum("jt,jt->j", G, G))
