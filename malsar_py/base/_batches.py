"""Fits to rows that come in batches, pass by pass: proximal Newton for losses not quadratic.

Each pass takes loss and gradient at a point, and the summary of the working responses there: least
squares on it, with the penalty of the model, gives the next point [1]_.

References
----------
.. [1] J. D. Lee, Y. Sun, M. A. Saunders, "Proximal Newton-type methods for minimizing composite
   functions", SIAM Journal on Optimization 24, 2014.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .._centring import make_design
from .._labels import as_labels, factorize, match_keys, show_label, show_labels
from .._limits import penalty_in_units
from .._solution import Prepared, Problem, Solution
from .._summary import Columns, Summary, added, few_rows, read_features, rows_of, task_order
from .._tasks import TaskRows, class_targets
from .._threads import one_blas_thread
from .._typing import AnyArray, FloatArray, IntArray
from .._weights import task_weights
from ..losses import LOG, LOGIT, Loss, Squared
from ..objective import Certificate, DualPoint, Objective, make_objective
from ..parts import by_parts
from ..solvers import Result
from ..solvers._result import History

if TYPE_CHECKING:
    from ._penalized import MultiTaskEstimator

_MOST_PASSES = 60
_SHORTEST = 1e-6
# A step must win this share of what the model promises.
_SUFFICIENT = 0.1
# What the last model may still promise, and its own gap, as shares of `tol`.
_PROMISED, _INNER = 0.25, 0.02
_ROUNDING = 16.0 * np.finfo(float).eps


@dataclass(frozen=True, eq=False)
class Counted:
    """What the first pass finds: moments of X and coded targets, and classes as they came."""

    summary: Summary
    classes: tuple[Any, ...]

    def __add__(self, other: Any) -> Counted:
        if isinstance(other, int):
            return self
        # The codes of targets are made of the classes of all batches only afterwards.
        classes = self.classes + tuple(c for c in other.classes if c not in self.classes)
        return Counted(self.summary + other.summary, classes)

    __radd__ = __add__


@dataclass(frozen=True, eq=False)
class Point:
    """Where a pass looks, and what it takes there."""

    coef: FloatArray  # (T, d)
    intercept: FloatArray  # (T,)
    share: FloatArray  # (T,) omega_t / S_t
    # For the certificate: factors of positive and negative theta (2, T) that make it feasible, and
    # those of all of it to try.
    factors: FloatArray | None = None
    alphas: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Sums:
    """What a pass takes; they add up."""

    loss: float
    gradient: FloatArray  # (2, T, d) sums of positive and negative theta times x
    theta: FloatArray  # (2, T) and of these
    working: Summary | None
    dual: FloatArray

    def __add__(self, other: Any) -> Sums:
        if isinstance(other, int):
            return self
        both = self.working is not None and other.working is not None
        return Sums(
            self.loss + other.loss,
            self.gradient + other.gradient,
            self.theta + other.theta,
            self.working + other.working if both else self.working or other.working,
            self.dual + other.dual,
        )

    __radd__ = __add__


@dataclass(frozen=True, eq=False)
class Reader:
    """How a batch is read, the same in each pass; picklable, for workers."""

    columns: Columns
    loss: Loss
    names: list[Any]
    tasks: AnyArray
    classes: AnyArray | None

    def sums(self, point: Point, batch: Any, number: int) -> Sums:
        """What a pass takes from one batch."""
        try:
            return self._sums(point, batch)
        except (ValueError, TypeError) as error:
            raise type(error)(f"batch {number}: {error}") from error

    def _sums(self, point: Point, batch: Any) -> Sums:
        T, d = point.coef.shape
        zero = Sums(0.0, np.zeros((2, T, d)), np.zeros((2, T)), None, np.zeros(len(point.alphas)))
        rows = _read(self.columns, batch, self.names, self.classes)
        if rows is None:
            return zero
        X, y, s, codes, starts, own = self._sorted(*rows)
        offsets = np.append(starts, len(y))
        y = (
            y
            if self.classes is not None
            else self.loss.check_targets(y, s, offsets, self.tasks[own], False)
        )
        z = np.einsum("ij,ij->i", X, point.coef[codes]) + point.intercept[codes]
        c = s * point.share[codes]
        theta = -c * self.loss.derivative(y, z)
        split = np.stack([np.maximum(theta, 0.0), np.minimum(theta, 0.0)])
        loss = float(c @ self.loss.value(y, z))
        found = zero.theta.copy()
        found[:, own] = np.add.reduceat(split, starts, axis=1)
        gradient = zero.gradient.copy()
        for sign, values in enumerate(split):
            gradient[sign][own] = np.add.reduceat(values[:, None] * X, starts, axis=0)
        if point.factors is not None:
            feasible = (point.factors[:, codes] * split).sum(axis=0)
            dual = [self.loss.dual(y, feasible, c, alpha) for alpha in point.alphas]
            return Sums(loss, gradient, found, None, np.array(dual))
        weight = self.loss.model_curvature(y, theta, c)
        if not (np.isfinite(loss) and np.isfinite(weight).all()):
            return replace(zero, loss=np.inf)
        response = z + np.divide(theta, weight, out=np.zeros_like(z), where=weight > 0.0)
        working = Summary(max_memory=self.columns.max_memory)
        working.update(X, response, tasks=codes, sample_weight=weight)
        return Sums(loss, gradient, found, working, zero.dual)

    def _sorted(
        self, X: FloatArray, y: FloatArray, s: FloatArray, labels: AnyArray | None
    ) -> tuple[FloatArray, FloatArray, FloatArray, IntArray, IntArray, IntArray]:
        """Rows by task, the position of each one's task, where tasks begin, and which these are."""
        codes = np.zeros(len(y), np.intp)
        if labels is not None:
            distinct, codes = factorize(labels, "`tasks`")
            where = {key: t for t, key in enumerate(match_keys(self.tasks, distinct))}
            found = [where.get(key, -1) for key in match_keys(distinct, self.tasks)]
            codes = np.array(found, dtype=np.intp)[codes]
            if (codes < 0).any():
                raise ValueError(
                    f"tasks {show_labels(distinct[np.array(found) < 0])} were not there in the "
                    "first pass: the source must give the same rows each time."
                )
        order = np.argsort(codes, kind="stable")
        codes = codes[order]
        starts = np.flatnonzero(np.append(True, np.diff(codes) != 0))
        return X[order], y[order], s[order], codes, starts, codes[starts]


def _read(
    columns: Columns, batch: Any, names: list[Any] | None, classes: AnyArray | None
) -> tuple[FloatArray, FloatArray, FloatArray, AnyArray | None] | None:
    """X, y, weights and labels of the rows of a batch that count; y is coded by the classes."""
    rows = columns.rows(batch, names)
    if rows is None:
        return None
    y = rows.y if rows.names is None else rows.y[0][0]
    observed: AnyArray
    if classes is None:
        y = np.asarray(y, dtype=np.float64).ravel()
        observed = ~np.isnan(y)
    else:
        values, observed = class_targets(y)
        values, observed = values.ravel(), observed.ravel()
        y = np.where(values == classes[0], -1.0, 1.0)
        strange = observed & (values != classes[0]) & (values != classes[1])
        if strange.any():
            raise ValueError(
                f"class {values[strange][0]!r} was not there in the first pass: the source must "
                "give the same rows each time."
            )
    X = np.asarray(rows.X, dtype=np.float64)
    s = np.ones(len(y))
    if rows.sample_weight is not None:
        s = np.asarray(rows.sample_weight, dtype=np.float64).ravel()
    keep = observed & (s > 0.0)
    if not keep.any():
        return None
    labels = None if rows.tasks is None else as_labels(rows.tasks, "`tasks`")[keep]
    return X[keep], y[keep], s[keep], labels


def _count(columns: Columns, classify: bool, batch: Any, number: int) -> Counted:
    """The first look at a batch: moments by task, and by class where there are classes."""
    summary = Summary(max_memory=columns.max_memory)
    if not classify:
        return Counted(columns.add_to(summary, batch, number), ())
    try:
        rows = columns.rows(batch, None)
        if rows is None:
            return Counted(summary, ())
        values, observed = class_targets(rows.y if rows.names is None else rows.y[0][0])
        values, observed = values.ravel(), observed.ravel()
        if not observed.any():
            return Counted(summary, ())
        X, names = (rows.X, rows.names) if rows.names is not None else read_features(rows.X)
        # Classes are the folds of this summary.
        found = np.where(observed, values, values[np.argmax(observed)])
        summary._take(
            X,
            names,
            np.where(observed, 0.0, np.nan)[:, None],
            [],
            tasks=rows.tasks,
            folds=found,
            sample_weight=rows.sample_weight,
            column=rows.column,
        )
        return Counted(summary, tuple(factorize(found, "y")[0].tolist()))
    except (ValueError, TypeError) as error:
        raise type(error)(f"batch {number}: {error}") from error


@dataclass(eq=False)
class _Fit:
    """What the passes of a fit have in common."""

    model: MultiTaskEstimator
    reader: Reader
    source: Any
    rows: TaskRows
    loss: Loss
    share: FloatArray
    penalty: Any
    n_passes: int = 1

    def sums(self, point: Point) -> Sums:
        """One pass."""
        found = added(_batches_of(self.source), partial(self.reader.sums, point))
        self.n_passes += 1
        assert isinstance(found, Sums)
        return found

    def point(self, objective: Objective, W: FloatArray, b: FloatArray) -> Point:
        return Point(np.ascontiguousarray(objective.coefficients(W).T), b, self.share)

    def step(self, sums: Sums, W: FloatArray | None, b: FloatArray, tol: float) -> _Step:
        """The minimum of the quadratic model of the loss, with the penalty as it is."""
        assert sums.working is not None
        intercepts = self.model.fit_intercept
        few = few_rows(sums.working, "keyword", self.rows.feature_names)
        few = few if intercepts else few.with_means()
        c = few.sample_weight
        design, means = make_design(few, c, intercepts)
        y, off = few.y, np.zeros(few.n_tasks)
        if means is not None and few.stands_for is not None:
            y, off = Squared().centered(y, c, few.offsets)
            means, off = means + few.stands_for.X, off + few.stands_for.y
        objective = by_parts(make_objective(design, Squared(), y, c, self.penalty, intercepts))
        W = np.zeros(objective.shape) if W is None else W
        quiet = copy.copy(self.model)
        quiet.verbose = 0
        inner = min(max(tol / max(objective.scale, 1e-300), 1e-15), 0.1)
        found = quiet._solve(objective, W, tol=inner)
        here, there = objective.coefficients(W), objective.coefficients(found.W)
        new = np.zeros_like(b)
        moved = -b
        if means is not None:
            new = off + found.intercepts - np.einsum("tj,jt->t", means, there)
            moved = off - np.einsum("tj,jt->t", means, here) - b
        rest = y - design.predict(here) + np.repeat(moved, np.diff(few.offsets))
        value = 0.5 * float(c @ np.square(rest)) + self.penalty.value(W)
        return _Step(objective, W, found.W, new, value - found.certificate.objective)

    def certify(self, sums: Sums, objective: Objective, W: FloatArray, b: FloatArray) -> float:
        """The duality gap at W and b, from one more pass there."""
        factors = np.ones_like(sums.theta)
        if self.model.fit_intercept:
            sizes = np.abs(sums.theta)
            least = sizes.min(axis=0)
            factors = np.divide(least, sizes, out=np.zeros_like(sizes), where=sizes > 0.0)
        G = np.ascontiguousarray(np.einsum("st,stj->jt", factors, sums.gradient))
        alphas = tuple(alpha for alpha, _ in self.penalty.dual_bounds(W, G))
        found = self.sums(replace(self.point(objective, W, b), factors=factors, alphas=alphas))
        dual = dict(zip(alphas, found.dual.tolist(), strict=True))
        return objective._certify(W, None, DualPoint(sums.loss, G, dual.__getitem__)).gap


@dataclass(frozen=True, eq=False)
class _Step:
    """A step: the model, where it starts, where it leads, and what the objective should win."""

    objective: Objective
    W: FloatArray
    new: FloatArray
    intercept: FloatArray
    promised: float


def fit_batches(model: MultiTaskEstimator, source: Any, columns: Columns) -> None:
    """Fit the model to all rows of a source that can be read again and again."""
    if isinstance(source, Iterator):
        raise TypeError(
            f"source is a {type(source).__name__}, which is empty after one pass: pass a list, an "
            "Arrow data set, a Dask DataFrame, or a function that returns the batches anew."
        )
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        fit = _begin(model, source, columns)
        result, gap_scale = _newton(fit)
        _finish(fit, result, gap_scale)


def _begin(model: MultiTaskEstimator, source: Any, columns: Columns) -> _Fit:
    """The first pass: tasks, classes, weights."""
    counted = added(_batches_of(source), partial(_count, columns, model._classifier))
    if not isinstance(counted, Counted):
        raise ValueError("source holds no batch.")
    summary, classes = counted.summary, None
    rows = rows_of(summary, model)
    if model._classifier:
        classes = summary.folds_
        assert classes is not None
        if len(classes) != 2:
            raise ValueError(
                f"Only binary classification is supported: the source holds {len(classes)} "
                f"class{'es' if len(classes) > 1 else ''}, {show_labels(classes)}."
            )
        rows = replace(rows, classes=classes)
    loss = model._loss(rows)
    if loss.link not in (LOG, LOGIT):  # whose best intercepts at W = 0 follow from mean targets
        raise TypeError(
            f"{type(model).__name__} with {loss!r} cannot be fitted by batches, only with the "
            "logistic, Poisson, gamma and squared losses."
        )
    for name in ("feature_weight", "class_weight"):
        if getattr(model, name, None) is not None:
            raise ValueError(
                f"{name} is not for fits by batches with this loss: leave it at None, or fit rows."
            )
    if model.intercept_shrinkage != 0.0:
        raise ValueError(
            f"intercept_shrinkage={model.intercept_shrinkage!r} is not for fits by batches with "
            "this loss: set it to 0."
        )
    problem = Problem(rows.tasks, rows.X.shape[1])
    penalty = penalty_in_units(model, problem, model._given())
    if penalty.free_part(rows.n_tasks) is not None:
        raise ValueError(
            f"{type(model).__name__} leaves a part of the coefficients without a penalty: no gap "
            "is certified by batches then. Set lambda2 > 0."
        )
    total = np.add.reduceat(rows.sample_weight, rows.offsets[:-1])
    share = task_weights(rows, model.task_weight) / total
    assert summary._names is not None
    reader = Reader(columns, loss, summary._names, rows.tasks, classes)
    return _Fit(model, reader, source, _with_means_of(rows, summary, classes), loss, share, penalty)


def _with_means_of(rows: TaskRows, summary: Summary, classes: AnyArray | None) -> TaskRows:
    """The rows with each task's mean target; of classes, the share of the second."""
    if classes is None or rows.stands_for is None:
        return rows
    second = summary.pooled(classes[1:])
    labels = second.tasks_
    of = dict(zip(match_keys(labels, rows.tasks), _weights_by_task(second), strict=True))
    total = np.add.reduceat(rows.sample_weight, rows.offsets[:-1])
    mean = np.array([of.get(key, 0.0) for key in match_keys(rows.tasks, labels)]) / total
    return replace(rows, stands_for=replace(rows.stands_for, y=mean))


def _weights_by_task(summary: Summary) -> FloatArray:
    return summary.moments.weight[task_order(summary)]


def _first_intercepts(fit: _Fit) -> FloatArray:
    """The best intercepts at W = 0."""
    rows = fit.rows
    assert rows.stands_for is not None
    mean = rows.stands_for.y
    if not fit.model.fit_intercept:
        return np.zeros(len(mean))
    high = 1.0 if fit.loss.link is LOGIT else np.inf
    alone = np.flatnonzero(~((mean > 0.0) & (mean < high)))
    if alone.size:
        t = int(alone[0])
        raise ValueError(
            f"Task {show_label(rows.tasks, t)} has targets of one kind only (their mean is "
            f"{mean[t]:g}): with fit_intercept=True its intercept has no finite minimiser. Drop "
            "the task, merge it with another, or set fit_intercept=False."
        )
    assert fit.loss.link in (LOG, LOGIT)
    return np.log(mean) if high == np.inf else np.log(mean) - np.log1p(-mean)


def _newton(fit: _Fit) -> tuple[Result, float]:
    """The solution, and the objective at W = 0."""
    model, b = fit.model, _first_intercepts(fit)
    T, d = len(b), fit.rows.X.shape[1]
    sums = fit.sums(Point(np.zeros((T, d)), b, fit.share))
    scale = value = sums.loss
    target = model.tol * scale
    step = fit.step(sums, None, b, _INNER * target)
    W, history, gap, k = step.W, History([(0, value)]), np.inf, 0
    while True:
        last = fit.n_passes >= _MOST_PASSES
        if step.promised <= _PROMISED * target or last:
            # The gap falls as steps do, what these promise as their squares: down to rounding of
            # the objective there is more to win for the gap.
            found = fit.certify(sums, step.objective, W, b)
            at_rest = step.promised <= _ROUNDING * scale and found > 0.5 * gap
            gap = found
            if gap <= target or at_rest or last:
                break
        length, D, Db = 1.0, step.new - W, step.intercept - b
        while True:
            new, new_b = W + length * D, b + length * Db
            tried = fit.sums(fit.point(step.objective, new, new_b))
            after = tried.loss + fit.penalty.value(new)
            if after <= value - _SUFFICIENT * length * step.promised + _ROUNDING * value:
                break
            length *= 0.5
            if length < _SHORTEST or fit.n_passes >= _MOST_PASSES:
                gap = fit.certify(sums, step.objective, W, b)
                return _result(step.objective, W, b, value, gap, history, target), scale
        W, b, value, sums, k = new, new_b, after, tried, k + 1
        history.add(k, value)
        if model.verbose:
            print(f"pass {fit.n_passes}: objective {value:.9g}, step {length:g}")
        step = fit.step(sums, W, b, _INNER * target)
    return _result(step.objective, W, b, value, gap, history, target), scale


def _result(
    objective: Objective,
    W: FloatArray,
    b: FloatArray,
    value: float,
    gap: float,
    history: History,
    target: float,
) -> Result:
    return Result(W, Certificate(value, gap, b), history.ending(value), gap <= target)


def _finish(fit: _Fit, result: Result, scale: float) -> None:
    """Set what a fit sets."""
    model, rows = fit.model, fit.rows
    few = rows if model.fit_intercept else rows.with_means()
    c = few.sample_weight * np.repeat(fit.share, np.diff(few.offsets))
    design, means = make_design(few, c, model.fit_intercept)
    objective = by_parts(
        make_objective(design, Squared(), few.y, c, fit.penalty, model.fit_intercept)
    )
    if means is not None and few.stands_for is not None:
        means = means + few.stands_for.X
    problem = Problem(rows.tasks, rows.X.shape[1])
    known = Prepared(few, problem, objective, np.zeros(rows.n_tasks), means)
    coefficients = objective.coefficients(result.W)
    solution = Solution(
        result.W,
        coefficients,
        result.intercepts,
        result.gap,
        result.gap / scale if scale > 0.0 else result.gap,
        np.array(result.history.objective),
        far=np.empty(0, object),
        mean=known.mean_of(coefficients, result.intercepts),
    )
    solution.check()
    model._set_solution(rows, result, solution, problem)
    model.n_passes_ = fit.n_passes
    if not solution.relative_gap <= model.tol:
        model._warn_gap(result, solution)


def _batches_of(source: Any) -> Any:
    return source() if callable(source) else source
