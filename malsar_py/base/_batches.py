"""Fits to rows that come in batches, pass by pass: proximal Newton for losses not quadratic.

Each pass takes loss and gradient at a point, and the summary of the working responses there: least
squares on it, with the penalty of the model, gives the next point [1]_. What a fit asks of a pass
it yields, so that one pass serves all fits of a path.

References
----------
.. [1] J. D. Lee, Y. Sun, M. A. Saunders, "Proximal Newton-type methods for minimizing composite
   functions", SIAM Journal on Optimization 24, 2014.
"""

from __future__ import annotations

import copy
from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .._centring import make_design
from .._labels import show_label
from .._limits import penalty_in_units
from .._solution import Prepared, Problem, Solution
from .._summary import added, few_rows, task_order
from .._tasks import TaskRows
from .._typing import FloatArray, IntArray
from .._weights import task_weights
from ..intercepts import make_intercepts
from ..losses import LOG, LOGIT, Loss, Squared
from ..objective import Certificate, DualPoint, Objective, make_objective
from ..parts import by_parts
from ..penalties import Penalty
from ..solvers import Result
from ..solvers._result import History
from ..solvers.accelerated import solve_accelerated
from ._class_model import ClassMoments, class_model
from ._passes import EachSums, Point, Reader, Sums, class_codes

if TYPE_CHECKING:
    from ._penalized import MultiTaskEstimator

_MOST_PASSES = 60
_SHORTEST = 1e-6
# A step must win this share of what the model promises.
_SUFFICIENT = 0.1
# What the last model may still promise, and its own gap, as shares of `tol`.
_PROMISED, _INNER = 0.25, 0.02
_ROUNDING = 16.0 * np.finfo(float).eps
# Of sums over rows that are compared.
_SLACK = 256.0 * np.finfo(float).eps
# What intercepts may still win at W = 0, as a share of the loss.
_AT_ZERO = 1e-18


@dataclass(frozen=True, eq=False)
class State:
    """A point, what a pass took there, and the objective."""

    W: FloatArray
    b: FloatArray
    sums: Sums
    value: float
    features: IntArray | None = None  # of the working responses' summary; None: all


@dataclass(frozen=True, eq=False)
class Step:
    """Where a step leads, and what the objective should win."""

    W: FloatArray
    b: FloatArray
    promised: float
    objective: Objective | None = None  # the model


# A fit: it yields points, is sent what a pass takes there, and returns what it found.
Fit = Generator[Point, Sums, Any]


@dataclass(eq=False)
class BatchFit:
    """What the fits to a source have in common."""

    model: MultiTaskEstimator
    reader: Reader
    source: Any
    rows: TaskRows
    shares: FloatArray | None  # (T, K) of the classes in each task's weight
    kappa: float
    problem: Problem
    room: int  # bytes for statistics
    n_passes: int = 1

    @property
    def loss(self) -> Loss:
        return self.reader.loss

    @property
    def shape(self) -> tuple[int, int]:
        """Of W."""
        return self.rows.X.shape[1], self.problem.n_columns

    @property
    def n_bytes(self) -> int:
        """Of the statistics of a pass at one point."""
        K = self.loss.n_columns
        return 8 * self.rows.n_tasks * (K * (self.shape[0] + 1)) ** 2

    def check_room(self) -> None:
        """Refuse statistics that would take more."""
        if self.n_bytes > self.room:
            T, K, d = self.rows.n_tasks, self.loss.n_columns, self.shape[0]
            raise MemoryError(
                f"The moments of {K} classes in {T} tasks with {d} features take 8 x {T} x ({K} x "
                f"{d + 1})^2 = {self.n_bytes / 2**30:.3g} GiB, more than max_memory={self.room}: "
                "take fewer features or classes, or raise max_memory."
            )

    def share_room(self, n_fits: int) -> int:
        """How many of so many fits are to be served at once."""
        return max(1, self.room // self.n_bytes)

    def serve(self, fits: list[Fit]) -> list[Any]:
        """What the fits return; each pass answers all that go on."""
        results: list[Any] = [None] * len(fits)
        asked: dict[int, Point] = {}

        def take(k: int, answer: Sums | None) -> None:
            try:
                asked[k] = fits[k].send(answer) if answer is not None else next(fits[k])
            except StopIteration as end:
                results[k] = end.value

        for k in range(len(fits)):
            take(k, None)
        while asked:
            points, asked = asked, {}
            found = added(batches_of(self.source), partial(self.reader.sums, list(points.values())))
            self.n_passes += 1
            assert isinstance(found, EachSums)
            for k, answer in zip(points, found.each, strict=True):
                take(k, answer)
        return results

    def penalty(self, lambda1: float | None = None) -> Penalty:
        """The model's, at this lambda1 or its own."""
        others = {} if lambda1 is None else {"lambda1": lambda1}
        found = penalty_in_units(self.model, self.problem, self.model._given(**others))
        if found.free_part(self.problem.n_columns) is not None:
            raise ValueError(
                f"{type(self.model).__name__} leaves a part of the coefficients without a "
                "penalty: no gap is certified by batches then. Set lambda2 > 0."
            )
        return found

    def cost(self, b: FloatArray) -> float:
        """What intercepts b cost that are shrunk."""
        own = b - b.mean()
        return 0.5 * self.kappa * float(own @ own) if 0.0 < self.kappa < np.inf else 0.0

    @cached_property
    def zero(self) -> State:
        """W = 0 with the best intercepts."""
        found = self.serve([self._at_zero()])[0]
        assert isinstance(found, State)
        return found

    def _at_zero(self) -> Fit:
        b = self._first_intercepts()
        features = self._at_first()
        state = yield from self._state(np.zeros(self.shape), b, None, features)
        while self.model.fit_intercept and self.n_passes < _MOST_PASSES:
            step = self._intercept_step(state)
            if not step.promised > _AT_ZERO * state.value:
                break
            following = yield from self._advance(None, state, step, features)
            if following is None:
                break
            state = following
        return state

    def _at_first(self) -> IntArray | None:
        """Features of the summary at W = 0."""
        return None

    def _called(
        self, penalty: Penalty, state: State, W: FloatArray
    ) -> tuple[IntArray | None, bool]:
        """Features of the next summary, at W, and whether the last one lacked some."""
        return None, False

    def _first_intercepts(self) -> FloatArray:
        """The best intercepts at W = 0 where mean targets tell them, else those means."""
        rows, loss, K = self.rows, self.loss, self.loss.n_columns
        n_tasks = rows.n_tasks
        assert rows.stands_for is not None
        if not self.model.fit_intercept:
            return np.zeros(n_tasks * K)
        mean, shares = rows.stands_for.y, self.shares
        if shares is None and loss.link is LOGIT:
            shares = np.stack([1.0 - mean, mean], axis=1)
        if self.kappa == 0.0:
            self._refuse_one_kind(mean, shares)
        omega = task_weights(rows, self.model.task_weight)
        if shares is not None:  # rows of a class in a task are all alike
            y = np.tile(class_codes(shares.shape[1]), n_tasks)
        elif loss.link is LOG:
            y, shares = mean, np.ones((n_tasks, 1))
        else:
            b = mean - self.reader.level
            return b if self.kappa < np.inf else np.full(n_tasks, omega @ b / omega.sum())
        c = (omega[:, None] * shares).ravel()
        offsets = np.arange(n_tasks + 1) * shares.shape[1]
        y, c = loss.targets_by_column(y, c, offsets), loss.by_column(c, offsets)
        each = np.append(0, np.cumsum(np.repeat(np.diff(offsets), K)))
        start = np.zeros(n_tasks * K)
        intercepts = make_intercepts(True, self.kappa, K)
        return intercepts.evaluate(loss, y, np.zeros_like(y), c, each, start).intercepts

    def _refuse_one_kind(self, mean: FloatArray, shares: FloatArray | None) -> None:
        """Refuse tasks whose intercept has no finite minimiser."""
        label = partial(show_label, self.rows.tasks)
        remedy = "Drop the task, merge it with another, or set fit_intercept=False"
        if shares is not None and shares.shape[1] > 2:
            lacking = np.argwhere(shares == 0.0)
            if lacking.size:
                t, k = lacking[0].tolist()
                assert self.reader.classes is not None
                raise ValueError(
                    f"Task {label(t)} has no rows of class {show_label(self.reader.classes, k)}: "
                    "by batches each task needs rows of every class while intercepts are free. "
                    f"{remedy}."
                )
            return
        if shares is None and self.loss.link is not LOG:
            return
        if shares is None and mean.min() < 0.0:
            t = int(mean.argmin())
            raise ValueError(
                f"{self.loss!r} takes no negative targets, but those of task {label(t)} have mean "
                f"{mean[t]:g}: remove or correct them, or use another loss."
            )
        there = mean > 0.0 if shares is None else (shares > 0.0).all(axis=1)
        if not there.all():
            t = int(np.flatnonzero(~there)[0])
            raise ValueError(
                f"Task {label(t)} has targets of one kind only (their mean is {mean[t]:g}): with "
                f"fit_intercept=True its intercept has no finite minimiser. {remedy} or "
                "intercept_shrinkage > 0."
            )

    def _intercept_step(self, state: State) -> Step:
        """Newton's step of the intercepts alone."""
        theta, working = state.sums.theta.sum(axis=0), state.sums.working
        if isinstance(working, ClassMoments):  # the first ones were the best
            return Step(state.W, state.b, 0.0)
        assert working is not None
        h, kappa = working.moments.weight[task_order(working)], self.kappa
        if kappa == np.inf:
            pull = theta
            step = np.full_like(theta, theta.sum() / h.sum())
        else:
            pull = theta - kappa * (state.b - state.b.mean())
            D = h + kappa
            mean = (pull / D).mean() / (h / D).mean()
            step = (pull + kappa * mean) / D
        return Step(state.W, state.b + step, 0.5 * float(pull @ step))

    def _state(
        self, W: FloatArray, b: FloatArray, penalty: Penalty | None, features: IntArray | None
    ) -> Generator[Point, Sums, State]:
        sums = yield Point(np.ascontiguousarray(self._whole(W).T), b, features=features)
        value = sums.loss + self.cost(b) + (0.0 if penalty is None else penalty.value(W))
        return State(W, b, sums, value, features)

    def _advance(
        self, penalty: Penalty | None, state: State, step: Step, features: IntArray | None
    ) -> Generator[Point, Sums, State | None]:
        """As far along a step as the objective falls; None if it does nowhere."""
        length = 1.0
        while length >= _SHORTEST:
            W = state.W + length * (step.W - state.W)
            b = state.b + length * (step.b - state.b)
            following = yield from self._state(W, b, penalty, features)
            least = _SUFFICIENT * length * step.promised
            if following.value <= state.value - least + _SLACK * state.value:
                return following
            length *= 0.5
        return None

    def _model_step(self, penalty: Penalty, state: State, W: FloatArray | None, tol: float) -> Step:
        """The minimum of the quadratic model of the loss, with the penalty as it is."""
        if isinstance(state.sums.working, ClassMoments):
            return self._class_step(penalty, state, state.sums.working, W, tol)
        assert state.sums.working is not None
        names = self.rows.feature_names
        few = few_rows(
            state.sums.working,
            "keyword",
            names if state.features is None else names[state.features],
        )
        shrunk, b = self.kappa > 0.0, state.b
        own = self.model.fit_intercept and not shrunk
        few = few if own else few.with_means()
        y, c, off = few.y, few.sample_weight, np.zeros(few.n_tasks)
        # Where intercepts are shrunk they are compared at the centre that the reader took out.
        design, means = make_design(few, c, own)
        if own:
            y, off = Squared().centered(y, c, few.offsets)
            assert means is not None and few.stands_for is not None
            means, off = means + few.stands_for.X, off + few.stands_for.y
        terms = penalty, self.model.fit_intercept, self.kappa
        objective = by_parts(make_objective(design, Squared(), y, c, *terms))
        W = np.zeros(objective.shape) if W is None else W
        quiet = copy.copy(self.model)
        quiet.verbose = 0
        inner = min(max(tol / max(objective.scale, 1e-300), 1e-15), 0.1)
        found = quiet._solve(objective, W, tol=inner)
        here, there = objective.coefficients(W), objective.coefficients(found.W)
        new, moved = off + found.intercepts, off - b
        if means is not None:
            new = new - np.einsum("tj,jt->t", means, there)
            moved = moved - np.einsum("tj,jt->t", means, here)
        rest = y - design.predict(here) + np.repeat(moved, np.diff(few.offsets))
        value = 0.5 * float(c @ np.square(rest)) + penalty.value(W) + self.cost(b)
        return Step(found.W, new, value - found.certificate.objective, objective)

    def _class_step(
        self,
        penalty: Penalty,
        state: State,
        moments: ClassMoments,
        W: FloatArray | None,
        tol: float,
    ) -> Step:
        """The same of several classes."""
        whole = np.zeros(self.shape) if W is None else self._whole(W)
        theta, G = state.sums.theta.sum(axis=0), state.sums.gradient.sum(axis=0)
        found = class_model(moments, theta, G, whole, penalty, self.model.fit_intercept)
        objective = by_parts(found.objective)
        W = np.zeros(objective.shape) if W is None else W
        inner = min(max(tol / max(objective.scale, 1e-300), 1e-15), 0.1)
        result = solve_accelerated(objective, W, tol=inner, max_iter=self.model.max_iter)
        before = objective.value_at(W, objective.design.predict(whole))
        b = state.b + found.intercept_step(self._whole(result.W) - whole)
        promised = before - result.certificate.objective + found.won
        return Step(result.W, b, promised, objective)

    def _feasible(self, sums: Sums) -> tuple[FloatArray, FloatArray, float]:
        """What makes theta feasible, ``X' theta`` of that, and what shrunk intercepts cost it."""
        T, K = self.rows.n_tasks, self.loss.n_columns
        totals = sums.theta.reshape(2, T, K)
        if not self.model.fit_intercept:
            mixture = np.broadcast_to(np.eye(K), (2, T, K, K))
        elif self.kappa > 0.0:
            one = self.loss.mixture(totals.sum(axis=1, keepdims=True))
            mixture = np.broadcast_to(one, (2, T, K, K))
        else:
            mixture = self.loss.mixture(totals)
        each = sums.gradient.reshape(2, T, K, -1)
        G = np.einsum("stlk,stld->dtk", mixture, each).reshape(each.shape[-1], -1)
        left = np.einsum("stlk,stl->tk", mixture, totals)
        cost = 0.5 * float(np.square(left).sum()) / self.kappa if self.kappa > 0.0 else 0.0
        return mixture, np.ascontiguousarray(G), cost

    def _certify(
        self, penalty: Penalty, state: State, objective: Objective
    ) -> Generator[Point, Sums, float]:
        """The duality gap at a state, from one more pass there."""
        mixture, G, cost = self._feasible(state.sums)
        alphas = tuple(alpha for alpha, _ in penalty.dual_bounds(state.W, G))
        whole = np.ascontiguousarray(self._whole(state.W).T)
        found = yield Point(whole, state.b, mixture, alphas)
        lost = {alpha: alpha * alpha * cost for alpha in alphas}
        dual = {a: v - lost[a] for a, v in zip(alphas, found.dual.tolist(), strict=True)}
        loss = state.sums.loss + self.cost(state.b)
        return objective.certify(state.W, None, DualPoint(loss, G, dual.__getitem__)).gap

    def newton(self, penalty: Penalty, start: State | None = None) -> Fit:
        """Solve, from a state or W = 0: the result, and the state that it is."""
        model, scale = self.model, self.zero.value
        target, began = model.tol * scale, self.n_passes
        state = self.zero if start is None else start
        W = None if start is None else state.W
        if W is not None:  # the penalty is another
            state = replace(state, value=state.sums.loss + self.cost(state.b) + penalty.value(W))
        features, lacks = self._called(penalty, state, state.W)
        if lacks:
            state = yield from self._state(state.W, state.b, penalty, features)
        share = _INNER
        step = self._model_step(penalty, state, W, share * target)
        if W is None:
            state = replace(state, W=np.zeros_like(step.W))
        history, gap, k = History([(0, state.value)]), np.inf, 0
        while True:
            assert step.objective is not None
            last = self.n_passes - began >= _MOST_PASSES
            features, lacks = self._called(penalty, state, step.W)
            if (step.promised <= _PROMISED * target and not lacks) or last:
                # The gap falls as steps do, what these promise as their squares: down to rounding
                # of the objective there is more to win for the gap.
                found = yield from self._certify(penalty, state, step.objective)
                at_rest = step.promised <= _ROUNDING * scale and found > 0.5 * gap
                gap = found
                if gap <= target or at_rest or last:
                    break
                # Of slopes with kinks it falls as steps do: they must be as small.
                share *= _INNER
                step = self._model_step(penalty, state, state.W, share * target)
            following = yield from self._advance(penalty, state, step, features)
            if following is None:
                assert step.objective is not None
                gap = yield from self._certify(penalty, state, step.objective)
                break
            state, k = following, k + 1
            history.add(k, state.value)
            if model.verbose:
                print(f"pass {self.n_passes}: objective {state.value:.9g}")
            step = self._model_step(penalty, state, state.W, share * target)
        certificate = Certificate(state.value, gap, self._intercepts(state))
        ending = history.ending(state.value)
        return Result(state.W, certificate, ending, gap <= target, solver="batches"), state

    def _intercepts(self, state: State) -> FloatArray:
        """Those for features as given; of several classes they sum to zero at the centres."""
        b, K = state.b.reshape(self.rows.n_tasks, -1), self.loss.n_columns
        if K > 1:  # only what they differ by matters
            b = b - b.mean(axis=1, keepdims=True)
        W = self._whole(state.W).reshape(self.shape[0], -1, K)
        b = b + self.reader.level[:, None]
        return (b - np.einsum("tj,jtk->tk", self.reader.center, W)).ravel()

    def _whole(self, W: FloatArray) -> FloatArray:
        """The sum of the parts of W, where it has such."""
        return W.reshape(-1, *self.shape).sum(axis=0)

    def slope(self) -> FloatArray:
        """Minus the loss's gradient at W = 0."""
        return self._feasible(self.zero.sums)[1]

    def curvature(self) -> float:
        """Mean curvature of the loss, as of an objective in memory."""
        if self.loss.curvature is None:
            found = self._model_step(self.penalty(1.0), self.zero, None, np.inf).objective
            assert found is not None
            return found.mean_curvature()
        return self.loss.curvature * self._known(self.penalty(1.0)).objective.mean_curvature()

    def _known(self, penalty: Penalty) -> Prepared:
        """The moments of the rows as a fit's data."""
        model, rows = self.model, self.rows
        free = model.fit_intercept and self.kappa == 0.0
        few = rows if free else rows.with_means(common=model.fit_intercept)
        c = few.sample_weight * np.repeat(self.reader.share, np.diff(few.offsets))
        design, means = make_design(few, c, model.fit_intercept, grand=not free)
        if means is not None and few.stands_for is not None:
            means = means + few.stands_for.X
        terms = penalty, model.fit_intercept, self.kappa
        objective = make_objective(design, Squared(), few.y, c, *terms)
        common = bool(getattr(model, "common", False))
        problem = replace(self.problem, n_classes=1)  # features are the same for all classes
        offset = np.zeros(rows.n_tasks)
        return Prepared(few, problem, objective, offset, means, common, self.kappa)

    def solution(self, result: Result, penalty: Penalty) -> Solution:
        """The result for the data as given."""
        W, K, b = result.W, self.loss.n_columns, result.intercepts
        whole = self._whole(W)
        known, scale = self._known(penalty), self.zero.value
        means = [known.mean_of(whole[:, k::K], b[k::K]) for k in range(K)]
        found = Solution(
            W,
            whole,
            b,
            result.gap,
            result.gap / scale if scale > 0.0 else result.gap,
            np.array(result.history.objective),
            far=np.empty(0, object),
            mean=(np.concatenate([m for m, _ in means]), np.concatenate([a for _, a in means])),
        )
        found.check()
        return found


def batches_of(source: Any) -> Any:
    """The batches of a source for one pass, anew if it is a function."""
    return source() if callable(source) else source
