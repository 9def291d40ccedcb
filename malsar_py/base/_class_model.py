"""The quadratic model of the multinomial loss: classes of a task meet in every sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import AnyArray, FloatArray, IntArray
from ..design import Coupled
from ..losses import Squared
from ..objective import WholeObjective, make_objective
from ..penalties import Penalty


@dataclass(frozen=True, eq=False)
class ClassMoments:
    """Second moments of the features, intercepts last, weighted by the loss's curvature."""

    H: FloatArray  # (T, K, e, K, e), e = d + 1

    def __add__(self, other: ClassMoments) -> ClassMoments:
        return ClassMoments(self.H + other.H)

    @classmethod
    def of(
        cls, X: FloatArray, blocks: list[FloatArray], offsets: IntArray, tasks: AnyArray, T: int
    ) -> ClassMoments:
        """Of rows task by task; ``blocks`` (K, K, n) are the curvatures of each task's samples."""
        K, e = len(blocks[0]), X.shape[1] + 1
        H = np.zeros((T, K, e, K, e))
        for t, block, start, stop in zip(tasks, blocks, offsets[:-1], offsets[1:], strict=True):
            own = np.column_stack([X[start:stop], np.ones(stop - start)])
            for k in range(K):
                for j in range(k + 1):
                    H[t, k, :, j] = H[t, j, :, k] = (own * block[k, j][:, None]).T @ own
        return cls(H)

    @property
    def curvature(self) -> FloatArray:
        """That along the intercepts (T, K, K)."""
        return self.H[:, :, -1, :, -1]


@dataclass(frozen=True, eq=False)
class ClassModel:
    """The model around a point, the intercepts eliminated."""

    objective: WholeObjective
    won: float  # what the intercepts alone win there
    slope: FloatArray  # of the intercepts (T, K)
    inverse: FloatArray  # (T, K, K)
    between: FloatArray  # (T, K, K d) curvature between intercepts and coefficients

    def intercept_step(self, D: FloatArray) -> FloatArray:
        """What the intercepts do about a step D of the coefficients (d, T K)."""
        own = D.T.reshape(len(self.slope), -1)
        rest = self.slope - np.einsum("tkj,tj->tk", self.between, own)
        return np.einsum("tkl,tl->tk", self.inverse, rest).ravel()


def class_model(
    moments: ClassMoments,
    theta: FloatArray,
    G: FloatArray,
    W: FloatArray,
    penalty: Penalty,
    fit_intercept: bool,
) -> ClassModel:
    """The model at W (d, T K); ``theta`` (T K,) and ``G`` (T K, d) are the sums of theta there."""
    T, K, e = moments.H.shape[:3]
    d = e - 1
    size = K * d
    H = moments.H[:, :, :d, :, :d].reshape(T, size, size)
    between = moments.H[:, :, -1, :, :d].reshape(T, K, size)
    slope, pull = theta.reshape(T, K), G.reshape(T, size)
    inverse: FloatArray = np.zeros((T, K, K))
    if fit_intercept:
        inverse = np.asarray(np.linalg.pinv(moments.curvature, hermitian=True))
        taken = np.einsum("tkj,tkl->tjl", between, inverse)
        H = H - taken @ between
        pull = pull - np.einsum("tjl,tl->tj", taken, slope)
    values, U = np.linalg.eigh(H)
    floor = values[:, -1:] * (size * np.finfo(float).eps)
    root = np.sqrt(np.where(values > floor, values, 0.0))
    right = np.einsum("tij,tj->ti", H, W.T.reshape(T, size)) + pull
    along = np.einsum("tij,ti->tj", U, right)
    y = np.divide(along, root, out=np.zeros_like(along), where=root > 0.0)
    design = Coupled(root[:, :, None] * U.transpose(0, 2, 1), d)
    ones = np.ones(y.size)
    objective = make_objective(design, Squared(), y.ravel(), ones, penalty, False)
    won = 0.5 * float(np.einsum("tk,tkl,tl->", slope, inverse, slope))
    return ClassModel(objective, won, slope, inverse, between)
