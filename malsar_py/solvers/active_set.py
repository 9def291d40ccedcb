"""Working sets around block coordinate descent, for row-separable penalties plus ridge.

Outer rounds: one pass over all features gives the gradient, the certificate and the features most
likely to be active. Inner: the problem over those alone, to a share of the outer gap; see
``_inner``. Ill-conditioned problems, where descent crawls, are handed to ``semismooth``.

T. B. Johnson, C. Guestrin (2015), "Blitz: a principled meta-algorithm for scaling sparse
optimization"; M. Massias, A. Gramfort, J. Salmon (2018), "Celer: a fast solver for the lasso with
dual extrapolation".
"""

from __future__ import annotations

import numpy as np

from .. import _kernels
from .._linalg import nonzero_rows
from .._typing import AnyArray, FloatArray, IntArray
from ..objective import Certificate, Objective, Pass, duality_gap
from ._choice import hand_over
from ._inner import gram_limit, inner_solver, inner_spare, looks_itself, whole_gram
from ._inner_base import Inner
from ._lines import foresee
from ._norms import kernel_terms, over_rows
from ._result import History, Result
from ._workspace import Known, Workspace
from .semismooth import semismooth_pays

_MOST_ROUNDS = 1000
_FIRST_SET = 40
_ROUGH = 10.0
_STALLED = 1e-6
_MOST_IDLE = 10
_TIGHT = 1e-9
_POLISH_EPOCHS = 200
# Descent crawls if it takes so many rounds, or epochs in rounds that missed their goal.
_SLOW, _WASTED = 18, 1000


# In one piece: one loop with its state: what a round sees decides the set and the goal of the next.
def solve_active_set(  # noqa: C901
    objective: Objective,
    W0: FloatArray,
    *,
    tol: float,
    max_iter: int,
    verbose: int = 0,
    workspace: Workspace | None = None,
) -> Result:
    """Minimise the objective and its row-separable penalty from ``W0`` to a relative gap."""
    structure = objective.penalty.structure
    assert structure is not None
    n_features, n_tasks = objective.shape
    threshold = structure.row_thresholds(n_features)
    target = tol * objective.scale
    slow_steps_left = max_iter
    max_iter = min(max_iter, _MOST_ROUNDS)
    following = workspace is not None  # on a path
    workspace = Workspace() if workspace is None else workspace
    workspace.open(objective)
    W = np.array(W0, dtype=np.float64, order="C")
    history = History()
    everything = whole_gram(objective)
    survey = Survey(objective, threshold)
    known = workspace.known
    if known is not None and not np.array_equal(known.W, W):
        known = None
    foreseen = False
    if known is not None:
        ahead = foresee(objective, workspace, threshold)
        if ahead is not None and survey.objective_at(ahead) < survey.objective_at(known):
            known, W, foreseen = ahead, ahead.W.copy(), True
    free = threshold == 0.0
    working = np.arange(n_features) if everything else np.flatnonzero(nonzero_rows(W) | free)
    size = max(_FIRST_SET, int(np.sqrt(n_features * n_tasks) / 3))
    inner: Inner | None = None
    patience, last_primal, last_gap, reached = 1.0, np.inf, np.inf, False
    idle = n_iter = wasted = 0
    given_up = False
    rough = not everything
    while True:
        n_iter += 1
        Wk = W[working]
        if known is not None:
            seen, exact = known.seen, known.exact
        else:
            seen, exact = _look(objective, inner, W, Wk, rough)
        primal, gap = survey.measure(seen, working, Wk)
        if gap <= 2.0 * target and not exact:
            if known is not None:  # foreseen well enough
                if looks_itself(objective):
                    inner = inner_solver(objective, working, workspace.inner, gap, survey.sizes)
                seen, exact = _look(objective, inner, W, Wk, False)
            if not exact:
                seen, exact = objective.pass_at(_predict(objective, inner, W, Wk, True)), True
            primal, gap = survey.measure(seen, working, Wk)
        history.add(n_iter, primal)
        if verbose:
            print(f"round {n_iter}: {working.size} features, objective {primal:.9g}, gap {gap:.3g}")
        if gap <= target or n_iter >= max_iter or (inner is not None and inner.endless):
            break
        crawls = not given_up and (n_iter >= _SLOW or wasted >= _WASTED)
        if crawls and semismooth_pays(objective, int(Wk.any(axis=1).sum())):
            given_up, left = True, max_iter - n_iter
            rest = hand_over(
                "active-set",
                "semismooth",
                objective,
                W,
                history,
                tol=tol,
                max_iter=left,
                verbose=verbose,
            )
            if rest.converged:
                return rest
        violators, complete = 0, True
        if not everything:
            active = nonzero_rows(Wk) | free[working]
            trims = inner is not None and inner.trims
            working, violators, wanted = _grown(
                objective, survey.sizes, working, active, size, trims, known is not None
            )
            complete = wanted >= violators
            size *= 2 if violators else 1
        known = None
        if not violators and reached and gap > 0.3 * last_gap:
            # The inner problem was solved and the gap did not follow: solve it better.
            patience *= 0.1
        fell = primal < last_primal * (1.0 - 1e-15)
        idle = 0 if fell or gap <= 0.9 * last_gap else idle + 1
        if patience < _STALLED or idle == _MOST_IDLE:
            break  # rounding allows no more
        last_primal, last_gap = primal, gap
        sizes = survey.sizes if following or inner is not None else None
        inner = inner_solver(objective, working, inner or workspace.inner, gap, sizes)
        if everything:
            goal = 0.5 * patience * target
        else:
            # Where epochs are cheap beside passes, a set that may be the last is solved at once.
            share = inner.last_share if complete else inner.share
            goal = max(share * patience * min(gap, primal), 0.3 * target)
            rough = goal > _ROUGH * target
        inner.slow_steps_left = slow_steps_left
        W[working], reached = inner.solve(
            W[working], seen.G_rows[:, working], threshold[working], goal
        )
        slow_steps_left -= inner.slow_steps
        wasted += 0 if reached else inner.epochs
    if exact and not survey.free:
        certificate = Certificate(primal, gap, seen.intercepts)  # (the same, as seen just now)
    else:
        if not exact:
            seen = objective.pass_at(_predict(objective, inner, W, W[working], True))
        certificate = objective.certificate_of(W, seen)
    if certificate.gap <= target and tol <= _TIGHT and (inner is not None or foreseen):
        # The gap is quadratic in the error of W: at tight tolerances let W come to rest, too.
        inner = inner or inner_solver(objective, working, workspace.inner, 0.0)
        better = _polished(objective, inner, W, seen, threshold)
        if better[1].gap <= target:
            W, certificate, seen = better
    history.add(n_iter, certificate.objective)
    workspace.before, workspace.known = workspace.known, Known(W, seen, threshold)
    workspace.inner = inner or workspace.inner
    return Result(W, certificate, history, certificate.gap <= target, "active-set")


def _grown(
    objective: Objective,
    sizes: FloatArray,
    working: IntArray,
    active: AnyArray,
    size: int,
    trims: bool,
    on_path: bool,
) -> tuple[IntArray, int, int]:
    """The next working set, how many features outside exceed their threshold, how many came.

    ``sizes`` of the gradient by feature, 1 at the threshold; ``active`` of the working features are
    kept; ``trims``: the others may go.
    """
    n_features = objective.shape[0]
    n_active = int(np.count_nonzero(active))
    if trims and 1.2 * n_active < working.size:
        working, active = working[active], active[active]
    score = sizes.copy()
    score[working] = -1.0
    violators = int(np.count_nonzero(score > 1.0))
    if not violators:
        return working, 0, 0
    most, spare = gram_limit(objective), inner_spare(objective)
    wanted = max(size, 2 * n_active) - working.size
    wanted = min(max(wanted, size // 2), violators + spare)
    if on_path:
        # Not all that exceed the new threshold at the old coefficients will be active: where rows
        # cost most, some are left for the next round.
        few = max(spare, n_active // 8)
        wanted = violators if working.size + violators <= most else min(violators, few)
    wanted = min(wanted, n_features - working.size)
    if n_active + wanted <= most < working.size + wanted:
        working = working[active]  # without the zeros, Gram matrices still pay
    fresh = np.argpartition(score, -wanted)[-wanted:]
    return np.concatenate([working, np.sort(fresh)]), violators, wanted


def _polished(
    objective: Objective, inner: Inner, W: FloatArray, seen: Pass, threshold: FloatArray
) -> tuple[FloatArray, Certificate, Pass]:
    """W after many epochs on its working set, and the pass there."""
    working = inner.working
    inner.epochs = _POLISH_EPOCHS
    W = W.copy()
    W[working] = inner.solve(W[working], seen.G_rows[:, working], threshold[working], -np.inf)[0]
    found = objective.pass_at(objective.design.predict(W))
    return W, objective.certificate_of(W, found), found


def _look(
    objective: Objective, inner: Inner | None, W: FloatArray, Wk: FloatArray, rough: bool
) -> tuple[Pass, bool]:
    """What is to be seen over all features at W, and whether it is exact."""
    looked = None if inner is None else inner.look(Wk)
    if looked is not None:
        return looked
    rough = rough and objective.design.has_rough
    exact = not rough and not (inner is not None and inner.single)
    return objective.pass_at(_predict(objective, inner, W, Wk, exact), rough), exact


def _predict(
    objective: Objective, inner: Inner | None, W: FloatArray, Wk: FloatArray, exact: bool
) -> FloatArray | None:
    if not Wk.any():
        return None
    z = None if inner is None or (exact and inner.single) else inner.predict(Wk)
    return objective.design.predict(W) if z is None else z


class Survey:
    """Objective and gap from a pass over all features, in few operations on those outside the set.

    What ``Objective.certificate_of`` says for any penalty, for row-separable ones plus a ridge.
    """

    def __init__(self, objective: Objective, threshold: FloatArray):
        self.objective = objective
        self.code, self.ridge = kernel_terms(objective)
        self.threshold = threshold
        self.free = bool((threshold == 0.0).any())
        # Dual norm of each feature's gradients over its threshold, as of the last measure.
        self.sizes = np.empty(objective.shape[0])

    def objective_at(self, known: Known) -> float:
        """The objective there, with the present penalty."""
        W = np.ascontiguousarray(known.W)
        value, squares, *_ = _kernels.row_norms.penalty_terms(
            self.code, self.threshold, self.ridge, True, W, W
        )
        return float(known.seen.loss + value + 0.5 * self.ridge * squares)

    def measure(self, seen: Pass, working: IntArray, Wk: FloatArray) -> tuple[float, float]:
        """Objective and duality gap at W, whose nonzero rows are among ``Wk``."""
        code, ridge, threshold = self.code, self.ridge, self.threshold
        inside = np.zeros(self.sizes.shape[0], dtype=np.bool_)
        inside[working] = True
        G = np.ascontiguousarray(seen.G_rows[:, working].T)
        value, squares, dot, worst, excess = _kernels.row_norms.penalty_terms(
            code, threshold[working], ridge, True, Wk, G
        )
        outside, more = _kernels.row_norms.survey(code, seen.G_rows, threshold, inside, self.sizes)
        if self.free:
            # What is free of the norm cannot be scaled into its dual ball.
            W = np.zeros(self.objective.shape)
            W[working] = Wk
            certificate = self.objective.certificate_of(W, seen)
            return certificate.objective, certificate.gap
        dual = self.objective.dual_of(seen, dot)
        alpha = 1.0 / max(1.0, worst, outside)
        quadratic = 0.5 * ridge * squares
        bound = dual(alpha) - alpha * alpha * quadratic
        if ridge > 0.0:
            bound = max(bound, dual(1.0) - 0.5 * (excess + more) / ridge)
        primal = seen.loss + value + quadratic
        return primal, duality_gap(primal, bound)


def active_set_fits(objective: Objective) -> bool:
    """Whether the penalty separates over the rows of W, and tasks have intercepts of their own."""
    return separates_over_rows(objective) and not objective.intercepts.tied


def separates_over_rows(objective: Objective) -> bool:
    """Whether the penalty is a sum over the rows of W, up to a ridge."""
    return over_rows(objective.penalty)
