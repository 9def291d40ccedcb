"""What a pass over rows in batches takes at some points, so that it adds up.

Samples of losses with several predictions are there once for each: column ``t K + k`` is that of
class k in task t.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._labels import as_labels, factorize, positions_of, show_labels
from .._sparse import is_sparse
from .._summary import BatchRows, Columns, Summary, read_features, read_targets, refuse_not_finite
from .._tasks import class_targets
from .._typing import AnyArray, FloatArray, IntArray
from ..design import Design, Repeated, own_rows
from ..losses import Loss
from ._class_model import ClassMoments
from ._spread import Spread, any_features


@dataclass(frozen=True, eq=False)
class Counted:
    """What the first pass finds: moments of X and coded targets, and classes as they came."""

    summary: Summary  # with a `spread`: of the targets alone
    classes: tuple[Any, ...]
    spread: Spread | None = None

    def __add__(self, other: Any) -> Counted:
        if isinstance(other, int):
            return self
        # The codes of targets are made of the classes of all batches only afterwards.
        classes = self.classes + tuple(c for c in other.classes if c not in self.classes)
        summary = self.summary + other.summary  # columns that differ are refused
        if self.spread is None or other.spread is None:
            return Counted(summary, classes)
        return Counted(summary, classes, self.spread + other.spread)

    __radd__ = __add__


@dataclass(frozen=True, eq=False)
class Point:
    """Where a pass looks, and what it takes there."""

    coef: FloatArray  # (T K, d)
    intercept: FloatArray  # (T K,) at the centres that the reader takes out
    # For the certificate: what makes theta feasible (see `Loss.mixture`), and factors to try.
    mixture: FloatArray | None = None
    alphas: tuple[float, ...] = ()
    features: IntArray | None = None  # of the summary of working responses; None: all


@dataclass(frozen=True, eq=False)
class Sums:
    """What a pass takes at a point; they add up."""

    loss: float
    gradient: FloatArray  # (2, T K, d) sums of the parts of theta times x
    theta: FloatArray  # (2, T K) and of these
    # Of the working responses; of several classes the moments of features that their model needs.
    working: Summary | ClassMoments | None
    dual: FloatArray

    def __add__(self, other: Any) -> Sums:
        both = self.working is not None and other.working is not None
        return Sums(
            self.loss + other.loss,
            self.gradient + other.gradient,
            self.theta + other.theta,
            self.working + other.working if both else self.working or other.working,
            self.dual + other.dual,
        )


@dataclass(frozen=True, eq=False)
class EachSums:
    """The sums at some points."""

    each: list[Sums]

    def __add__(self, other: Any) -> EachSums:
        if isinstance(other, int):
            return self
        return EachSums([a + b for a, b in zip(self.each, other.each, strict=True)])

    __radd__ = __add__


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of a batch by column: task by task, in each of them once for each column."""

    X: Any  # (n, d) task by task: centred, or sparse as it is
    offsets_once: IntArray
    design: Design  # of all columns
    taken: FloatArray | None  # (columns, d) what is still to be taken out of sparse features
    y: FloatArray
    c: FloatArray
    columns: IntArray  # which these are
    column: IntArray  # (N,) of each sample
    tasks: IntArray  # positions of the tasks that are there

    def predict(self, coef: FloatArray) -> FloatArray:
        """Of coefficients (columns, d), most of which may be zero for all."""
        used, design = np.flatnonzero(coef.any(axis=0)), self.design
        if 2 * len(used) < coef.shape[1]:
            design = design.restrict(used)
            z = design.predict(np.ascontiguousarray(coef[:, used].T))
        else:
            z = design.predict(np.ascontiguousarray(coef.T))
        if self.taken is not None:
            shift = np.einsum("tj,tj->t", self.taken[:, used], coef[:, used])
            z -= np.repeat(shift, np.diff(design.offsets))
        return z

    def adjoint(self, theta: FloatArray) -> FloatArray:
        """Sums of theta times x (columns, d)."""
        G = self.design.adjoint_rows(theta)
        if self.taken is not None:
            G -= np.add.reduceat(theta, self.design.offsets[:-1])[:, None] * self.taken
        return G

    def some(self, features: IntArray | None) -> FloatArray:
        """These features (n, k), centred."""
        if features is None:
            found: FloatArray = self.X
            return found
        found = np.ascontiguousarray(self.design.columns(features).T)
        if self.taken is not None:
            found -= np.repeat(self.taken[:, features], np.diff(self.design.offsets), axis=0)
        return found


@dataclass(frozen=True, eq=False)
class Reader:
    """How a batch is read, the same in each pass; picklable, for workers."""

    columns: Columns
    loss: Loss
    names: list[Any]
    tasks: AnyArray
    classes: AnyArray | None
    share: FloatArray  # (T,) omega_t / S_t
    center: FloatArray  # (T, d) taken out of the features
    level: FloatArray  # (T,) and of targets

    def sums(self, points: list[Point], batch: Any, number: int) -> EachSums:
        """What a pass takes from one batch, at each of the points."""
        try:
            rows = self._rows(batch)
            return EachSums([self._sums(point, rows) for point in points])
        except (ValueError, TypeError) as error:
            raise type(error)(f"batch {number}: {error}") from error

    def _sums(self, point: Point, rows: _Rows | None) -> Sums:
        (C, d), loss = point.coef.shape, self.loss
        zero = Sums(0.0, np.zeros((2, C, d)), np.zeros((2, C)), None, np.zeros(len(point.alphas)))
        if rows is None:
            return zero
        y, c, column, offsets = rows.y, rows.c, rows.column, rows.design.offsets
        z = rows.predict(point.coef[rows.columns]) + point.intercept[column]
        value, theta, _ = loss.evaluate(y, z, c, offsets, False)
        parts = loss.parts(y, theta, c)
        if point.mixture is not None:
            feasible = self._mixed(point.mixture, parts, rows)
            dual = [loss.dual(y, feasible, c, alpha) for alpha in point.alphas]
            return replace(zero, loss=value, dual=np.array(dual))
        working: Summary | ClassMoments
        if not (np.isfinite(value) and np.isfinite(theta).all()):
            return replace(zero, loss=np.inf)
        if loss.n_columns > 1:
            blocks = loss.blocks(y, theta, c, offsets)
            working = ClassMoments.of(
                rows.X, blocks, rows.offsets_once, rows.tasks, len(self.tasks)
            )
        else:
            weight = loss.model_curvature(y, theta, c)
            if not np.isfinite(weight).all():
                return replace(zero, loss=np.inf)
            response = z + np.divide(theta, weight, out=np.zeros_like(z), where=weight > 0.0)
            working = Summary(max_memory=self.columns.max_memory)
            X = rows.some(point.features)
            working._take(
                X,
                X.shape[1],
                response[:, None],
                [],
                tasks=column,
                folds=None,
                sample_weight=weight,
            )
        zero.theta[:, rows.columns] = np.add.reduceat(parts, offsets[:-1], axis=1)
        for sums, values in zip(zero.gradient, parts, strict=True):
            sums[rows.columns] = rows.adjoint(values)
        return replace(zero, loss=value, working=working)

    def _mixed(self, mixture: FloatArray, parts: FloatArray, rows: _Rows) -> FloatArray:
        """A feasible theta from its parts."""
        K, out = self.loss.n_columns, np.empty(parts.shape[1])
        bounds = rows.design.offsets[::K].tolist()
        for t, start, stop in zip(rows.tasks, bounds[:-1], bounds[1:], strict=True):
            own = parts[:, start:stop].reshape(2, K, -1)
            out[start:stop] = np.einsum("slk,sln->kn", mixture[:, t], own).ravel()
        return out

    def _rows(self, batch: Any) -> _Rows | None:
        found = _read(self.columns, batch, self.names, self.classes)
        if found is None:
            return None
        loss, K = self.loss, self.loss.n_columns
        X, y, s, codes, offsets = self._sorted(*found)
        tasks = codes[offsets[:-1]]
        if self.classes is None:
            y = loss.check_targets(y, s, offsets, self.tasks[tasks], False)
        c = s * self.share[codes]
        design = own_rows(X, offsets)
        design = design if K == 1 else Repeated(design, K)
        columns = (tasks[:, None] * K + np.arange(K)).ravel()
        return _Rows(
            X,
            offsets,
            design,
            np.repeat(self.center[tasks], K, axis=0) if is_sparse(X) else None,
            loss.targets_by_column(y - self.level[codes], c, offsets),
            loss.by_column(c, offsets),
            columns,
            np.repeat(columns, np.diff(design.offsets)),
            tasks,
        )

    def _sorted(
        self, X: Any, y: FloatArray, s: FloatArray, labels: AnyArray | None
    ) -> tuple[Any, FloatArray, FloatArray, IntArray, IntArray]:
        """Rows by task, the position of each one's task, and where tasks begin and end."""
        codes = np.zeros(len(y), np.intp)
        if labels is not None:
            distinct, codes = factorize(labels, "`tasks`")
            found = positions_of(distinct, self.tasks)
            codes = found[codes]
            if (codes < 0).any():
                raise ValueError(
                    f"tasks {show_labels(distinct[found < 0])} were not there in the "
                    "first pass: the source must give the same rows each time."
                )
        order = np.argsort(codes, kind="stable")
        codes = codes[order]
        starts = np.flatnonzero(np.append(True, np.diff(codes) != 0))
        X = X[order] if is_sparse(X) else X[order] - self.center[codes]
        return X, y[order], s[order], codes, np.append(starts, len(y))


def _read(
    columns: Columns, batch: Any, names: list[Any] | None, classes: AnyArray | None
) -> tuple[Any, FloatArray, FloatArray, AnyArray | None] | None:
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
        code = np.full(len(values), np.nan)
        for k, label in enumerate(classes):
            code[values == label] = k
        strange = observed & np.isnan(code)
        if strange.any():
            raise ValueError(
                f"class {values[strange][0]!r} was not there in the first pass: the source must "
                "give the same rows each time."
            )
        y = class_codes(len(classes))[np.where(observed, code, 0).astype(np.intp)]
    X = rows.X.tocsr() if is_sparse(rows.X) else np.asarray(rows.X, dtype=np.float64)
    s = np.ones(len(y))
    if rows.sample_weight is not None:
        s = np.asarray(rows.sample_weight, dtype=np.float64).ravel()
    keep = observed & (s > 0.0)
    if not keep.any():
        return None
    labels = None if rows.tasks is None else as_labels(rows.tasks, "`tasks`")[keep]
    return X[keep], y[keep], s[keep], labels


def class_codes(n_classes: int) -> FloatArray:
    """How losses are told classes: -1 and +1, or positions of more than two."""
    return np.array([-1.0, 1.0]) if n_classes == 2 else np.arange(n_classes, dtype=np.float64)


def count(columns: Columns, classify: bool, wide: bool, batch: Any, number: int) -> Counted:
    """The first look at a batch: moments by task, and by class where there are classes.

    ``wide``: those of the targets alone, and of each feature by itself.
    """
    summary = Summary(max_memory=columns.max_memory)
    if not (classify or wide):
        return Counted(columns.add_to(summary, batch, number), ())
    try:
        rows = columns.rows(batch, None)
        if rows is None:
            return Counted(summary, (), Spread({}) if wide else None)
        y, found = _targets_of(rows, classify)
        if np.isnan(y).all():
            return Counted(summary, (), Spread({}) if wide else None)
        classes = () if found is None else tuple(factorize(found, "y")[0].tolist())
        read = any_features if wide else read_features
        X, names = (rows.X, rows.names) if rows.names is not None else read(rows.X)
        given = {"tasks": rows.tasks, "folds": found, "sample_weight": rows.sample_weight}
        # Classes are the folds of this summary.
        seen = np.empty((len(y), 0)) if wide else X
        refuse_not_finite(X, names)
        summary._take(seen, names, y, [], column=rows.column, **given)
        spread = Spread.of(X, y, rows.tasks, rows.sample_weight) if wide else None
        return Counted(summary, classes, spread)
    except (ValueError, TypeError) as error:
        raise type(error)(f"batch {number}: {error}") from error


def _targets_of(rows: BatchRows, classify: bool) -> tuple[FloatArray, AnyArray | None]:
    """Targets (n, 1), NaN where not observed, and the class of each row if there are classes."""
    given = rows.y if rows.names is None else rows.y[0][0]
    if not classify:
        y, targets = read_targets(given)
        if targets:
            raise ValueError(
                "y has several columns: fits by batches take one target. Give each target its own "
                "rows, with its name in `tasks`."
            )
        return y, None
    values, observed = class_targets(given)
    values, observed = values.ravel(), observed.ravel()
    y = np.where(observed, 0.0, np.nan)[:, None]
    return y, np.where(observed, values, values[np.argmax(observed)])
