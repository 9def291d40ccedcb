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

import numpy as np

from .._typing import FloatArray, IntArray


@dataclass(eq=False)
class Moments:
    """The state of K keys, p columns; a key without rows has zeros."""

    n: IntArray  # (K,) rows of positive weight
    log_weight: FloatArray  # (K,) sum of the logs of their weights
    weight: FloatArray  # (K,) S
    shift: FloatArray  # (K, p)
    offset: FloatArray  # (K, p) mean less shift
    scatter: FloatArray  # (K, p, p) sum of s (z - mean)(z - mean)'

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

    @property
    def nbytes(self) -> int:
        """Bytes of the state."""
        return sum(array.nbytes for array in vars(self).values())

    def take(self, where: IntArray, n_keys: int) -> Moments:
        """A copy with key k at ``where[k]`` of n_keys."""
        out = Moments.zeros(n_keys, self.shift.shape[1])
        for name, values in vars(self).items():
            getattr(out, name)[where] = values
        return out

    def select(self, keys: IntArray) -> Moments:
        """These keys alone."""
        return Moments(**{name: values[keys] for name, values in vars(self).items()})

    def add(self, other: Moments, where: IntArray) -> None:
        """Merge key k of other into key ``where[k]``, each at most once."""
        new = self.n[where] == 0
        # The first shift stays: two keys' means are compared as deviations from it.
        self.shift[where[new]] = other.shift[new]
        mine, theirs = self.weight[where], other.weight
        between = (other.shift - self.shift[where]) + (other.offset - self.offset[where])
        total = mine + theirs
        share = np.divide(theirs, total, out=np.zeros_like(total), where=total > 0.0)
        self.scatter[where] += other.scatter
        both = np.flatnonzero((mine > 0.0) & (theirs > 0.0) & between.any(axis=1))
        for k in both:
            factor = mine[k] * share[k]
            self.scatter[where[k]] += np.outer(factor * between[k], between[k])
        self.offset[where] += share[:, None] * between
        self.n[where] += other.n
        self.log_weight[where] += other.log_weight
        self.weight[where] = total


def moments_of(Z: FloatArray, weight: FloatArray | None, codes: IntArray, n_keys: int) -> Moments:
    """Moments of the rows Z, of which row i belongs to key ``codes[i]``; weights are positive."""
    out = Moments.zeros(n_keys, Z.shape[1])
    order, bounds = _by_key(codes, n_keys)
    rows = Z if order is None else Z[order]
    s = weight if weight is None or order is None else weight[order]
    out.n[:] = np.diff(bounds)
    for k in np.flatnonzero(out.n):
        own = slice(bounds[k], bounds[k + 1])
        block = rows[own] - rows[bounds[k]]
        out.shift[k] = rows[bounds[k]]
        if s is None:
            total = float(len(block))
            mean = block.mean(axis=0)
            block -= mean
            rest = block.sum(axis=0)
            moved = block
        else:
            total = s[own].sum()
            mean = s[own] @ block / total
            block -= mean
            rest = s[own] @ block
            moved = block * s[own][:, None]
            out.log_weight[k] = np.log(s[own]).sum()
        # What rounding left of the mean is taken out of the moments, too.
        out.weight[k] = total
        out.offset[k] = mean + rest / total
        np.matmul(block.T, moved, out=out.scatter[k])
        out.scatter[k] -= np.outer(rest, rest) / total
    return out


def _by_key(codes: IntArray, n_keys: int) -> tuple[IntArray | None, IntArray]:
    """The order that sorts rows by key (None: they are), and where each key begins and ends."""
    if n_keys == 1:
        return None, np.array([0, len(codes)])
    bounds = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=n_keys))])
    if (np.diff(codes) >= 0).all():
        return None, bounds
    # numpy sorts small integers by radix.
    small = codes.astype(np.uint16) if n_keys <= 1 << 16 else codes
    return np.argsort(small, kind="stable"), bounds


def equivalent_rows(moments: Moments, k: int) -> tuple[FloatArray, FloatArray, float]:
    """Few rows with the same weighted moments as those of key k: their weighted squares are equal.

    Returns deviations (m, p) from the mean, which sum to zero, the mean (p,), and the weight that
    each of the rows has, S / m; m is the number of rows, p + 1 at most. From R'R = scatter the rows
    [0, R] below [sqrt(S), 0] are reflected so that the first column is the same in all.
    """
    scatter = moments.scatter[k]
    p = len(scatter)
    m = int(min(moments.n[k], p + 1))
    total = moments.weight[k]
    deviations = np.zeros((m, p))
    if m > 1:
        # On columns of unit length: none is lost beside a larger one.
        unit = np.sqrt(np.maximum(np.diagonal(scatter), 0.0))
        divisor = np.where(unit > 0.0, unit, 1.0)
        values, vectors = np.linalg.eigh(scatter / divisor / divisor[:, None])
        roots = np.sqrt(np.maximum(values[1 - m :], 0.0))
        R = roots[:, None] * vectors[:, 1 - m :].T * unit
        # Householder: e_1 to (1, ..., 1) / sqrt(m).
        v = np.full(m, -1.0 / np.sqrt(m))
        v[0] += 1.0
        v /= np.linalg.norm(v)
        deviations[1:] = R
        deviations -= 2.0 * np.outer(v, v @ deviations)
        deviations *= np.sqrt(m / total)
    return deviations, moments.mean[k], total / m
