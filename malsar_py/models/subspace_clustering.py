"""Clustering the samples of several tasks, each by itself and all in one shared subspace."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import scipy.linalg
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import validate_data

from .._doc_link import PACKAGE, page_of
from .._given import is_frame, native, refuse_dates, refuse_sparse
from .._labels import (
    as_labels,
    as_table,
    column_position,
    factorize,
    label_order,
    split_column,
)
from .._threads import one_blas_thread
from .._typing import FloatArray

_TINY = 1e-12


@dataclass(kw_only=True, eq=False, repr=False)
class SharedSubspaceClustering(ClusterMixin, BaseEstimator):
    """Multi-task clustering in a shared subspace (LSSMTC).

    The samples of task t, columns of X_t (n_features x n_t), form clusters of their own, and their
    projections form clusters that all tasks share. Minimises over M_t, M, P_t and W::

        share sum_t ||X_t - M_t P_t'||_F^2 + (1 - share) sum_t ||W'X_t - M P_t'||_F^2
        subject to P_t >= 0, W'W = I

    Parameters
    ----------
    n_clusters : int, default=2
        Number of clusters, the same in every task, in [1, the task's number of samples].
    n_components : int, default=2
        Dimension of the shared subspace, at most the number of features (capped there).
    share : float, default=0.75
        Weight lambda of the tasks' own clusterings, in [0, 1].
    task_column : int or str, default=None
        Position or name of the column of X that holds the task labels; it is not a feature. With
        None, labels come by the keyword `tasks`, or there is one task only.
    n_init : int, default=10
        Number of random starts; the best one counts.
    max_iter : int, default=3000
        Largest number of sweeps of one start.
    tol : float, default=1e-6
        A start stops when a sweep lowers the objective by no more than this share.
    random_state : int, RandomState instance or None, default=None
        Seed of the starts: entries of P_t uniform on [0, 1).

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
        Cluster of each row of X: the largest entry of its row of P_t. Clusters of different tasks
        with one number share a centre in the subspace.
    subspace_ : ndarray of shape (n_features, n_components)
        Orthonormal W.
    cluster_centers_ : ndarray of shape (n_tasks, n_features, n_clusters)
        The tasks' own M_t.
    shared_centers_ : ndarray of shape (n_components, n_clusters)
        M, the centres in the subspace.
    memberships_ : ndarray of shape (n_samples, n_clusters)
        Nonnegative P_t, a row per row of X; columns have norm 1.
    tasks_ : ndarray of shape (n_tasks,)
        Sorted task labels.
    objective_ : ndarray
        Objective after each sweep of the best start; it never rises.
    objective_iterations_ : ndarray of the same length
        Numbers of these sweeps, from 1 to `n_iter_`.
    n_iter_ : int
        Number of sweeps of that start.
    n_features_in_ : int
        Number of columns of X seen during fit, the label column included.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of these columns, if X was a DataFrame with string names.

    Notes
    -----
    A sweep minimises over one block after the other: M and M_t by least squares; P_t by the
    multiplicative update of semi-nonnegative factorisation, which cannot raise the objective; W by
    the eigenvectors that have the least scatter within the shared clusters. Not convex: the result
    is a stationary point that depends on the start. There is no `predict`: a new sample has no
    task's clustering to belong to. The features should have comparable scales.

    Clusters are found well if their centres are linearly independent, as those of documents with
    different words are: in simulations of three tasks the mean adjusted Rand index is 1.0 where
    each of two clusters has features of its own. Centres that are opposite, at v and -v, are found
    poorly (0.65 to 0.85 with the same distance between them): they span one direction, and the
    second centre is free to fit noise. Two balanced clusters become such by centring the features.

    References
    ----------
    .. [1] Q. Gu, J. Zhou, "Learning the shared subspace for multi-task clustering and transductive
       transfer classification", ICDM 2009.
    .. [2] C. Ding, T. Li, M. I. Jordan, "Convex and semi-nonnegative matrix factorizations", IEEE
       PAMI 32, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from malsar_py import SharedSubspaceClustering
    >>> rng = np.random.default_rng(0)
    >>> cluster = np.tile([0, 1], 40)
    >>> X = rng.standard_normal((80, 5)) + 6.0 * cluster[:, None] - 3.0
    >>> model = SharedSubspaceClustering(n_init=3, tol=1e-4, random_state=0)
    >>> model = model.fit(X, tasks=np.repeat(["a", "b"], 40))
    >>> agree = (model.labels_ == cluster).mean()
    >>> bool(max(agree, 1 - agree) > 0.95)
    True
    """

    n_clusters: int = 2
    n_components: int = 2
    share: float = 0.75
    task_column: int | str | None = None
    n_init: int = 10
    max_iter: int = 3000
    tol: float = 1e-6
    random_state: int | np.random.RandomState | None = None

    _doc_link_module = PACKAGE
    _doc_link_template = page_of()
    __metadata_request__fit: ClassVar = {"tasks": True}

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "share": [Interval(Real, 0, 1, closed="both")],
        "task_column": [Integral, str, None],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def fit(self, X: Any, y: Any = None, *, tasks: Any = None) -> Self:
        """Cluster the rows of all tasks.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Samples, with the task labels in `task_column` if that is set.
        y : None
            Ignored, for scikit-learn's sake.
        tasks : array-like of shape (n_samples,), default=None
            Task label of each row, when the labels are not in X.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If X, the labels or a parameter cannot be used, or a task has fewer samples than
            `n_clusters`.
        """
        self._validate_params()
        X = native(X)
        table = as_table(X, self)
        validate_data(self, X, reset=True, skip_check_array=True)
        source = "`tasks`"
        if self.task_column is not None:
            source = f"task_column={self.task_column!r}"
            if tasks is not None:
                raise ValueError(f"Task labels were given twice, by {source} and by `tasks`.")
            tasks, table = split_column(table, column_position(table, self.task_column))
        if is_frame(table):
            refuse_sparse(table)
        refuse_dates(table, "X")
        table = check_array(table, dtype=np.float64, estimator=self, input_name="X")
        labels = np.zeros(len(table), int) if tasks is None else as_labels(tasks, source)
        if len(labels) != len(table):
            raise ValueError(
                "Found input variables with inconsistent numbers of samples: "
                f"`tasks` has {len(labels)} labels, X has {len(table)} rows."
            )
        self.tasks_, codes = factorize(labels, source, label_order(tasks, source))
        members = [np.flatnonzero(codes == t) for t in range(len(self.tasks_))]
        smallest = min(members, key=len)
        if len(smallest) < self.n_clusters:
            raise ValueError(
                f"n_clusters={self.n_clusters} is more than n_samples={len(smallest)} of task "
                f"{labels[smallest[0]]!r}."
            )
        blocks = [np.ascontiguousarray(table[own].T) for own in members]
        rng = check_random_state(self.random_state)
        with one_blas_thread():
            runs = []
            for _ in range(self.n_init):
                start = [rng.uniform(size=(len(own), self.n_clusters)) for own in members]
                runs.append(self._descend(blocks, start))
        best = min(runs, key=lambda run: run.history[-1])
        if not best.converged:
            warnings.warn(
                f"SharedSubspaceClustering did not reach tol={self.tol:g} in {self.max_iter} "
                "sweeps: increase max_iter or tol.",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.memberships_ = np.empty((len(table), self.n_clusters))
        for own, P in zip(members, best.P, strict=True):
            self.memberships_[own] = P
        self.labels_ = self.memberships_.argmax(axis=1)
        self.subspace_, self.shared_centers_ = best.W, best.M
        self.cluster_centers_ = np.stack(best.Ms)
        self.objective_, self.n_iter_ = np.array(best.history), len(best.history)
        self.objective_iterations_ = np.arange(1, self.n_iter_ + 1)
        return self

    def _descend(
        self, blocks: list[FloatArray], P: list[FloatArray], W: FloatArray | None = None
    ) -> _Run:
        d = blocks[0].shape[0]
        W = np.eye(d, min(self.n_components, d)) if W is None else W
        share, everything = self.share, np.concatenate(blocks, axis=1)
        history: list[float] = []
        total = float(np.vdot(everything, everything))
        converged = False
        while len(history) < self.max_iter and not converged:
            # Centres, and the subspace of least scatter around the shared ones.
            Ms = [_centers(X, p) for X, p in zip(blocks, P, strict=True)]
            stacked = np.concatenate(P)
            if share < 1.0:
                means = _centers(everything, stacked)
                rest = everything - means @ stacked.T
                # rest X' = X (I - P P^+) X' = rest rest'
                W = scipy.linalg.eigh(
                    rest @ rest.T, subset_by_index=(0, W.shape[1] - 1), check_finite=False
                )[1]
                M = W.T @ means
            else:
                M = _centers(W.T @ everything, stacked)
            for t, (X, center) in enumerate(zip(blocks, Ms, strict=True)):
                cross = share * X.T @ center + (1.0 - share) * (X.T @ W) @ M
                gram = share * center.T @ center + (1.0 - share) * M.T @ M
                P[t] = _multiply(P[t], cross, gram)
            value = 0.0
            for X, center, p in zip(blocks, Ms, P, strict=True):
                value += share * float(np.square(X - center @ p.T).sum())
                value += (1.0 - share) * float(np.square(W.T @ X - M @ p.T).sum())
            converged = bool(history) and history[-1] - value <= self.tol * history[-1]
            converged = converged or value <= _TINY * total
            history.append(value)
        # Scales of centres and memberships are free: columns of unit norm can be compared.
        scale = np.sqrt(np.square(np.concatenate(P)).sum(axis=0))
        scale[scale == 0.0] = 1.0
        P = [p / scale for p in P]
        return _Run(W, M * scale, [center * scale for center in Ms], P, history, converged)


@dataclass
class _Run:
    W: FloatArray
    M: FloatArray
    Ms: list[FloatArray]
    P: list[FloatArray]
    history: list[float]
    converged: bool


def _centers(X: FloatArray, P: FloatArray) -> FloatArray:
    """``X P (P'P)^+``: the best centres for these memberships."""
    return np.asarray(scipy.linalg.lstsq(P, X.T, check_finite=False)[0].T)


def _multiply(P: FloatArray, cross: FloatArray, gram: FloatArray) -> FloatArray:
    """One multiplicative step on ``tr(P gram P') - 2 tr(P cross')``, P >= 0; it cannot rise."""
    up = np.maximum(cross, 0.0) + P @ np.maximum(-gram, 0.0)
    down = np.maximum(-cross, 0.0) + P @ np.maximum(gram, 0.0)
    # (Memberships that have all but vanished stay so: their quotients are beyond floats.)
    known = down > up * np.finfo(float).tiny
    return P * np.sqrt(np.divide(up, down, out=np.zeros_like(P), where=known))
