"""Columns of an array as rows of another."""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray, IntArray

# Samples gathered at a time: what is read stays in the cache until it is written.
_CHUNK = 512


def gather(X: FloatArray, features: IntArray, out: FloatArray | None) -> FloatArray:
    """``X[:, features]'`` in C order."""
    if X.flags.f_contiguous:
        return np.take(X.T, features, axis=0, out=out, mode="clip")
    if out is None:
        return np.ascontiguousarray(X[:, features].T)
    for start in range(0, X.shape[0], _CHUNK):
        chunk = slice(start, start + _CHUNK)
        out[:, chunk] = X[chunk, features].T
    return out
