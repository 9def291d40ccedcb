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


def _grown(values: AnyArray, n_keys: int) -> AnyArray:
    base = values.base
    if base is None or len(base) < n_keys:
        base = np.zeros((2 * n_keys, *values.shape[1:]), values.dtype)
        base[: len(values)] = values
    return base[:n_keys]


def equivalent_rows(moments: Moments, k: int) -> tuple[FloatArray, FloatArray, float]:
    """Few rows with the same weighted moments as those of key k: their weighted squares are equal.

    Returns deviations (m, p) from the mean, which sum to zero, the mean (p,), and the weight that
    each of the rows has, S / m; m is the number of rows, p + 1 at most.
    """
    scatter = moments.scatter[k]  # its upper triangle
    p = len(scatter)
    m = int(min(moments.n[k], p + 1))
    total = moments.weight[k]
    R = np.zeros((0, p))
    if m > 1:
        # On columns of unit length: none is lost beside a larger one.
        unit = np.sqrt(np.maximum(np.diagonal(scatter), 0.0))
        divisor = np.where(unit > 0.0, unit, 1.0)
        R = _root(scatter / divisor / divisor[:, None], m - 1) * unit
    mean = moments.shift[k] + moments.offset[k]
    return rows_of_root(R, total), mean, total / m


def _root(C: FloatArray, rank: int) -> FloatArray:
    """R (rank, p) with R'R = C, semidefinite and of no higher rank, from its upper triangle."""
    if rank == len(C):
        try:
            # Columns of zeros are taken for independent ones: nothing is multiplied by them.
            return np.asarray(np.linalg.cholesky((C + np.diag(np.diagonal(C) == 0.0)).T).T)
        except np.linalg.LinAlgError:
            pass
    values, vectors = np.linalg.eigh(C, UPLO="U")
    roots = np.sqrt(np.maximum(values[len(C) - rank :], 0.0))
    return np.asarray(roots[:, None] * vectors[:, len(C) - rank :].T)
