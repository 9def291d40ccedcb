"""Second moments of weighted rows by key: added up stably, merged, and turned back into rows.

For the rows Z = [X, Y] of a key with weights s the state is the number of rows, the sum of log
weights, S = sum s, a shift a (the key's first row), the sum s'(Z - a) and the matrix of second
moments about the mean. Sums about a value that is near the mean keep their digits where X'X would
not, and moments of two parts are merged by Chan, Golub and LeVeque's formula [1]_.

References
----------
.. [1] T. Chan, G. Golub, R. LeVeque, "Algorithms for computing the sample variance: analysis and
   recommendations", The American Statistician, 37(3), 1983.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _kernels
from .._standins import rows_of_root
from .._typing import AnyArray, FloatArray, IntArray

# Numbers in a block of rows of which the products are taken at once: it stays in the cache.
_BLOCK = 1 << 14
# From so many columns on products of a block are BLAS's, which sees that they are symmetric: it is
# worth blocks of so many rows for each column.
_MANY_COLUMNS, _TALL = 96, 8
# The same of scatters that are turned into rows.
_BATCH = 1 << 16


@dataclass(eq=False)
class Moments:
    """The state of K keys, p columns; a key without rows has zeros."""

    n: IntArray  # (K,) rows of positive weight
    log_weight: FloatArray  # (K,) sum of the logs of their weights
    weight: FloatArray  # (K,) S
    shift: FloatArray  # (K, p)
    offset: FloatArray  # (K, p) mean less shift
    scatter: FloatArray  # (K, p, p) sum of s (z - mean)(z - mean)', its upper triangle

    @classmethod
    def zeros(cls, n_keys: int, p: int) -> Moments:
        """Nothing seen."""
        return cls(
            n=np.zeros(n_keys, np.int64),
            log_weight=np.zeros(n_keys),
            weight=np.zeros(n_keys),
            shift=np.zeros((n_keys, p)),
            offset=np.zeros((n_keys, p)),
            scatter=np.zeros((n_keys, p, p)),
        )

    @property
    def n_keys(self) -> int:
        """Number of keys."""
        return len(self.n)

    @property
    def mean(self) -> FloatArray:
        """Weighted means (K, p)."""
        return self.shift + self.offset

    def full_scatter(self, keys: Any = slice(None)) -> FloatArray:
        """Both triangles of the scatter of these keys."""
        upper = self.scatter[keys]
        below = np.triu(upper, 1)
        return np.asarray(np.triu(upper) + np.swapaxes(below, -1, -2))

    @property
    def nbytes(self) -> int:
        """Bytes of the state."""
        return sum(array.nbytes for array in vars(self).values())

    def select(self, keys: IntArray) -> Moments:
        """These keys alone."""
        return Moments(**{name: values[keys] for name, values in vars(self).items()})

    def grown(self, n_keys: int) -> Moments:
        """The same with more keys, in memory that has room for as many again."""
        return Moments(**{name: _grown(values, n_keys) for name, values in vars(self).items()})

    def add(self, other: Moments, where: IntArray) -> None:
        """Merge key k of other into key ``where[k]``, each at most once."""
        new = self.n[where] == 0
        # The first shift stays: two keys' means are compared as deviations from it.
        self.shift[where[new]] = other.shift[new]
        mine, theirs = self.weight[where], other.weight
        between = (other.shift - self.shift[where]) + (other.offset - self.offset[where])
        total = mine + theirs
        share = np.divide(theirs, total, out=np.zeros_like(total), where=total > 0.0)
        _kernels.moments.add_scatter(where, other.scatter, mine * share, between, self.scatter)
        self.offset[where] += share[:, None] * between
        self.n[where] += other.n
        self.log_weight[where] += other.log_weight
        self.weight[where] = total

    def add_rows(
        self, X: FloatArray, Y: FloatArray, weight: FloatArray | None, codes: IntArray, where: Any
    ) -> None:
        """Add the rows [X, Y], row i to key ``where[codes[i]]``; those of larger codes nowhere."""
        n_rows, p = len(X), self.shift.shape[1]
        order, bounds = np.empty(n_rows, np.intp), np.empty(len(where) + 2, np.intp)
        _kernels.moments.sort_by_key(codes, len(where) + 1, order, bounds)
        if p >= _MANY_COLUMNS and n_rows >= p * len(where):
            for g, k in enumerate(where):
                self._add_to(int(k), X, Y, weight, order[bounds[g] : bounds[g + 1]])
            return
        shift = self.shift[where]
        center = shift + self.offset[where]  # rounded: `moved` is how far it is in truth
        moved = center - shift
        _kernels.moments.add_rows(
            X,
            Y,
            np.ones(1) if weight is None else weight,
            weight is not None,
            order,
            bounds,
            where,
            self.n,
            self.log_weight,
            self.weight,
            self.shift,
            self.offset,
            self.scatter,
            center,
            moved,
            np.empty((max(16, _BLOCK // p), p + 1)),
        )

    def _add_to(
        self, k: int, X: FloatArray, Y: FloatArray, weight: FloatArray | None, rows: IntArray
    ) -> None:
        """Add these rows to key k, in blocks about a point near their mean."""
        d, p = X.shape[1], self.shift.shape[1]
        height = min(_TALL * p, len(rows))
        block = np.empty((height, p + 1))
        for start in range(0, len(rows), height):
            own = rows[start : start + height]
            # Rows of a key are often neighbours.
            near: Any = own
            if own[-1] - own[0] == len(own) - 1 and (np.diff(own) == 1).all():
                near = slice(own[0], own[-1] + 1)
            if self.n[k] == 0:
                self.shift[k, :d], self.shift[k, d:] = X[own[0]], Y[own[0]]
            B = block[: len(own)]
            B[:, :d], B[:, d:p], B[:, p] = X[near], Y[near], 1.0
            # (Of all columns: that of ones is not moved.)
            about = np.append(B[:, :p].mean(axis=0), 0.0)
            B -= about
            if weight is not None:
                self.log_weight[k] += np.log(weight[near]).sum()
                B *= np.sqrt(weight[near])[:, None]
            G = B.T @ B
            rest = G[:p, p] / G[p, p]
            total = self.weight[k] + G[p, p]
            share = G[p, p] / total
            between = (about[:p] - self.shift[k]) - self.offset[k] + rest
            self.scatter[k] += np.triu(
                G[:p, :p]
                - np.outer(rest, G[p, :p])
                + (self.weight[k] * share) * np.outer(between, between)
            )
            self.offset[k] += share * between
            self.weight[k] = total
            self.n[k] += len(own)


def _grown(values: AnyArray, n_keys: int) -> AnyArray:
    base = values.base
    if base is None or len(base) < n_keys:
        base = np.zeros((2 * n_keys, *values.shape[1:]), values.dtype)
        base[: len(values)] = values
    return base[:n_keys]


def equivalent_rows(moments: Moments, keys: IntArray) -> tuple[FloatArray, IntArray, FloatArray]:
    """Few rows with the same weighted moments as those of keys: their weighted squares are equal.

    Returns the deviations of all of them from the means, which sum to zero in each key, how many
    each key has, and the weights. Those of a key weigh the same, S / m; m is the number of its
    rows, p + 1 at most.
    """
    p = moments.scatter.shape[-1]
    sizes = np.minimum(moments.n[keys], p + 1)
    step = max(1, _BATCH // (p * p))
    parts = []
    for start in range(0, len(keys), step):
        some = keys[start : start + step]
        found = _full_rows(moments, some) if (moments.n[some] > p).all() else None
        parts += [_few_rows(moments, k) for k in some] if found is None else [found]
    weight = np.repeat(moments.weight[keys] / np.maximum(sizes, 1), sizes)
    return np.concatenate(parts), sizes, weight


def _full_rows(moments: Moments, keys: IntArray) -> FloatArray | None:
    """The deviations of keys with many rows, None if one of them is singular."""
    C, unit = _of_unit_length(moments.scatter[keys])
    constant = np.einsum("tjj->tj", C) == 0.0
    # Columns of zeros are taken for independent ones: nothing is multiplied by them.
    np.einsum("tjj->tj", C)[constant] = 1.0
    try:
        R = np.linalg.cholesky(C.transpose(0, 2, 1)).transpose(0, 2, 1)
    except np.linalg.LinAlgError:
        return None
    total = moments.weight[keys, None, None]
    return rows_of_root(R * unit[:, None], total).reshape(-1, C.shape[-1])


def _few_rows(moments: Moments, k: int) -> FloatArray:
    """The deviations of a key with few rows, or whose columns depend on each other."""
    C, unit = _of_unit_length(moments.scatter[k])
    rank = int(min(moments.n[k] - 1, len(unit)))
    values, vectors = np.linalg.eigh(C, UPLO="U")
    roots = np.sqrt(np.maximum(values[len(C) - rank :], 0.0))
    R = roots[:, None] * vectors[:, len(C) - rank :].T * unit
    return rows_of_root(R, moments.weight[k])


def _of_unit_length(scatter: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Scatters of columns of length one, so that none is lost beside a larger one; the lengths."""
    unit = np.sqrt(np.maximum(np.einsum("...jj->...j", scatter), 0.0))
    divisor = np.where(unit > 0.0, unit, 1.0)
    return scatter / divisor[..., None, :] / divisor[..., None], unit
