"""Sparse X: what it is, its label column, and when it is made dense."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_array

from ._given import is_frame
from ._labels import split_column
from ._typing import AnyArray

# A model without a way for sparse X gets a dense copy up to so many bytes.
_MOST_BYTES = 2**30


def is_sparse(X: Any) -> bool:
    """A matrix or array of scipy.sparse."""
    return bool(sparse.issparse(X))


def sparse_frame(table: Any, skip: int | None) -> bool:
    """A DataFrame of pandas whose columns, but for one, are all sparse: zero where nothing is."""
    if not is_frame(table) or not hasattr(table, "sparse"):
        return False
    dtypes = [dtype for j, dtype in enumerate(table.dtypes) if j != skip]
    return all(getattr(dtype, "fill_value", None) == 0 for dtype in dtypes)


def dense_frame(table: Any) -> Any:
    """A frame whose sparse columns, beside others or filled with anything else, are dense."""
    if not is_frame(table) or not hasattr(table, "iloc"):
        return table
    sparse_ones = [hasattr(dtype, "fill_value") for dtype in table.dtypes]
    if not any(sparse_ones):
        return table
    columns = {j: table.iloc[:, j] for j in range(table.shape[1])}
    made = {j: c.sparse.to_dense() if sparse_ones[j] else c for j, c in columns.items()}
    other = type(table)(made)
    other.columns = table.columns
    return other


def sparse_features(
    estimator: Any, table: Any, position: int | None, *, fit: bool
) -> tuple[Any, AnyArray | None]:
    """Finite float64 features (CSR, or dense where the estimator needs that) and the labels.

    Models with coefficients predict from sparse X, however they were fitted.
    """
    column = None
    if position is not None:
        column, table = split_column(table, position)
    if is_frame(table):
        table = sparse.csr_array(table.sparse.to_coo())
    X = check_array(
        table,
        accept_sparse="csr",
        dtype=np.float64,
        estimator=estimator,
        input_name="X",
        accept_large_sparse=True,
    )
    X = sparse.csr_array(X)
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    if not (estimator._takes_sparse if fit else estimator._linear):
        X = dense(X, estimator)
    return X, column


def as_array(rows: Any) -> AnyArray:
    """A few rows, be they sparse."""
    found: AnyArray = rows.toarray() if is_sparse(rows) else rows
    return found


def times_columns(X: Any, factor: AnyArray) -> Any:
    """X with a factor for each column."""
    return X.multiply(factor).tocsr() if is_sparse(X) else X * factor


def dense(X: Any, estimator: Any) -> AnyArray:
    """A dense copy.

    Raises
    ------
    MemoryError
        If that would take more than 1 GB.
    """
    n_bytes = 8 * X.shape[0] * X.shape[1]
    if n_bytes > _MOST_BYTES:
        raise MemoryError(
            f"{type(estimator).__name__} needs a dense X, which would take {n_bytes / 2**30:.1f} "
            f"GB ({X.shape[0]} x {X.shape[1]}) and is made up to {_MOST_BYTES / 2**30:.0f} GB "
            "only. Choose features (SelectKBest, TruncatedSVD), or a model that takes sparse X as "
            "it is: Lasso, JointFeature, GroupFeature, MeanRegularized, TraceNorm, Graph."
        )
    return np.ascontiguousarray(X.toarray())
