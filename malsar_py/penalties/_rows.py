"""Norms that are sums over the rows or the columns of W."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from .. import prox
from .._typing import FloatArray, IntArray
from ._base import FreePart, Norm
from ._per_task import by_class, whole_tasks


class L1(Norm):
    """``lambda1 sum_jt |w_jt|``: single coefficients are zero (the Lasso [1]_).

    Its prox is the soft threshold ``sign(v) max(|v| - tau, 0)``, its dual norm ``max_jt |g_jt|``.

    Parameters
    ----------
    lambda1 : float, default=1.0
        Strength, in [0, inf).

    References
    ----------
    .. [1] R. Tibshirani, "Regression shrinkage and selection via the lasso", J. Royal Statistical
       Society B 58, 1996.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.penalties import L1
    >>> L1().prox(np.array([[3.0, 0.5]]), 1.0)
    array([[2., 0.]])
    """

    row_norm: ClassVar[str | None] = "L1"

    def value(self, W: FloatArray) -> float:
        return self.lambda1 * float(np.abs(W).sum())

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        return prox.prox_l1(V, step * self.lambda1)

    def dual_norm(self, G: FloatArray) -> float:
        return float(np.abs(G).max(initial=0.0))

    def row_thresholds(self, n_features: int) -> FloatArray:
        return np.full(n_features, self.lambda1)


class RowL2(Norm):
    """``lambda1 sum_j ||w^j||_2`` (L2,1): a feature counts for all tasks or for none [1]_.

    Its prox shrinks rows, ``v^j max(1 - tau / ||v^j||_2, 0)``; its dual norm is ``max_j
    ||g^j||_2``.

    Parameters
    ----------
    lambda1 : float, default=1.0
        Strength, in [0, inf).

    References
    ----------
    .. [1] G. Obozinski, B. Taskar, M. I. Jordan, "Joint covariate selection and joint subspace
       selection for multiple classification problems", Statistics and Computing 20, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.penalties import RowL2
    >>> RowL2().prox(np.array([[3.0, -4.0], [0.1, 0.1]]), 1.0)
    array([[ 2.4, -3.2],
           [ 0. ,  0. ]])
    """

    row_norm: ClassVar[str | None] = "L2"

    def value(self, W: FloatArray) -> float:
        return self.lambda1 * float(np.sqrt(np.einsum("jt,jt->j", W, W)).sum())

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        return prox.prox_row_l2(V, step * self.lambda1)

    def dual_norm(self, G: FloatArray) -> float:
        return float(np.sqrt(np.einsum("jt,jt->j", G, G).max(initial=0.0)))

    def row_thresholds(self, n_features: int) -> FloatArray:
        return np.full(n_features, self.lambda1)


@dataclass(frozen=True, eq=False, kw_only=True)
class WeightedRows(Norm):
    """``lambda1 sum_j weights_j n(w^j)`` for a norm n of rows; rows of weight 0 are free."""

    weights: FloatArray

    @abstractmethod
    def row_norms(self, W: FloatArray) -> FloatArray:
        """``n(w^j)`` of every row."""

    @abstractmethod
    def dual_row_norms(self, G: FloatArray) -> FloatArray:
        """The dual norm of every row."""

    def value(self, W: FloatArray) -> float:
        sizes = self.row_norms(W)
        used = sizes > 0.0  # (weights may be infinite where it is zero)
        return self.lambda1 * float(self.weights[used] @ sizes[used])

    def dual_norm(self, G: FloatArray) -> float:
        used = self.weights > 0.0
        return float((self.dual_row_norms(G[used]) / self.weights[used]).max(initial=0.0))

    def row_thresholds(self, n_features: int) -> FloatArray:
        return self.lambda1 * self.weights

    def restrict(self, features: IntArray) -> Self:
        return replace(self, weights=self.weights[features])

    def leaves_free(self, n_tasks: int) -> FreePart | None:
        rows = np.flatnonzero(self.weights == 0.0)
        return (rows, None) if rows.size else None


class WeightedL1(WeightedRows):
    """``lambda1 sum_j weights_j ||w^j||_1``."""

    row_norm: ClassVar[str | None] = L1.row_norm

    def row_norms(self, W: FloatArray) -> FloatArray:
        return np.abs(W).sum(axis=1)

    def dual_row_norms(self, G: FloatArray) -> FloatArray:
        return np.abs(G).max(axis=1)

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        return prox.prox_l1(V, step * self.lambda1 * self.weights)


class WeightedRowL2(WeightedRows):
    """``lambda1 sum_j weights_j ||w^j||_2``."""

    row_norm: ClassVar[str | None] = RowL2.row_norm

    def row_norms(self, W: FloatArray) -> FloatArray:
        return np.sqrt(np.einsum("jt,jt->j", W, W))

    def dual_row_norms(self, G: FloatArray) -> FloatArray:
        return self.row_norms(G)

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        return prox.prox_row_l2(V, step * self.lambda1 * self.weights)


class RowLinf(Norm):
    """``lambda1 sum_j max_t |w_jt|`` (L1,inf): tasks may use a feature as much as any of them.

    Its prox is V less the projections of its rows onto the l1 ball of radius tau [2]_; its dual
    norm is ``max_j ||g^j||_1``.

    Parameters
    ----------
    lambda1 : float, default=1.0
        Strength, in [0, inf).

    References
    ----------
    .. [1] A. Jalali, P. Ravikumar, S. Sanghavi, C. Ruan, "A dirty model for multi-task learning",
       NIPS 2010.
    .. [2] L. Condat, "Fast projection onto the simplex and the l1 ball", Mathematical Programming
       158, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.penalties import RowLinf
    >>> RowLinf().prox(np.array([[3.0, -4.0]]), 2.0)
    array([[ 2.5, -2.5]])
    """

    def value(self, W: FloatArray) -> float:
        return self.lambda1 * float(np.abs(W).max(axis=1).sum())

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        return prox.prox_row_linf(V, step * self.lambda1)

    def dual_norm(self, G: FloatArray) -> float:
        return float(np.abs(G).sum(axis=1).max(initial=0.0))


@dataclass(frozen=True)
class ColumnL2(Norm):
    """``lambda1 sum_t ||w_t||_2``: a task has coefficients, or none [1]_.

    Its prox shrinks columns, ``v_t max(1 - tau / ||v_t||_2, 0)``; its dual norm is ``max_t
    ||g_t||_2``.

    Parameters
    ----------
    lambda1 : float, default=1.0
        Strength, in [0, inf).
    n_classes : int, default=1
        Columns of W that each task has, one for each of more than two classes: together a group.

    References
    ----------
    .. [1] P. Gong, J. Ye, C. Zhang, "Robust multi-task feature learning", KDD 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py.penalties import ColumnL2
    >>> ColumnL2().value(np.array([[3.0, 0.0], [4.0, 1.0]]))
    6.0
    """

    n_classes: int = 1

    def value(self, W: FloatArray) -> float:
        W = whole_tasks(W, self.n_classes)
        return self.lambda1 * float(np.sqrt(np.einsum("jt,jt->t", W, W)).sum())

    def prox(self, V: FloatArray, step: float) -> FloatArray:
        V = whole_tasks(V, self.n_classes)
        return by_class(prox.prox_column_l2(V, step * self.lambda1), self.n_classes)

    def dual_norm(self, G: FloatArray) -> float:
        G = whole_tasks(G, self.n_classes)
        return float(np.sqrt(np.einsum("jt,jt->t", G, G).max(initial=0.0)))
