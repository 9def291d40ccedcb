"""What a pass over rows in batches takes at some points, so that it adds up.

Samples of losses with several predictions are there once for each: column ``t K + k`` is that of
class k in task t.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from .._labels import as_labels, factorize, match_keys, show_labels
from .._summary import Columns, Summary, read_features
from .._tasks import class_targets
from .._typing import AnyArray, FloatArray, IntArray
from ..losses import Loss
from ._class_model import ClassMoments


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

    coef: FloatArray  # (T K, d)
    intercept: FloatArray  # (T K,) at the centres that the reader takes out
    # For the certificate: what makes theta feasible (see `Loss.mixture`), and factors to try.
    mixture: FloatArray | None = None
    alphas: tuple[float, ...] = ()


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

    X: FloatArray
    y: FloatArray
    c: FloatArray
    offsets: IntArray
    columns: IntArray  # which these are
    column: IntArray  # (N,) of each sample
    tasks: IntArray  # positions of the tasks that are there
    once: FloatArray  # the features once for all columns
    offsets_once: IntArray


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
        X, y, c, column = rows.X, rows.y, rows.c, rows.column
        z = np.einsum("ij,ij->i", X, point.coef[column]) + point.intercept[column]
        value, theta, _ = loss.evaluate(y, z, c, rows.offsets, False)
        parts = loss.parts(y, theta, c)
        if point.mixture is not None:
            feasible = self._mixed(point.mixture, parts, rows)
            dual = [loss.dual(y, feasible, c, alpha) for alpha in point.alphas]
            return replace(zero, loss=value, dual=np.array(dual))
        working: Summary | ClassMoments
        if not (np.isfinite(value) and np.isfinite(theta).all()):
            return replace(zero, loss=np.inf)
        if loss.n_columns > 1:
            blocks = loss.blocks(y, theta, c, rows.offsets)
            working = ClassMoments.of(
                rows.once, blocks, rows.offsets_once, rows.tasks, len(self.tasks)
            )
        else:
            weight = loss.model_curvature(y, theta, c)
            if not np.isfinite(weight).all():
                return replace(zero, loss=np.inf)
            response = z + np.divide(theta, weight, out=np.zeros_like(z), where=weight > 0.0)
            working = Summary(max_memory=self.columns.max_memory)
            working.update(X, response, tasks=column, sample_weight=weight)
        starts = rows.offsets[:-1]
        zero.theta[:, rows.columns] = np.add.reduceat(parts, starts, axis=1)
        for sums, values in zip(zero.gradient, parts, strict=True):
            sums[rows.columns] = np.add.reduceat(values[:, None] * X, starts, axis=0)
        return replace(zero, loss=value, working=working)

    def _mixed(self, mixture: FloatArray, parts: FloatArray, rows: _Rows) -> FloatArray:
        """A feasible theta from its parts."""
        K, out = self.loss.n_columns, np.empty(parts.shape[1])
        bounds = rows.offsets[::K].tolist()
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
        sizes = np.repeat(np.diff(offsets), K)
        columns = (tasks[:, None] * K + np.arange(K)).ravel()
        return _Rows(
            X if K == 1 else _each_column(X, offsets, K),
            loss.targets_by_column(y, c, offsets),
            loss.by_column(c, offsets),
            np.append(0, np.cumsum(sizes)),
            columns,
            np.repeat(columns, sizes),
            tasks,
            X,
            offsets,
        )

    def _sorted(
        self, X: FloatArray, y: FloatArray, s: FloatArray, labels: AnyArray | None
    ) -> tuple[FloatArray, FloatArray, FloatArray, IntArray, IntArray]:
        """Rows by task, the position of each one's task, and where tasks begin and end."""
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
        return X[order] - self.center[codes], y[order], s[order], codes, np.append(starts, len(y))


def _each_column(X: FloatArray, offsets: IntArray, K: int) -> FloatArray:
    """The rows of each task K times, one after the other."""
    blocks = [np.tile(X[a:b], (K, 1)) for a, b in pairwise(offsets.tolist())]
    return np.concatenate(blocks)


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
    X = np.asarray(rows.X, dtype=np.float64)
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


def count(columns: Columns, classify: bool, batch: Any, number: int) -> Counted:
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
